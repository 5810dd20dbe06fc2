import { NO_TIME } from '../base/place.ts';
import { NO_SOURCE, NO_THREAD } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import { type Carrier, Frame } from './carrier.ts';
import { container } from './carriers/container.ts';
import { cri } from './carriers/cri.ts';
import { ftrace } from './carriers/ftrace.ts';
import { syslog } from './carriers/syslog.ts';
import { EmbeddedLine } from './embedded-line.ts';
import type { LineReader } from './line-reader.ts';
import { type LinePlace, writeLoss } from './notes.ts';
import type { Remark } from './remarks/remark.ts';

/** What may stand before a line of QEMU's that a shipper took from a file: what is sure before what is a guess. */
const CARRIERS: readonly Carrier[] = [ftrace, cri, syslog, container];
/** Bytes of a line in which a header is looked for. */
const LOOKED_AT = 256;
/** What a line with a header may begin with; a stamp of QEMU's own has six digits and no stream behind it. */
const HEADED =
  /^(?:<\d|[A-Z][a-z]{2} [ \d]\d \d\d:|\d{4}-\d\d-\d\dT[\d:]{8}(?:\.\d{9}|\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d) (?:std(?:out|err) |\S{1,64} \S{1,64}: )|\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}|\[pod\/|[\w.-]{1,128} {1,64}\| )/;
/** What stands between ftrace's header and the line. */
const MARKED = /(?:tracing_mark_write|print): /;

/**
 * Reads lines of QEMU's in objects of other programs, as `EmbeddedLine` does; and those that stand there behind a
 * header of a syslog daemon, a container runtime, kubectl or ftrace.
 */
export class CarriedLine {
  readonly #line: EmbeddedLine;
  readonly #frame = new Frame();

  constructor(reader: LineReader) {
    this.#line = new EmbeddedLine(reader);
  }

  /** As `EmbeddedLine.write`. */
  write(
    line: Buffer,
    writer: BatchWriter,
    outside: LinePlace,
    remarks: readonly Remark[],
  ): boolean {
    return (
      this.#behindHeader(line, 0, line.length, writer, outside) ??
      this.#line.write(line, writer, outside, remarks)
    );
  }

  /** As `EmbeddedLine.writeAt`. */
  writeAt(
    bytes: Buffer,
    from: number,
    to: number,
    writer: BatchWriter,
    outside: LinePlace,
    remarks: readonly Remark[],
  ): boolean {
    return (
      this.#behindHeader(bytes, from, to, writer, outside) ??
      this.#line.writeAt(bytes, from, to, writer, outside, remarks)
    );
  }

  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void {
    this.#line.takeCounts(writer);
  }

  /** Null where it has no header; else whether it is a line of QEMU's. */
  #behindHeader(
    bytes: Buffer,
    from: number,
    to: number,
    writer: BatchWriter,
    outside: LinePlace,
  ): boolean | null {
    const text = bytes.toString('latin1', from, Math.min(to, from + LOOKED_AT));
    if (!HEADED.test(text) && !MARKED.test(text)) return null;
    const frame = this.#frame;
    const carrier = CARRIERS.find((known) => {
      frame.reset();
      return known.frame(bytes, from, to, frame);
    });
    if (carrier === undefined) return null;
    const place = placeOf(frame, carrier, outside);
    if (frame.source !== '' && writer.source === NO_SOURCE) {
      writer.source = writer.sourceOf(frame.source);
    }
    if (frame.isPart) {
      // Its rest is in another object.
      writeLoss(writer, place, 'torn', text);
      return true;
    }
    const line = bytes.subarray(frame.textAt, frame.textEnd);
    return this.#line.write(line, writer, place, carrier.remarks);
  }
}

/** A header's time is closer to the truth than that of the object around it, if it is of the same clock. */
function placeOf(frame: Frame, { clock }: Carrier, outside: LinePlace): LinePlace {
  const { nanoseconds, seconds, thread } = frame;
  const { byteOffset } = outside;
  const isOwn = nanoseconds !== NO_TIME && (clock === 'wall' || outside.nanoseconds === NO_TIME);
  return {
    byteOffset,
    seconds: isOwn ? seconds : outside.seconds,
    nanoseconds: isOwn ? nanoseconds : outside.nanoseconds,
    thread: thread === NO_THREAD ? outside.thread : thread,
  };
}

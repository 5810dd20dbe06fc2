import { NO_TIME } from '../base/place.ts';
import { NO_THREAD } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import { commitEvent } from './commit-event.ts';
import { type LineReader, outcome } from './line-reader.ts';
import { writeMessage } from './messages.ts';
import { type LinePlace, writeLoss } from './notes.ts';
import { FAMILY } from './patterns.ts';
import { type Remark, writeRemark } from './remarks/remark.ts';
import { namesEvent } from './torn-names.ts';

const SPACE = 0x20;
const UNDERSCORE = 0x5f;
const LF = Buffer.from('\n');
/** Bytes of a line that are read. */
export const LINE_LIMIT = 64 * 1024;
const NAMED_LIKE_EVENT = new RegExp(String.raw`^${FAMILY}\w+ `);

/** Reads lines of QEMU that another program has put into lines or objects of its own. */
export class EmbeddedLine {
  readonly #reader: LineReader;

  constructor(reader: LineReader) {
    this.#reader = reader;
  }

  /**
   * Writes the event, the message or the remark that the line is; false where it is neither.
   * `outside`: where it stands, and what the program around it says of time and thread; the line's
   * own stamp, if it has one, is closer to the truth.
   */
  write(
    line: Uint8Array,
    writer: BatchWriter,
    outside: LinePlace,
    remarks: readonly Remark[],
  ): boolean {
    const bytes = Buffer.concat([line.subarray(0, LINE_LIMIT), LF]);
    return this.writeAt(bytes, 0, bytes.length - 1, writer, outside, remarks);
  }

  /** The same for the line at `from .. to` of bytes with an LF behind it, and at most a CR in between. */
  writeAt(
    bytes: Buffer,
    from: number,
    to: number,
    writer: BatchWriter,
    outside: LinePlace,
    remarks: readonly Remark[],
  ): boolean {
    const reader = this.#reader;
    const nameAt = Math.max(from, reader.readStamp(bytes, from));
    const place = nameAt === from ? outside : stampedPlace(reader, outside);
    const found = reader.readEvent(bytes, nameAt, writer);
    if (found === outcome.skipped) {
      // Another line may be glued on, whose header hides where it begins.
      const rest = bytes.indexOf(UNDERSCORE, bytes.indexOf(SPACE, nameAt));
      if (rest < 0 || rest >= to) return true;
      const text = bytes.toString('latin1', bytes.indexOf(SPACE, nameAt), to);
      if (namesEvent(text)) writeLoss(writer, place, 'torn', text);
      return true;
    }
    if (found === outcome.event) {
      commitEvent(reader, bytes, nameAt, writer, place);
      return true;
    }
    const text = bytes.toString('latin1', nameAt, to);
    if (found === outcome.malformed && NAMED_LIKE_EVENT.test(text)) {
      writeLoss(writer, place, 'torn', text);
      return true;
    }
    return writeRemark(remarks, text, writer, place) || writeMessage(text, writer, place);
  }

  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void {
    this.#reader.takeCounts(writer);
  }
}

function stampedPlace({ seconds, nanoseconds, thread }: LineReader, outside: LinePlace): LinePlace {
  return {
    byteOffset: outside.byteOffset,
    seconds: nanoseconds === NO_TIME ? outside.seconds : seconds,
    nanoseconds: nanoseconds === NO_TIME ? outside.nanoseconds : nanoseconds,
    thread: thread === NO_THREAD ? outside.thread : thread,
    isQemusTime: nanoseconds !== NO_TIME,
  };
}

import { NO_SOURCE } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import { type Carrier, Frame } from './carrier.ts';
import { EmbeddedLine } from './embedded-line.ts';
import type { LineReader } from './line-reader.ts';

const LF = 0x0a;
const CR = 0x0d;

/** Decodes lines that a carrier embeds, whichever way QEMU's text in them is read. */
export class FramedLines {
  readonly #line: EmbeddedLine;
  readonly #frame = new Frame();

  constructor(reader: LineReader) {
    this.#line = new EmbeddedLine(reader);
  }

  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    let line = 0;
    for (let at = 0; at < bytes.length; line += 1) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf;
      writer.line = line;
      this.#one(bytes, at, bytes[end - 1] === CR ? end - 1 : end, carrier, writer);
      at = end + 1;
    }
    this.#line.takeCounts(writer);
    return line;
  }

  #one(bytes: Buffer, at: number, end: number, carrier: Carrier, writer: BatchWriter): void {
    writer.source = NO_SOURCE;
    if (end <= at) return;
    const frame = this.#frame;
    frame.reset();
    if (!carrier.frame(bytes, at, end, frame)) {
      writer.foreignLines += 1;
      return;
    }
    const { textAt, textEnd, seconds, nanoseconds, thread, source } = frame;
    if (source !== '') writer.source = writer.sourceOf(source);
    const place = { byteOffset: at, seconds, nanoseconds, thread };
    const text = bytes.subarray(textAt, textEnd);
    if (!this.#line.write(text, writer, place, carrier.remarks)) writer.foreignLines += 1;
  }
}

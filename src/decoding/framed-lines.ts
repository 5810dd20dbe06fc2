import { NO_TIME } from '../base/place.ts';
import { NO_SOURCE, NO_THREAD } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import { type Carrier, Frame } from './carrier.ts';
import { EmbeddedLine, LINE_LIMIT } from './embedded-line.ts';
import { type FormedLines, type LineForm, type PiecePlace, piecesOf } from './formed-lines.ts';
import type { LineReader } from './line-reader.ts';
import { type LinePlace, writeLoss } from './notes.ts';
import { namesEvent } from './torn-names.ts';
import { mayBeFront } from './unfinished.ts';

const CR = 0x0d;
/** Bytes of an unfinished line that are read. */
const TEXT_LIMIT = 4096;

/** A text of which the end comes in another line. */
interface OpenText {
  readonly pieces: Buffer[];
  bytes: number;
}

/** Reads lines that a carrier embeds, whichever way QEMU's text in them is read. */
export class FramedLines implements FormedLines {
  readonly #carrier: Carrier;
  readonly #line: EmbeddedLine;
  readonly #frame = new Frame();
  /** The line that was read last, if it has a form. */
  #formed: { readonly bytes: Buffer; readonly at: number; readonly source: number } | null = null;
  /** By stream; of carriers that join. */
  readonly #open = new Map<string, OpenText>();

  constructor(reader: LineReader, carrier: Carrier) {
    this.#line = new EmbeddedLine(reader);
    this.#carrier = carrier;
  }

  form(): LineForm | null {
    if (this.#formed === null) return null;
    const { bytes, at, source } = this.#formed;
    const { fractionAt, fractionDigits, nanoseconds, seconds, textAt, textEnd, thread } =
      this.#frame;
    const places: PiecePlace[] = [{ from: textAt, to: textEnd, piece: { is: 'rest' } }];
    if (fractionDigits > 0) {
      const to = fractionAt + fractionDigits;
      places.push({ from: fractionAt, to, piece: { is: 'fraction', digits: fractionDigits } });
    }
    const pieces = piecesOf(bytes, at, textEnd, places);
    return { pieces, seconds, nanoseconds, thread, source, record: null };
  }

  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  takeCounts(writer: BatchWriter): void {
    this.#line.takeCounts(writer);
  }

  /** Writes what texts lack their end, at the end of a trace of a carrier that joins. */
  loseOpen(byteOffset: number, writer: BatchWriter): void {
    writer.source = NO_SOURCE;
    for (const { pieces } of this.#open.values()) {
      const text = Buffer.concat(pieces).toString('latin1');
      writeLoss(writer, placeAt(byteOffset), 'torn', text);
    }
    this.#open.clear();
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    writer.source = NO_SOURCE;
    const frame = this.#frame;
    frame.reset();
    const isFramed = this.#carrier.frame(bytes, at, bytes.length, frame);
    const { textAt, seconds, nanoseconds, thread, source } = frame;
    const text = bytes.toString('latin1', isFramed ? textAt : at, at + TEXT_LIMIT);
    // A header that is cut, or has nothing behind it yet, may be of any line.
    if (isFramed && text !== '' && !mayBeFront(text)) {
      writer.foreignLines += 1;
      return;
    }
    if (source !== '') writer.source = writer.sourceOf(source);
    writeLoss(writer, { byteOffset: at, seconds, nanoseconds, thread }, 'torn', text);
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    const end = bytes[lf - 1] === CR ? lf - 1 : lf;
    this.#formed = null;
    writer.source = NO_SOURCE;
    if (end <= at) return;
    const frame = this.#frame;
    frame.reset();
    if (!this.#carrier.frame(bytes, at, end, frame)) {
      this.#unframed(bytes, at, end, writer);
      return;
    }
    const { textAt, textEnd, seconds, nanoseconds, thread, source, stream } = frame;
    const open = this.#open.get(stream);
    if (frame.isPart) {
      this.#hold(open, bytes.subarray(textAt, textEnd), stream);
      return;
    }
    if (source !== '') writer.source = writer.sourceOf(source);
    if (frame.isForm && open === undefined && textEnd === end) {
      this.#formed = { bytes, at, source: writer.source };
    }
    const place = { byteOffset: at, seconds, nanoseconds, thread };
    const { remarks } = this.#carrier;
    let isRead: boolean;
    if (open !== undefined) {
      this.#open.delete(stream);
      const text = Buffer.concat([...open.pieces, bytes.subarray(textAt, textEnd)]);
      isRead = this.#line.write(text, writer, place, remarks);
    } else if (textEnd === end && end - textAt <= LINE_LIMIT) {
      isRead = this.#line.writeAt(bytes, textAt, textEnd, writer, place, remarks);
    } else {
      isRead = this.#line.write(bytes.subarray(textAt, textEnd), writer, place, remarks);
    }
    if (!isRead) writer.foreignLines += 1;
  }

  /** Keeps a part of a text, behind the others that are open in its stream; no more than is read of a line. */
  #hold(open: OpenText | undefined, part: Buffer, stream: string): void {
    const text = open ?? { pieces: [], bytes: 0 };
    const kept = part.subarray(0, LINE_LIMIT - text.bytes);
    // A copy: the block's memory is used again.
    if (kept.length > 0) text.pieces.push(Buffer.from(kept));
    text.bytes += kept.length;
    this.#open.set(stream, text);
  }

  /**
   * A line of somebody else's, or one whose header is damaged; or a message, as those have it who paste
   * a part of a journal beside what they saw elsewhere.
   */
  #unframed(bytes: Buffer, at: number, end: number, writer: BatchWriter): void {
    const text = bytes.toString('latin1', at, Math.min(end, at + TEXT_LIMIT));
    if (this.#carrier.joins === true) {
      // It may have been a part of any of the open texts.
      this.loseOpen(at, writer);
    } else if (!namesEvent(text)) {
      const isRead = this.#line.writeAt(bytes, at, end, writer, placeAt(at), this.#carrier.remarks);
      if (!isRead) writer.foreignLines += 1;
      return;
    }
    writeLoss(writer, placeAt(at), 'torn', text);
  }
}

function placeAt(byteOffset: number): LinePlace {
  return { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
}

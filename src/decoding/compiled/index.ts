import type { BatchWriter } from '../../events/writer.ts';
import type { Carrier } from '../carrier.ts';
import { holdsMessage, writeHeldMessage } from '../commit-event.ts';
import { decodeFormed } from '../formed-lines.ts';
import { FramedLines } from '../framed-lines.ts';
import type { SingleLineKernel } from '../kernel.ts';
import { outcome } from '../line-reader.ts';
import { OddLines } from '../odd-lines.ts';
import { CompiledReader } from './line-reader.ts';

const NUL = 0x00;
const LF = 0x0a;
const ESCAPE = 0x1b;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const AT = 0x40;
const SPACE = 0x20;
const LETTER_Z = 0x5a;
const UNDERSCORE = 0x5f;
const LETTER_A = 0x61;
const LETTER_K = 0x6b;
const LETTER_Q = 0x71;
const LETTER_LAST = 0x7a;

/** The kernel that is used: a hand-written loop over code made of the catalogue. One per thread. */
export class CompiledKernel implements SingleLineKernel {
  readonly #reader = new CompiledReader();
  readonly #oddLines = new OddLines(this.#reader);
  readonly #framed = new Map<Carrier, FramedLines>();

  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number {
    if (carrier.embeds) return decodeFormed(block, this.framed(carrier), writer);
    // Up to its last LF the block is read in place; every scan inside it stops at an LF.
    const end = block.lastIndexOf(LF) + 1;
    let line = this.#lines(block, end, carrier, writer);
    if (end < block.length) {
      writer.line = line;
      this.unfinishedLine(block, end, writer);
      line += 1;
    }
    this.takeCounts(writer);
    return line;
  }

  unfinishedLine(block: Uint8Array, at: number, writer: BatchWriter): void {
    this.#oddLines.unfinishedLine(block.subarray(at), at, writer);
  }

  framed(carrier: Carrier): FramedLines {
    const lines = this.#framed.get(carrier) ?? new FramedLines(this.#reader, carrier);
    this.#framed.set(carrier, lines);
    return lines;
  }

  takeCounts(writer: BatchWriter): void {
    this.#reader.takeCounts(writer);
  }

  /** Nothing but a loop: what V8 makes of it while it runs is given up where anything follows. */
  #lines(block: Uint8Array, end: number, carrier: Carrier, writer: BatchWriter): number {
    let at = 0;
    let line = 0;
    while (at < end) {
      writer.line = line;
      at = this.line(block, at, carrier, writer);
      line += 1;
    }
    return line;
  }

  /**
   * Decodes the line at `lineAt`; returns where the next one begins. The same as `OddLines.line`, but
   * that lines which are a stamp and an event, as nearly all are, leave it at once.
   */
  line(bytes: Uint8Array, lineAt: number, carrier: Carrier, writer: BatchWriter): number {
    let at = lineAt;
    // copytruncate leaves runs of NUL at the start of a rotated log.
    while (bytes[at] === NUL) at += 1;
    const reader = this.#reader;
    const nameAt = reader.readStamp(bytes, at);
    if (nameAt < 0 || !isLetter(bytes[nameAt] as number)) {
      return this.#oddLines.oddLine(bytes, lineAt, at, carrier, writer, outcome.foreign);
    }
    const found = reader.readEvent(bytes, nameAt, writer);
    if (found === outcome.event) {
      const next = reader.next;
      writer.commit(lineAt, reader.seconds, reader.nanoseconds, reader.thread);
      if (holdsMessage(reader.kind)) {
        const { seconds, nanoseconds, thread } = reader;
        const place = { byteOffset: lineAt, seconds, nanoseconds, thread };
        writeHeldMessage(reader, bytes, nameAt, writer, place);
      }
      return next + 1;
    }
    if (found === outcome.skipped) {
      const next = plainEnd(bytes, nameAt);
      if (next >= 0) return next + 1;
    }
    return this.#oddLines.oddLine(bytes, lineAt, at, carrier, writer, found);
  }
}

function isLetter(byte: number): boolean {
  return byte >= LETTER_A && byte <= LETTER_LAST;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/**
 * The LF that ends a line of no interest, or -1 where the line deserves a second look: it may hold
 * another event, glued on, or be a message behind a guest's name.
 */
function plainEnd(bytes: Uint8Array, from: number): number {
  // Past the event's own name, so that it is not taken for a second one.
  let at = from;
  while (isLetter(bytes[at] as number) || bytes[at] === UNDERSCORE || isDigit(bytes[at] as number))
    at += 1;
  const first = bytes[at + 1];
  // A program's name.
  if (first === LETTER_Q || first === LETTER_K) return -1;
  for (; ; at += 1) {
    const byte = bytes[at] as number;
    if (byte === LF) return at;
    // The ends of `vtd_`, `vfio_` and their like, of a UTC time; a program's path.
    if (byte === UNDERSCORE || byte === ESCAPE || byte === SLASH) return -1;
    if (byte === LETTER_Z && bytes[at + 1] === SPACE) return -1;
    // Of a thread's stamp, and not of `@0x3d`.
    if (byte === AT && isDigit(bytes[at - 1] as number) && isDigit(bytes[at + 1] as number))
      return -1;
  }
}

import type { BatchWriter } from '../../events/writer.ts';
import type { Carrier } from '../carrier.ts';
import { decodeFormed } from '../formed-lines.ts';
import { FramedLines } from '../framed-lines.ts';
import type { SingleLineKernel } from '../kernel.ts';
import { OddLines } from '../odd-lines.ts';
import { ReferenceReader } from './line-reader.ts';

const LF = 0x0a;

/**
 * The kernel to read: a regular expression for every shape of an event, no shortcut for lines of
 * any kind. Other kernels are compared with it, and it takes their place where the process may
 * make no code of strings. Some ten times slower than the compiled one.
 */
export class ReferenceKernel implements SingleLineKernel {
  readonly #reader = new ReferenceReader();
  readonly #oddLines = new OddLines(this.#reader);
  readonly #framed = new Map<Carrier, FramedLines>();

  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number {
    if (carrier.embeds) return decodeFormed(block, this.framed(carrier), writer);
    let lines = 0;
    for (let at = 0; at < block.length; lines += 1) {
      writer.line = lines;
      const lf = block.indexOf(LF, at);
      if (lf < 0) this.unfinishedLine(block, at, writer);
      else this.line(block, at, carrier, writer);
      at = lf < 0 ? block.length : lf + 1;
    }
    this.takeCounts(writer);
    return lines;
  }

  line(block: Uint8Array, at: number, carrier: Carrier, writer: BatchWriter): number {
    return this.#oddLines.line(block, at, at, carrier, writer);
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
}

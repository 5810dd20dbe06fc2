import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import type { Carrier } from '../../src/decoding/carrier.ts';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import {
  decodeFormed,
  type FormedDecoder,
  type FormedLines,
} from '../../src/decoding/formed-lines.ts';
import type { LineKernel } from '../../src/decoding/kernel.ts';
import { newFormedDecoder } from '../../src/decoding/kernels.ts';
import { ReferenceKernel } from '../../src/decoding/reference/index.ts';
import { WasmKernel } from '../../src/decoding/wasm/index.ts';
import { type KernelExports, newInstance } from '../../src/decoding/wasm/module.ts';
import type { EventBatch } from '../../src/events/batch.ts';
import { BatchCursor } from '../../src/events/cursor.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { changed } from './changed-lines.ts';

const LF = 0x0a;
/** Bytes of a block that is compared: more than the kernel in WebAssembly takes at once. */
const BLOCK = 400 * 1024;

/** A kernel that is fed block by block, as one thread of the program does. */
class Fed {
  readonly #kernel: LineKernel;
  readonly #writer = new BatchWriter();

  constructor(kernel: LineKernel) {
    this.#kernel = kernel;
  }

  decode(block: Uint8Array, carrier: Carrier): EventBatch {
    const lines = this.#kernel.decode(block, carrier, this.#writer);
    return this.#writer.finish(block, 0, lines);
  }
}

/** The records of a batch, one for each line: those that stand for a run of lines are taken apart. */
function* linesOf(batch: EventBatch): Generator<Uint32Array> {
  const cursor = new BatchCursor({ ...batch, words: batch.words.slice() }, 0);
  while (cursor.next()) yield cursor.words;
}

/** What a batch says, as strings that are quick to compare; words last, since they are hard to read. */
function contentOf(batch: EventBatch): readonly unknown[] {
  const { words: _words, text, source: _source, ...rest } = batch;
  const lines = [...linesOf(batch)].map((words) => Buffer.from(words.buffer).toString('base64'));
  return [rest, Buffer.from(text).toString('latin1'), lines.join(' ')];
}

/** The kernel in WebAssembly, which the build makes. */
export function wasmInstance(): KernelExports {
  const instance = newInstance();
  if (instance === null) throw new Error('no kernel in WebAssembly: npm run build');
  return instance;
}

/** All kernels, each with its own tables; they must write the same words. */
export class Kernels {
  readonly #reference = new Fed(new ReferenceKernel());
  readonly #others = [
    new Fed(new CompiledKernel()),
    new Fed(new WasmKernel(wasmInstance(), new CompiledKernel())),
  ];

  /** Decodes a block with each; returns how many records there are. @throws where they differ. */
  compare(block: Uint8Array, carrier: Carrier): number {
    const expected = this.#reference.decode(block, carrier);
    for (const kernel of this.#others) {
      deepStrictEqual(contentOf(kernel.decode(block, carrier)), contentOf(expected));
    }
    return expected.events;
  }

  /** The same for a whole trace. */
  compareTrace(bytes: Uint8Array, carrier: Carrier): number {
    let records = 0;
    for (let at = 0; at < bytes.length; ) {
      const lf = bytes.indexOf(LF, Math.min(at + BLOCK, bytes.length - 1));
      const end = lf < 0 ? bytes.length : lf + 1;
      records += this.compare(bytes.subarray(at, end), carrier);
      at = end;
    }
    return records;
  }
}

/** Compares what a kernel makes of lines in forms with what their reader makes of each. @throws where they differ. */
export class FormedKernels {
  readonly #lines: FormedLines;
  readonly #formed: FormedDecoder;
  readonly #writer = new BatchWriter();

  /** `newLines` makes a reader, and `formed` is of another one. */
  constructor(newLines: () => FormedLines, formed = newFormedDecoder(newLines())) {
    this.#lines = newLines();
    this.#formed = formed;
  }

  /** Returns how many records there are in a block. */
  compare(block: Uint8Array): number {
    const writer = this.#writer;
    const plainly = writer.finish(block, 0, decodeFormed(block, this.#lines, writer));
    const content = contentOf(plainly);
    const inForms = writer.finish(block, 0, this.#formed(block, writer));
    deepStrictEqual(contentOf(inForms), content);
    return plainly.events;
  }
}

/** Lines of a block that are changed at random at most; half as many on average. */
const MOST_LINES = 40;

/** Compares the kernels on about `lines` real lines that were changed at random. @throws where they differ. */
export function compareChangedLines(lines: number, seed?: number): void {
  const kernels = new Kernels();
  fc.assert(
    fc.property(
      fc.array(changed, { minLength: 1, maxLength: MOST_LINES, size: 'max' }),
      fc.constantFrom('\n', '\r\n', '', '\0\n'),
      (parts, end) => {
        kernels.compare(Buffer.from(parts.join('\n') + end, 'latin1'), plain);
      },
    ),
    { numRuns: Math.ceil((2 * lines) / MOST_LINES), ...(seed !== undefined && { seed }) },
  );
}

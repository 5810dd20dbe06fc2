import { closeSync, fstatSync, read, readFileSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { codeOf, messageOf } from '../base/errors.ts';
import { type SourceLoss, unreadableBeyond } from './loss.ts';
import type { OpenFile } from './open-file.ts';

/** Bytes at both ends by which a file is compared with what it was. */
const SAMPLE_BYTES = 4096;

/** What became of a file while it was read. */
export type Fate =
  | 'unchanged'
  /** Something was written behind what it held. */
  | 'grown'
  /** It is shorter, or what it held has been written over. */
  | 'rewritten';

/** What can be read from its start any number of times, up to a size that is known. */
export interface Rereadable {
  readonly path: string;
  /** Bytes that are to be read. */
  readonly bytes: number;
  /** A plain file of which others may read ranges; null where there is none. */
  readonly ranges: { readonly file: number; readonly bytes: number } | null;
  /** The bytes from the start, about `chunkBytes` at a time. */
  chunks(chunkBytes: number): AsyncGenerator<Uint8Array>;
  /** Why it cannot be read beyond so many of its bytes. */
  lossAt(bytes: number): SourceLoss;
  /** What became of it since it was opened. */
  fate(): Fate;
  /** Lets go of it. Nobody may be reading it any more. */
  close(): void;
}

/**
 * The file of a trace, open once for all that read it, in whichever thread: whatever happens to its
 * name, they read the same file. It is read up to the size that it had when it was opened.
 */
export class TraceFile implements Rereadable {
  readonly path: string;
  /** Of the descriptor, which all threads of a process share. */
  readonly number: number;
  /** Where it begins to be read: behind what others have read of standard input. */
  readonly start: number;
  /** Bytes that are to be read. */
  readonly bytes: number;
  readonly #before: FileStats & { readonly sample: Buffer };
  #isClosed = false;

  constructor({ path, number }: OpenFile) {
    this.path = path;
    this.number = number;
    this.start = path === '-' ? positionOf(number) : 0;
    const stats = statsOf(number);
    this.#before = { ...stats, sample: sampleOf(number, this.start, stats.size) };
    this.bytes = Math.max(0, this.#before.size - this.start);
  }

  /** Where only the rest of standard input is left, its offsets are not those of the file. */
  get ranges(): { readonly file: number; readonly bytes: number } | null {
    return this.start === 0 ? { file: this.number, bytes: this.bytes } : null;
  }

  /** The bytes from the start, about `chunkBytes` at a time; the next are read while one is used. */
  async *chunks(chunkBytes: number): AsyncGenerator<Uint8Array> {
    let at = 0;
    const next = () => {
      const bytes = Math.min(chunkBytes, this.bytes - at);
      const reading = bytes === 0 ? Promise.resolve(NOTHING) : this.#read(at, bytes);
      // Whoever takes no more chunks hears of no error, either.
      reading.catch(() => {});
      return reading;
    };
    let reading = next();
    try {
      for (;;) {
        const chunk = await reading;
        if (chunk.length === 0) return;
        at += chunk.length;
        reading = next();
        yield chunk;
      }
    } finally {
      await Promise.allSettled([reading]);
    }
  }

  async #read(at: number, bytes: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    const { bytesRead } = await readAsync(this.number, buffer, 0, bytes, this.start + at);
    return buffer.subarray(0, bytesRead);
  }

  lossAt(bytes: number): SourceLoss {
    const error = this.#errorAt(bytes);
    if (error !== null) return { kind: 'unreadable', detail: unreadableBeyond(bytes, error) };
    const detail = `the file became shorter while it was read: ${bytes} of ${this.bytes} bytes were there`;
    return { kind: 'truncated', detail };
  }

  /** What the system says of the byte at an offset, where it cannot be read; null where it can. */
  #errorAt(offset: number): string | null {
    try {
      readSync(this.number, Buffer.alloc(1), 0, 1, this.start + offset);
      return null;
    } catch (thrown) {
      return messageOf(thrown);
    }
  }

  /** What became of it since it was opened; a file that lost its name is read all the same. */
  fate(): Fate {
    const { size, modified, sample } = this.#before;
    const after = statsOf(this.number);
    if (after.size === size && after.modified === modified) return 'unchanged';
    if (after.size <= size) return 'rewritten';
    return sampleOf(this.number, this.start, size).equals(sample) ? 'grown' : 'rewritten';
  }

  /** Lets go of it. Nobody may be reading it any more: its number may be another file's then. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.path !== '-') closeSync(this.number);
  }
}

const NOTHING = new Uint8Array(0);
const readAsync = promisify(read);

/** What the system says of a file at a time. */
interface FileStats {
  readonly size: number;
  /** Nanoseconds. */
  readonly modified: bigint;
}

function statsOf(file: number): FileStats {
  const { size, mtimeNs } = fstatSync(file, { bigint: true });
  return { size: Number(size), modified: mtimeNs };
}

/** The first and last bytes of a file of this size. */
function sampleOf(file: number, start: number, size: number): Buffer {
  const places = [start, Math.max(start, size - SAMPLE_BYTES)];
  return Buffer.concat(
    places.map((at) => {
      const buffer = Buffer.alloc(Math.max(0, Math.min(SAMPLE_BYTES, size - at)));
      return buffer.subarray(0, readAt(file, buffer, at));
    }),
  );
}

/**
 * Reads at an offset until the buffer is full; returns the bytes read. Where the file ends, or
 * cannot be read, they are fewer: whoever needs to know which it is asks for an error there.
 */
export function readAt(file: number, buffer: Uint8Array, offset: number): number {
  let length = 0;
  while (length < buffer.length) {
    const bytes = readOnce(file, buffer, length, offset + length);
    if (bytes === 0) break;
    length += bytes;
  }
  return length;
}

function readOnce(file: number, buffer: Uint8Array, from: number, offset: number): number {
  try {
    return readSync(file, buffer, from, buffer.length - from, offset);
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown;
    return 0;
  }
}

/** How much of a descriptor has been read, by others (proc(5), `fdinfo`); 0 where it is not told. */
function positionOf(file: number): number {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${file}`, 'latin1');
    return Number(/^pos:\s*(\d+)$/m.exec(info)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

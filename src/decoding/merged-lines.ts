import { NO_TIME } from '../base/place.ts';
import { newLineReader } from './kernels.ts';
import type { LineReader } from './line-reader.ts';

/*
 * Files of one log that QEMU wrote side by side, one for each thread (`-d tid -D qemu-%d.log`): their lines by
 * the times of QEMU's stamps. A line without a stamp belongs to the one before it in its file. Of equal times,
 * a file goes on before another begins, and the lower thread begins.
 */

const LF = 0x0a;
/** A line longer than this is handed on as it comes. */
const LONG_LINE = 1024 * 1024;
const OUTPUT_BYTES = 256 * 1024;
const NOTHING: Uint8Array = new Uint8Array(0);

/** The lines of files by their times; what a file has behind its last LF is left out. */
export class MergedLines {
  readonly #files: readonly LinesOfFile[];
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;

  constructor(files: readonly AsyncIterable<Uint8Array>[]) {
    const reader = newLineReader();
    this.#files = files.map((file, index) => new LinesOfFile(file, index, reader));
  }

  /** Of each file, whether it ends inside a line; to be asked for when all has been read. */
  get endsInLine(): readonly boolean[] {
    return this.#files.map((file) => file.endsInLine);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const waiting = new Heap();
    try {
      for (const file of this.#files) if (await file.next()) waiting.push(file);
      for (let file = waiting.pop(); file !== null; file = waiting.pop()) {
        const limit = waiting.first;
        let isThere = true;
        do {
          this.#take(file.line);
          if (this.#outputBytes >= OUTPUT_BYTES) yield this.#flush();
          isThere = file.nextAtHand() || (await file.next());
        } while (isThere && (file.isInLine || limit === null || file.time <= limit.time));
        if (isThere) waiting.push(file);
      }
      if (this.#outputBytes > 0) yield this.#flush();
    } finally {
      for (const file of this.#files) await file.close();
    }
  }

  #take(line: Uint8Array): void {
    this.#output.push(line);
    this.#outputBytes += line.length;
  }

  #flush(): Uint8Array {
    this.#outputBytes = 0;
    return Buffer.concat(this.#output.splice(0));
  }
}

/** The lines of one file, one at a time. */
class LinesOfFile {
  readonly index: number;
  /** Microseconds of the line that was read last, or of the stamp before it. */
  time = 0;
  /** It, its LF included; or a part of a long one. */
  line: Uint8Array = NOTHING;
  /** What was read last is the front of a long line. */
  isInLine = false;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #reader: LineReader;
  #bytes: Uint8Array = NOTHING;
  #at = 0;

  constructor(file: AsyncIterable<Uint8Array>, index: number, reader: LineReader) {
    this.#chunks = file[Symbol.asyncIterator]();
    this.index = index;
    this.#reader = reader;
  }

  get endsInLine(): boolean {
    return this.isInLine || this.#at < this.#bytes.length;
  }

  /** Goes to the next line, if the bytes that have been read hold it. */
  nextAtHand(): boolean {
    const lf = this.#bytes.indexOf(LF, this.#at);
    if (lf < 0 && this.#bytes.length - this.#at < LONG_LINE) return false;
    const end = lf < 0 ? this.#bytes.length : lf + 1;
    this.line = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    if (!this.isInLine) this.#readTime();
    this.isInLine = lf < 0;
    return true;
  }

  #readTime(): void {
    const reader = this.#reader;
    reader.readStamp(this.line, 0);
    const { nanoseconds, seconds } = reader;
    if (nanoseconds !== NO_TIME) this.time = seconds * 1_000_000 + nanoseconds / 1000;
  }

  /** Goes to the next line, wherever it is; false where there is none. */
  async next(): Promise<boolean> {
    while (!this.nextAtHand()) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      const rest = this.#bytes.subarray(this.#at);
      this.#bytes = Buffer.concat([rest, value]);
      this.#at = 0;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** Files by the times of their next lines. */
class Heap {
  readonly #files: LinesOfFile[] = [];

  get first(): LinesOfFile | null {
    return this.#files[0] ?? null;
  }

  push(file: LinesOfFile): void {
    const files = this.#files;
    let at = files.length;
    files.push(file);
    for (let up = (at - 1) >> 1; at > 0 && this.#isBefore(file, up); up = (at - 1) >> 1) {
      files[at] = files[up] as LinesOfFile;
      at = up;
    }
    files[at] = file;
  }

  pop(): LinesOfFile | null {
    const files = this.#files;
    const first = files[0] ?? null;
    const last = files.pop();
    if (last === undefined || files.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= files.length) break;
      const right = left + 1;
      const isRight = right < files.length && this.#isBefore(files[right] as LinesOfFile, left);
      const least = isRight ? right : left;
      if (this.#isBefore(last, least)) break;
      files[at] = files[least] as LinesOfFile;
      at = least;
    }
    files[at] = last;
    return first;
  }

  #isBefore(file: LinesOfFile, at: number): boolean {
    const other = this.#files[at] as LinesOfFile;
    return file.time === other.time ? file.index < other.index : file.time < other.time;
  }
}

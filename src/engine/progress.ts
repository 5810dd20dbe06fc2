import type { Input } from '../bytes/inputs.ts';

/** How far a run is. */
export interface Progress {
  readonly bytes: number;
  /** Null while some input has no size. */
  readonly totalBytes: number | null;
  readonly traces: number;
  readonly totalTraces: number;
}

/** Adds up how far the inputs of a run are, each by its number. */
export class RunProgress {
  readonly #read = new Map<number, number>();
  readonly #totalBytes: number | null;
  readonly #totalTraces: number;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  #bytes = 0;
  #traces = 0;

  constructor(inputs: readonly Input[], onProgress?: (progress: Progress) => void) {
    this.#totalBytes = sumOf(inputs.map(({ bytes }) => bytes));
    this.#totalTraces = inputs.length;
    this.#onProgress = onProgress;
  }

  /** So many bytes of an input have been read. */
  read(index: number, bytes: number): void {
    this.#bytes += bytes - (this.#read.get(index) ?? 0);
    this.#read.set(index, bytes);
    this.#tell();
  }

  /** An input has been dealt with; `bytes`: its size, or null where it has none. */
  done(index: number, bytes: number | null): void {
    this.#traces += 1;
    if (bytes === null) this.#tell();
    else this.read(index, bytes);
  }

  #tell(): void {
    this.#onProgress?.({
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
      traces: this.#traces,
      totalTraces: this.#totalTraces,
    });
  }
}

function sumOf(sizes: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const size of sizes) {
    if (size === null) return null;
    sum += size;
  }
  return sum;
}

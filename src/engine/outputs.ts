import { setImmediate as nextTurn } from 'node:timers/promises';
import { NewFile } from '../bytes/new-file.ts';
import type { Result } from '../result/types.ts';
import { type TablePaths, Tables } from './tables.ts';

/** A file that a run writes when its result, or whatever else it comes to, is known. */
export interface Output<Known = Result> {
  readonly path: string;
  /** Its text, in pieces. */
  render(result: Known): Iterable<string>;
}

/**
 * All files that a run writes. They are opened before the analysis begins: one that cannot be
 * written is to be known before an hour of work, not after. They take their places together, when
 * all are complete: what is interrupted or fails leaves none.
 */
export class RunFiles<Known = Result> {
  readonly tables: Tables;
  readonly #outputs: { readonly output: Output<Known>; readonly file: NewFile }[] = [];

  /** @throws UsageError if one of them cannot be made. */
  constructor(tables: TablePaths, outputs: readonly Output<Known>[]) {
    this.tables = new Tables(tables);
    try {
      for (const output of outputs) {
        this.#outputs.push({ output, file: new NewFile(output.path) });
      }
    } catch (thrown) {
      this.discard();
      throw thrown;
    }
  }

  /**
   * Writes the outputs and puts all files, the joined tables included, in their places.
   *
   * @throws UsageError if one cannot be written; the signal's reason where it is aborted.
   */
  async write(result: Known, signal: AbortSignal | undefined): Promise<void> {
    for (const { output, file } of this.#outputs) {
      for (const piece of output.render(result)) {
        file.write(piece);
        // An interrupt shows only in another turn.
        await nextTurn();
        signal?.throwIfAborted();
      }
      file.finish();
    }
    signal?.throwIfAborted();
    for (const table of this.tables.files) table.place();
    for (const { file } of this.#outputs) file.place();
  }

  /** Takes away what is not in its place. */
  discard(): void {
    this.tables.discard();
    for (const { file } of this.#outputs) file.discard();
  }
}

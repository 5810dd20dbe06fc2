import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import { isUrl, shownUrl } from '../base/url.ts';
import { NewFile } from '../bytes/new-file.ts';
import { NewObject } from '../bytes/objects/new-object.ts';
import { isStore } from '../bytes/objects/s3.ts';
import type { Result } from '../result/types.ts';
import { type TablePaths, Tables } from './tables.ts';

/** A file, or an object of a store, that a run writes when its result, or whatever else it comes to, is known. */
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
  readonly #files: { readonly output: Output<Known>; readonly file: NewFile }[] = [];
  readonly #objects: { readonly output: Output<Known>; readonly file: NewObject }[] = [];

  /** @throws UsageError if one of them cannot be made. */
  constructor(tables: TablePaths, outputs: readonly Output<Known>[]) {
    this.tables = new Tables(tables);
    try {
      for (const output of outputs) {
        const { path } = output;
        if (isStore(path)) this.#objects.push({ output, file: new NewObject(path) });
        else if (!isUrl(path)) this.#files.push({ output, file: new NewFile(path) });
        else throw new UsageError(`${shownUrl(path)}: reports go to files or to s3://`);
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
    for (const { output, file } of [...this.#files, ...this.#objects]) {
      for (const piece of output.render(result)) {
        file.write(piece);
        // An interrupt shows only in another turn.
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
    for (const { file } of this.#files) file.finish();
    signal?.throwIfAborted();
    // What a store refuses leaves no files, either.
    for (const { file } of this.#objects) await file.place();
    for (const table of this.tables.files) table.place();
    for (const { file } of this.#files) file.place();
  }

  /** Takes away what is not in its place. */
  discard(): void {
    this.tables.discard();
    for (const { file } of this.#files) file.discard();
  }
}

import { NewFile } from '../bytes/new-file.ts';
import { type Part, PartFolder } from '../bytes/part-files.ts';
import type { Trace } from '../result/types.ts';
import { type TableKind, tableFormat, tableKinds } from './table-format.ts';
import { joinParts } from './table-parts.ts';
import type { PartPaths, TableParts } from './table-writer.ts';

/** Where each goes; null or absent: nowhere. */
export type TablePaths = Readonly<Partial<Record<TableKind, string | null>>>;

/** What one input added to the tables. */
export interface TableShare {
  /** Null for a file in a directory that is no trace. */
  readonly trace: Trace | null;
  readonly tables: TableParts | null;
}

/**
 * The tables of a run. Each trace writes a part of each, in whichever thread; parts are joined in
 * the order of the inputs.
 */
export class Tables {
  readonly #files = new Map<TableKind, NewFile>();
  readonly #parts: PartFolder | null = null;

  /**
   * Opens the files: one that cannot be written is to be known before the work, not after.
   *
   * @throws UsageError if one cannot be made.
   */
  constructor(paths: TablePaths) {
    try {
      for (const kind of tableKinds) {
        const path = paths[kind] ?? null;
        if (path !== null) this.#files.set(kind, new NewFile(path));
      }
      const [first] = this.#files.values();
      if (first !== undefined) this.#parts = new PartFolder(first.path);
    } catch (thrown) {
      this.discard();
      throw thrown;
    }
  }

  /** The files, which the caller puts in their places. */
  get files(): Iterable<NewFile> {
    return this.#files.values();
  }

  /** Where the input of this number writes its parts. */
  partsOf(index: number): PartPaths {
    const part = (kind: TableKind): Part | null => {
      const table = this.#files.get(kind)?.path;
      const path = this.#parts?.pathOf(`${kind}-${index}`);
      return table === undefined || path === undefined ? null : { path, table };
    };
    return { unmaps: part('unmaps'), mappings: part('mappings') };
  }

  /** Makes the tables out of what all inputs added, in their order. */
  async join(shares: readonly TableShare[]): Promise<void> {
    const isBatch = shares.filter(({ trace }) => trace !== null).length > 1;
    for (const [kind, table] of this.#files) {
      const parts = shares.flatMap(({ trace, tables }) => {
        const part = tables?.[kind] ?? null;
        if (part === null) return [];
        const leading = kind === 'unmaps' ? (tables?.leading ?? []) : [];
        return [{ part, leading, trace: isBatch ? (trace?.path ?? null) : null }];
      });
      await joinParts(await tableFormat(table, kind, isBatch), parts);
      table.finish();
    }
  }

  /** Takes away what is not in its place. */
  discard(): void {
    for (const table of this.#files.values()) table.discard();
    this.#parts?.remove();
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../base/errors.ts';
import { NewFile } from './new-file.ts';
import type { ResultStore } from './result-store.ts';
import { removeLitter } from './temporary.ts';
import { guarded } from './text-writer.ts';

/** Texts in a folder, which machines may share: a file each. */
export class ResultFolder implements ResultStore {
  readonly #path: string;

  /** @throws UsageError if the folder cannot be made. */
  constructor(path: string) {
    this.#path = path;
    guarded(path, () => mkdirSync(path, { recursive: true }));
    // Once, as the folder may hold many thousands of texts.
    removeLitter(path);
  }

  async names(): Promise<readonly string[]> {
    return guarded(this.#path, () => readdirSync(this.#path));
  }

  async has(name: string): Promise<boolean> {
    return existsSync(join(this.#path, name));
  }

  async read(name: string): Promise<string | null> {
    return guarded(this.#path, () => {
      try {
        return readFileSync(join(this.#path, name), 'utf8');
      } catch (thrown) {
        if (codeOf(thrown) === 'ENOENT') return null;
        throw thrown;
      }
    });
  }

  /** @throws UsageError if it cannot be written. */
  async write(name: string, pieces: Iterable<string>): Promise<void> {
    const file = new NewFile(join(this.#path, name), true);
    try {
      for (const piece of pieces) file.write(piece);
      file.finish();
      file.place();
    } finally {
      file.discard();
    }
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../base/errors.ts';
import { NewFile } from './new-file.ts';
import { removeLitter } from './temporary.ts';
import { guarded } from './text-writer.ts';

/**
 * A folder of named texts, written by any number of processes at once, on one machine or on several
 * that share it: each text appears whole or not at all, and of two of the same name one stays.
 */
export class ResultFolder {
  readonly #path: string;

  /** @throws UsageError if the folder cannot be made. */
  constructor(path: string) {
    this.#path = path;
    guarded(path, () => mkdirSync(path, { recursive: true }));
    // Once, as the folder may hold many thousands of texts.
    removeLitter(path);
  }

  /** The names of all texts, in no order. */
  names(): readonly string[] {
    return guarded(this.#path, () => readdirSync(this.#path));
  }

  /** Whether there is a text of this name. */
  has(name: string): boolean {
    return existsSync(join(this.#path, name));
  }

  /** A text by its name; null where there is none. */
  read(name: string): string | null {
    return guarded(this.#path, () => {
      try {
        return readFileSync(join(this.#path, name), 'utf8');
      } catch (thrown) {
        if (codeOf(thrown) === 'ENOENT') return null;
        throw thrown;
      }
    });
  }

  /** @throws UsageError if it cannot be written; then nothing of this name has changed. */
  write(name: string, pieces: Iterable<string>): void {
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

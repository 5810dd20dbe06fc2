import type { ResultStore } from '../result-store.ts';
import { objectsBelow } from './listing.ts';
import { hasObject, putObject, readObject } from './whole.ts';

/** Texts below a name in a store of the S3 kind: an object each. */
export class StoredResults implements ResultStore {
  /** It ends in `/`. */
  readonly #prefix: string;

  constructor(where: string) {
    this.#prefix = where.endsWith('/') ? where : `${where}/`;
  }

  async names(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { url } of objectsBelow(this.#prefix)) {
      const name = url.slice(this.#prefix.length);
      if (!name.includes('/')) found.push(name);
    }
    return found;
  }

  has(name: string): Promise<boolean> {
    return hasObject(this.#prefix + name);
  }

  async read(name: string): Promise<string | null> {
    return (await readObject(this.#prefix + name))?.toString('utf8') ?? null;
  }

  async write(name: string, pieces: Iterable<string>): Promise<void> {
    const bytes = Buffer.from([...pieces].join(''));
    await putObject(this.#prefix + name, bytes, { keepsOld: true });
  }
}

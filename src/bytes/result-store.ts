import { existsSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { isUrl, shownUrl } from '../base/url.ts';
import { isStore } from './objects/s3.ts';
import { StoredResults } from './objects/stored-results.ts';
import { ResultFolder } from './result-folder.ts';

/**
 * Named texts, written by any number of processes at once, on one machine or on many: each text appears
 * whole or not at all, and of two of the same name one stays.
 */
export interface ResultStore {
  /** The names of all texts, in no order. */
  names(): Promise<readonly string[]>;
  /** Whether there is a text of this name. */
  has(name: string): Promise<boolean>;
  /** A text by its name; null where there is none. */
  read(name: string): Promise<string | null>;
  /** Where it throws, nothing of this name has changed. */
  write(name: string, pieces: Iterable<string>): Promise<void>;
}

/**
 * The results in a folder, or below a name in a store.
 *
 * @throws UsageError if the folder cannot be made, or the name is of neither kind.
 */
export function openResults(where: string): ResultStore {
  if (isStore(where)) return new StoredResults(where);
  if (isUrl(where)) throw new UsageError(`${shownUrl(where)}: results go to a folder or to s3://`);
  return new ResultFolder(where);
}

/**
 * The same of results that somebody has left there.
 *
 * @throws UsageError also where there is no such folder: a name that is misspelt makes none.
 */
export function openOldResults(where: string): ResultStore {
  if (!isUrl(where) && !existsSync(where)) throw new UsageError(`${where}: no such folder`);
  return openResults(where);
}

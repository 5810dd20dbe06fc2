import { fstatSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { reasonOf, TraceError } from '../base/errors.ts';
import { isUrl, shownUrl } from '../base/url.ts';
import type { Member } from './archive.ts';
import type { Chunks } from './chunks.ts';
import { keyOf, keyOfPath, type Stats, statOf } from './file-identity.ts';
import { textOf } from './file-name.ts';
import type { Piece } from './joined.ts';
import { readList } from './list.ts';
import { isPrefix, objectsBelow } from './objects/listing.ts';
import { describeObjects, type ObjectState } from './objects/object.ts';
import { isTemporaryName } from './temporary.ts';

/** An input as it will be analysed. */
export interface Input {
  /** As the user named it, as far as it may be shown. */
  readonly path: string;
  /** Bytes of the file; null for standard input and what has no size. */
  readonly bytes: number | null;
  /** It was found in a directory: if it turns out to be no trace, nobody asked for it. */
  readonly isFound: boolean;
  /** It is in an archive; absent for what is a file of its own. */
  readonly member?: Member;
  /** It is read over the network; absent for what is on this machine. */
  readonly object?: ObjectState;
  /** It is in several files, the oldest first; absent for what is in one. */
  readonly pieces?: readonly Piece[];
  /** It is in a file for each of QEMU's threads; else absent. */
  readonly threads?: readonly string[];
}

/** A file that was found and not analysed, although it may hold a trace. */
export interface PassedOver {
  readonly path: string;
  /** What it is: `lz4-compressed`, say. */
  readonly kind: string;
}

/** An input that cannot be analysed, with the reason. */
export interface BadInput {
  readonly path: string;
  readonly error: string;
}

/** The traces that the user's words stand for, in a fixed order. */
export interface Inputs {
  readonly traces: readonly Input[];
  readonly bad: readonly BadInput[];
  readonly passedOver: readonly PassedOver[];
  /** Directories among the words, each with the inputs that are in it or below. */
  readonly directories: ReadonlyMap<string, readonly Input[]>;
  /** Whether this is the file of a trace or of a list, by whatever name it was called. */
  isRead(key: string): boolean;
  /** What is to be read in the place of standard input, where its start has been taken. */
  readonly stdin?: Chunks;
  /** Lets go of what is kept for the traces; absent where nothing is. */
  close?(): void;
}

/**
 * Finds the traces: files, directories (with all files below them, of which those that are no
 * traces are left out later), URLs (those of a store that end in `/` like directories), quoted globs, `@list` (a file with one of these per line) and `-`.
 *
 * `written`: the keys of files that this run writes, which in a directory are no traces.
 *
 * @throws UsageError where a list cannot be read, or holds nothing.
 */
export async function findInputs(
  words: readonly string[],
  written: ReadonlySet<string> = new Set(),
): Promise<Inputs> {
  const found = new Found(written);
  const named: string[] = [];
  for (const word of words) {
    const isList = word.startsWith('@') && word.length > 1;
    if (isList) found.addList(word.slice(1));
    named.push(...(isList ? await readList(word.slice(1)) : [word]));
  }
  const objects = await describeObjects(named.filter((word) => isUrl(word) && !isPrefix(word)));
  for (const word of named) {
    const object = objects.get(word);
    if (object === undefined) await expand(word, found);
    else if (object instanceof TraceError) found.addBadObject(object);
    else found.addObject(object);
  }
  return found;
}

/** What has been found so far. */
class Found implements Inputs {
  readonly traces: Input[] = [];
  readonly bad: BadInput[] = [];
  readonly passedOver: readonly PassedOver[] = [];
  readonly directories = new Map<string, Input[]>();
  readonly #byPath = new Map<string, Input>();
  /** By device and number, so that links do not make two traces of a file. */
  readonly #byFile = new Map<string, Input>();
  /** Keys of what is read besides: lists, standard input, what is not there yet. */
  readonly #others = new Set<string>();
  readonly #written: ReadonlySet<string>;

  constructor(written: ReadonlySet<string>) {
    this.#written = written;
  }

  isRead(key: string): boolean {
    return this.#byFile.has(key) || this.#others.has(key);
  }

  addList(path: string): void {
    this.#others.add(keyOfPath(path));
  }

  /** An input that was named, if it was not already. */
  addNamed(path: string, stats: Stats | null): void {
    const known = this.#byPath.get(resolve(path));
    const bytes = stats?.isFile() === true ? Number(stats.size) : null;
    const input = known ?? this.#add({ path, bytes, isFound: false });
    if (stats === null) this.#others.add(keyOfPath(path));
    else this.#byFile.set(keyOf(stats), input);
  }

  /** An object; however its URL is signed, it is one. `prefix`: of the list that it was found in. */
  addObject(object: ObjectState, prefix: string | null = null): void {
    const path = shownUrl(object.url);
    const known = this.#byPath.get(path);
    const input = known ?? { path, bytes: object.bytes, isFound: prefix !== null, object };
    if (known === undefined) {
      this.#byPath.set(path, input);
      this.#others.add(keyOfPath(path));
      this.traces.push(input);
    }
    if (prefix !== null) this.directories.get(prefix)?.push(input);
  }

  addBadObject({ message, place }: TraceError): void {
    this.addBad(place.path, message.slice(place.path.length + 2));
  }

  addStandardInput(): void {
    if (!this.traces.some(({ path }) => path === '-')) {
      this.traces.push({ path: '-', bytes: null, isFound: false });
      const key = keyOfStandardInput();
      if (key !== null) this.#others.add(key);
    }
  }

  /** A file in a directory, if it was not found or named already. */
  addFound(path: string, directory: string): void {
    const stats = statOf(path);
    // An empty file is no trace that somebody asked for, a broken link nothing at all.
    if (stats === null || !stats.isFile() || stats.size === 0n) return;
    if (this.#written.has(keyOf(stats))) return;
    const known = this.#byFile.get(keyOf(stats)) ?? this.#byPath.get(resolve(path));
    const input = known ?? this.#add({ path, bytes: Number(stats.size), isFound: true });
    this.#byFile.set(keyOf(stats), input);
    this.directories.get(directory)?.push(input);
  }

  addDirectory(directory: string): void {
    this.directories.set(directory, []);
  }

  addBad(path: string, error: string): void {
    this.bad.push({ path, error });
  }

  #add(input: Input): Input {
    this.#byPath.set(resolve(input.path), input);
    this.traces.push(input);
    return input;
  }
}

async function expand(word: string, found: Found): Promise<void> {
  if (word === '-') found.addStandardInput();
  else if (word === '') found.addBad(word, 'an input without a name');
  else if (isPrefix(word)) await addPrefix(word, found);
  else await expandPath(word, found);
}

async function expandPath(word: string, found: Found): Promise<void> {
  const stats = statOf(word);
  if (stats?.isDirectory() === true) {
    addDirectory(word, found);
    return;
  }
  // A name that exists is that file, whatever characters it has.
  if (stats !== null || !isDynamicPattern(word)) {
    addNamed(word, stats, found);
    return;
  }
  const paths = await glob(word, { absolute: false, onlyFiles: true, expandDirectories: false });
  if (paths.length === 0) found.addBad(word, 'no file matches');
  for (const path of paths.sort()) addNamed(path, statOf(path), found);
}

/** What stands for bytes that are no UTF-8, in names as Node gives them. */
const REPLACED = '\ufffd';
const NOT_UTF8 = 'its name is no UTF-8 text; rename it, or pipe it: vtdscope - < FILE';

function addNamed(path: string, stats: Stats | null, found: Found): void {
  if (stats === null && path.includes(REPLACED)) found.addBad(path, NOT_UTF8);
  else found.addNamed(path, stats);
}

/** The key of the file that standard input is read from; null where that is no file. */
function keyOfStandardInput(): string | null {
  try {
    const stats = fstatSync(0, { bigint: true });
    return stats.isFile() ? keyOf(stats) : null;
  } catch {
    // It is closed, which shows where it is read.
    return null;
  }
}

/**
 * The files below a directory, in the order of their names. Links to files are followed, links to
 * directories are not: they lead anywhere, and round in circles.
 */
function addDirectory(directory: string, found: Found): void {
  found.addDirectory(directory);
  const names = [...filesBelow(directory, '', found)].sort();
  for (const name of names) found.addFound(joined(directory, name), directory);
}

/** The objects of a store below a name, of which the same are left out as of files in a directory. */
async function addPrefix(prefix: string, found: Found): Promise<void> {
  found.addDirectory(prefix);
  try {
    for await (const object of objectsBelow(prefix)) {
      const parts = object.url.split('/');
      if (object.bytes !== 0 && !parts.some(isTemporaryName)) found.addObject(object, prefix);
    }
  } catch (thrown) {
    if (!(thrown instanceof TraceError)) throw thrown;
    found.addBadObject(thrown);
  }
}

/** Whether a path, named like what was found there, is the directory or in it. */
export function isBelow(directory: string, path: string): boolean {
  return path === directory || path.startsWith(joined(directory, ''));
}

/** The path of what is in a directory; with no name, what all these begin with. */
function joined(directory: string, name: string): string {
  return directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`;
}

/** Names, from `directory` on, of what is in one below it and may be a file. */
function* filesBelow(directory: string, below: string, found: Found): Generator<string> {
  const path = below === '' ? directory : joined(directory, below);
  const entries = entriesOf(path, found);
  for (const entry of entries) {
    const own = textOf(entry.name);
    const name = below === '' ? own.text : `${below}/${own.text}`;
    const mayBeFile = entry.isFile() || entry.isSymbolicLink();
    if (!mayBeFile && !entry.isDirectory()) continue;
    if (!own.isExact) found.addBad(joined(directory, name), NOT_UTF8);
    else if (isTemporaryName(own.text)) continue;
    else if (entry.isDirectory()) yield* filesBelow(directory, name, found);
    else yield name;
  }
}

/** What is in a directory. What cannot be looked into is not known, and must not pass for nothing. */
function entriesOf(path: string, found: Found) {
  try {
    return readdirSync(path, { withFileTypes: true, encoding: 'buffer' });
  } catch (thrown) {
    found.addBad(path, reasonOf(thrown));
    return [];
  }
}

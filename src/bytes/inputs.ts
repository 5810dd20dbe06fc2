import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { reasonOf, systemReasonOf, UsageError } from '../base/errors.ts';

/** An input as it will be analysed. */
export interface Input {
  readonly path: string;
  /** Bytes of the file; null for standard input and what has no size. */
  readonly bytes: number | null;
  /** It was found in a directory: if it turns out to be no trace, nobody asked for it. */
  readonly isFound: boolean;
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
  /** Directories among the words, each with the inputs that are in it or below. */
  readonly directories: ReadonlyMap<string, readonly Input[]>;
}

/**
 * Finds the traces: files, directories (with all files below them, of which those that are no
 * traces are left out later), quoted globs, `@list` (a file with one of these per line) and `-`.
 *
 * `written`: files that this run writes, which are no traces however much of one they quote.
 *
 * @throws UsageError where a list cannot be read, or holds nothing.
 */
export async function findInputs(
  words: readonly string[],
  written: readonly string[] = [],
): Promise<Inputs> {
  const found = new Found(written);
  for (const word of words.flatMap(readLists)) {
    if (word === '-') found.addStandardInput();
    else if (word === '') found.addBad(word, 'an input without a name');
    else await expand(word, found);
  }
  return found;
}

/** What has been found so far. */
class Found implements Inputs {
  readonly traces: Input[] = [];
  readonly bad: BadInput[] = [];
  readonly directories = new Map<string, Input[]>();
  readonly #byPath = new Map<string, Input>();
  /** By device and number, so that links do not make two traces of a file. */
  readonly #byFile = new Map<string, Input>();
  readonly #written: ReadonlySet<string>;

  constructor(written: readonly string[]) {
    this.#written = new Set(written.map((path) => resolve(path)));
  }

  /** An input that was named, if it was not already. */
  addNamed(path: string, stats: Stats | null): void {
    const known = this.#byPath.get(resolve(path));
    const bytes = stats?.isFile() === true ? Number(stats.size) : null;
    const input = known ?? this.#add({ path, bytes, isFound: false });
    if (stats !== null) this.#byFile.set(fileOf(stats), input);
  }

  addStandardInput(): void {
    if (!this.traces.some(({ path }) => path === '-')) {
      this.traces.push({ path: '-', bytes: null, isFound: false });
    }
  }

  /** A file in a directory, if it was not found or named already. */
  addFound(path: string, directory: string): void {
    const stats = statOf(path);
    // An empty file is no trace that somebody asked for, a broken link nothing at all.
    if (stats === null || !stats.isFile() || stats.size === 0n) return;
    if (this.#written.has(resolve(path))) return;
    const known = this.#byFile.get(fileOf(stats)) ?? this.#byPath.get(resolve(path));
    const input = known ?? this.#add({ path, bytes: Number(stats.size), isFound: true });
    this.#byFile.set(fileOf(stats), input);
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

/** The words of an `@list`; any other word as it is. */
function readLists(word: string): readonly string[] {
  if (!word.startsWith('@') || word.length === 1) return [word];
  const path = word.slice(1);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new UsageError(`${path}: the list of inputs cannot be read: ${systemReasonOf(thrown)}`);
  }
  const words = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (words.length === 0) throw new UsageError(`${path}: the list names no inputs`);
  return words;
}

async function expand(word: string, found: Found): Promise<void> {
  const stats = statOf(word);
  if (stats?.isDirectory() === true) {
    addDirectory(word, found);
    return;
  }
  // A name that exists is that file, whatever characters it has.
  if (stats !== null || !isDynamicPattern(word)) {
    found.addNamed(word, stats);
    return;
  }
  const paths = await glob(word, { absolute: false, onlyFiles: true, expandDirectories: false });
  if (paths.length === 0) found.addBad(word, 'no file matches');
  for (const path of paths.sort()) found.addNamed(path, statOf(path));
}

type Stats = NonNullable<ReturnType<typeof statOf>>;

function fileOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Whether there is something of this name. */
export function isThere(path: string): boolean {
  return statOf(path) !== null;
}

function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true }) ?? null;
  } catch {
    // A name that the system cannot look up is dealt with where it is opened.
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
  let entries: readonly Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (thrown) {
    // What is in there is not known, and that must not pass for nothing.
    found.addBad(path, reasonOf(thrown));
    return;
  }
  for (const entry of entries) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(directory, name, found);
    else if (entry.isFile() || entry.isSymbolicLink()) yield name;
  }
}

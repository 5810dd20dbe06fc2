import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { systemReasonOf, UsageError } from './base/errors.ts';
import { isTrace } from './formats/index.ts';

/** Bytes by which a file of a directory is told to be a trace or not. */
const HEAD_BYTES = 64 * 1024;
const GZIP = [0x1f, 0x8b];

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
}

/**
 * Finds the traces: files, directories (with all below them that are traces by their content),
 * quoted globs, `@list` (a file with one of these per line) and `-`. `written`: files that this run
 * writes, which are no traces however much of one they quote.
 */
export async function findInputs(
  words: readonly string[],
  written: readonly string[] = [],
): Promise<Inputs> {
  const outputs = new Set(written.map((path) => resolve(path)));
  const traces = new Map<string, Input>();
  const bad: BadInput[] = [];
  for (const word of words.flatMap(readLists)) {
    const found = await expand(word);
    if (found.length === 0) bad.push({ path: word, error: nothingFor(word) });
    for (const input of found) {
      if (input.isFound && outputs.has(resolve(input.path))) continue;
      if (!traces.has(input.path)) traces.set(input.path, input);
    }
  }
  return { traces: [...traces.values()], bad };
}

/** The words of an `@list`; any other word as it is. */
function readLists(word: string): readonly string[] {
  if (!word.startsWith('@') || word.length === 1) return [word];
  const path = word.slice(1);
  try {
    return readFileSync(path, 'utf8')
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch (thrown) {
    throw new UsageError(`${path}: the list of inputs cannot be read: ${systemReasonOf(thrown)}`);
  }
}

async function expand(word: string): Promise<readonly Input[]> {
  if (word === '') return [];
  if (word === '-') return [{ path: '-', bytes: null, isFound: false }];
  const stats = statOf(word);
  if (stats?.isDirectory() === true) return traceFiles(word);
  // A name that exists is that file, whatever characters it has.
  if (stats !== null) {
    return [{ path: word, bytes: stats.isFile() ? stats.size : null, isFound: false }];
  }
  if (!isDynamicPattern(word)) return [{ path: word, bytes: null, isFound: false }];
  const paths = await glob(word, { absolute: false, onlyFiles: true, expandDirectories: false });
  return paths.sort().map((path) => ({ path, bytes: statOf(path)?.size ?? null, isFound: false }));
}

function statOf(path: string) {
  try {
    return statSync(resolve(path), { throwIfNoEntry: false }) ?? null;
  } catch {
    // A name that the system cannot look up is dealt with where it is opened.
    return null;
  }
}

/** The traces below a directory, by their content. */
async function traceFiles(directory: string): Promise<readonly Input[]> {
  const names = await glob('**', { cwd: directory, dot: true, onlyFiles: true });
  const found: Input[] = [];
  for (const name of names.filter(isNotOurs).sort()) {
    const path = directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`;
    const head = await headOf(path);
    const isCompressed = head !== null && GZIP.every((byte, index) => head[index] === byte);
    // What is compressed, or cannot be read, shows when it is opened.
    if (head === null || isCompressed || isTrace(head)) {
      found.push({ path, bytes: statOf(path)?.size ?? null, isFound: true });
    }
  }
  return found;
}

/** What this run is writing itself is no input of it. */
function isNotOurs(name: string): boolean {
  return !name.endsWith(`.${process.pid}.partial`);
}

async function headOf(path: string): Promise<Uint8Array | null> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}

function nothingFor(word: string): string {
  if (word === '') return 'an input without a name';
  return isDynamicPattern(word) ? 'no file matches' : 'a directory without traces';
}

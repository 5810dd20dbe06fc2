import {
  closeSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, systemReasonOf, UsageError } from '../base/errors.ts';

/** Text gathered before it is written. */
const BUFFER_CHARACTERS = 256 * 1024;

/** Whether a path is there already and is no file: a terminal, a pipe, `/dev/stdout`. */
function isDevice(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** The number of a file that is open already: of `/dev/stdout`, or of what a shell hands over. */
function descriptorOf(path: string): number | null {
  const [whole, stream, number] =
    /^\/dev\/std(out|err)$|^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path) ?? [];
  if (whole === undefined) return null;
  if (number !== undefined) return Number(number);
  return stream === 'out' ? 1 : 2;
}

/** Whether a path is written as it is, and not beside its place. */
export function isWrittenInPlace(path: string): boolean {
  return isDevice(path) || descriptorOf(path) !== null;
}

/** What a link leads to is replaced, and not the link. */
function behindLinks(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
}

/**
 * A file that is written beside its place and takes it only when it is complete. What is no file,
 * such as a pipe, or is open already, is written as it is.
 */
export class NewFile {
  readonly path: string;
  /** What is written beside what; null where the path is written as it is. */
  #place: { readonly partial: string; readonly final: string } | null = null;
  #file: number | null = null;
  #isOurs = true;
  #buffer = '';
  /** Bytes written and buffered so far; the text is ASCII but for what users name. */
  bytes = 0;

  /** @throws UsageError if the file cannot be made there. */
  constructor(path: string) {
    this.path = path;
    this.#guard(() => {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
        throw new Error('it is a directory');
      }
      if (isDevice(path)) {
        this.#file = openSync(path, 'w');
        return;
      }
      this.#file = descriptorOf(path);
      this.#isOurs = this.#file === null;
      if (this.#file !== null) return;
      const final = behindLinks(path);
      this.#place = { partial: `${final}.${process.pid}.partial`, final };
      this.#file = openSync(this.#place.partial, 'w');
    });
  }

  write(text: string): void {
    this.#buffer += text;
    this.bytes += text.length;
    if (this.#buffer.length >= BUFFER_CHARACTERS) this.#flush();
  }

  /** The file is complete: puts it in its place. */
  finish(): void {
    this.#close();
    const place = this.#place;
    if (place !== null) this.#guard(() => renameSync(place.partial, place.final));
  }

  /** Takes away what was written. */
  discard(): void {
    this.#buffer = '';
    this.#close();
    if (this.#place !== null) rmSync(this.#place.partial, { force: true });
  }

  #flush(): void {
    const text = this.#buffer;
    this.#buffer = '';
    const file = this.#file;
    if (file !== null && text !== '') this.#guard(() => writeAll(file, Buffer.from(text)));
  }

  #close(): void {
    this.#flush();
    const file = this.#file;
    this.#file = null;
    if (file !== null && this.#isOurs) closeSync(file);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      // Whoever reads a pipe may have enough of it: the rest is written nowhere.
      if (codeOf(thrown) === 'EPIPE') this.#close();
      else throw new UsageError(`${this.path}: cannot be written: ${whyNot(this.path, thrown)}`);
    }
  }
}

/** Why a file cannot be made. */
export function whyNot(path: string, thrown: unknown): string {
  return codeOf(thrown) === 'ENOENT'
    ? `there is no folder ${dirname(path)}`
    : systemReasonOf(thrown);
}

/** Writes all of it: a pipe or a full disk may take less at once. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

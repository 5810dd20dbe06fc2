import { fchmodSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf } from '../base/errors.ts';
import { behindLinks } from './file-identity.ts';
import { removeLitter, temporaryName } from './temporary.ts';
import { guarded, TextWriter } from './text-writer.ts';

/** Of a file that takes the place of another, before it has that one's mode. */
const PRIVATE_MODE = 0o600;
const USUAL_MODE = 0o666;
const PERMISSIONS = 0o777;

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

function keepMode(file: number, mode: number): void {
  try {
    fchmodSync(file, mode & PERMISSIONS);
  } catch (thrown) {
    // Some file systems have no modes to keep.
    if (codeOf(thrown) === undefined) throw thrown;
  }
}

/**
 * A file that is written beside its place and takes it only when it is complete, with the mode of
 * what was there. What a link leads to is replaced, and not the link. What is no file, such as a
 * pipe, or is open already, is written as it is.
 */
export class NewFile {
  readonly path: string;
  /** What is written beside what; null where the path is written as it is. */
  #place: { readonly partial: string; readonly final: string } | null = null;
  readonly #writer: TextWriter;

  /**
   * `isTidy`: nothing of a killed run lies in its folder, which is not searched then.
   *
   * @throws UsageError if the file cannot be made there.
   */
  constructor(path: string, isTidy = false) {
    this.path = path;
    this.#writer = guarded(path, () => this.#open(isTidy));
  }

  #open(isTidy: boolean): TextWriter {
    const { path } = this;
    const before = statSync(path, { throwIfNoEntry: false });
    if (before?.isDirectory() === true) throw new Error('it is a directory');
    if (isDevice(path)) return new TextWriter(openSync(path, 'w'), path);
    const descriptor = descriptorOf(path);
    if (descriptor !== null) return new TextWriter(descriptor, path, false);
    const final = behindLinks(path);
    const folder = dirname(final);
    if (!isTidy) removeLitter(folder);
    const partial = join(folder, temporaryName());
    const file = openSync(partial, 'wx', before === undefined ? USUAL_MODE : PRIVATE_MODE);
    this.#place = { partial, final };
    if (before !== undefined) keepMode(file, before.mode);
    return new TextWriter(file, path);
  }

  /** @throws UsageError if it cannot be written. */
  write(text: string): void {
    this.#writer.write(text);
  }

  /** @throws UsageError if they cannot be written. */
  writeBytes(bytes: Uint8Array): void {
    this.#writer.writeBytes(bytes);
  }

  /**
   * The file is complete, and waits beside its place.
   *
   * @throws UsageError if it cannot be written.
   */
  finish(): void {
    this.#writer.finish();
  }

  /**
   * Puts the finished file in its place.
   *
   * @throws UsageError if that cannot be.
   */
  place(): void {
    const place = this.#place;
    this.#place = null;
    if (place !== null) guarded(this.path, () => renameSync(place.partial, place.final));
  }

  /** Takes away what was written, unless it is in its place. */
  discard(): void {
    this.#writer.abandon();
    if (this.#place !== null) rmSync(this.#place.partial, { force: true });
    this.#place = null;
  }
}

import { closeSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, systemReasonOf, UsageError } from '../base/errors.ts';

/** Text gathered before it is written. */
const BUFFER_CHARACTERS = 256 * 1024;

/**
 * Text on its way into an open file. What goes wrong is told with the name under which the user
 * knows what is written, whatever the file is called.
 */
export class TextWriter {
  /** Bytes written and gathered so far; the text is ASCII but for what users name. */
  bytes = 0;
  readonly #shownAs: string;
  readonly #isOurs: boolean;
  #file: number | null;
  #buffer = '';

  /** `isOurs`: the file is to be closed in the end. */
  constructor(file: number, shownAs: string, isOurs = true) {
    this.#file = file;
    this.#shownAs = shownAs;
    this.#isOurs = isOurs;
  }

  /** @throws UsageError if the file cannot be written. */
  write(text: string): void {
    this.#buffer += text;
    this.bytes += text.length;
    if (this.#buffer.length >= BUFFER_CHARACTERS) this.#flush();
  }

  /**
   * Writes what is no text, at once.
   *
   * @throws UsageError if the file cannot be written.
   */
  writeBytes(bytes: Uint8Array): void {
    this.#flush();
    this.bytes += bytes.length;
    this.#writeOut(bytes);
  }

  /**
   * Writes what is gathered and closes the file.
   *
   * @throws UsageError if the file cannot be written.
   */
  finish(): void {
    this.#flush();
    const file = this.#file;
    this.#file = null;
    if (file !== null && this.#isOurs) guarded(this.#shownAs, () => closeSync(file));
  }

  /** Closes the file without what is gathered. */
  abandon(): void {
    this.#buffer = '';
    try {
      this.finish();
    } catch (thrown) {
      // Nobody wants the file any more.
      if (!(thrown instanceof UsageError)) throw thrown;
    }
  }

  #flush(): void {
    const text = this.#buffer;
    this.#buffer = '';
    if (text !== '') this.#writeOut(Buffer.from(text));
  }

  #writeOut(bytes: Uint8Array): void {
    const file = this.#file;
    if (file === null) return;
    try {
      guarded(this.#shownAs, () => writeAll(file, bytes));
    } catch (thrown) {
      // Whoever reads a pipe may have enough of it: the rest is written nowhere.
      if (codeOf(causeOf(thrown)) === 'EPIPE') this.abandon();
      else throw thrown;
    }
  }
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof Error ? thrown.cause : undefined;
}

/**
 * What `act` returns, which makes or writes a file.
 *
 * @throws UsageError with the reason where it fails; what was thrown is its cause.
 */
export function guarded<Value>(shownAs: string, act: () => Value): Value {
  try {
    return act();
  } catch (cause) {
    const why = whyNot(shownAs, cause);
    throw new UsageError(`${shownAs}: cannot be written: ${why}`, { cause });
  }
}

function whyNot(path: string, thrown: unknown): string {
  return codeOf(thrown) === 'ENOENT'
    ? `there is no folder ${dirname(path)}`
    : systemReasonOf(thrown);
}

/** Writes all of it: a pipe or a full disk may take less at once. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

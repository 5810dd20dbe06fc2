import { closeSync, existsSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, TraceError } from '../base/errors.ts';
import { COMPRESSED_HEAD_BYTES, HEAD_BYTES, isArchive } from './archive.ts';
import { type Chunks, peek } from './chunks.ts';
import { codecs } from './compression/index.ts';
import { fileAtStandardInput } from './open-file.ts';
import type { SourceOptions } from './source.ts';
import { BLOCK_BYTES } from './tar/header.ts';
import { temporaryName } from './temporary.ts';
import { writeAll } from './text-writer.ts';
import { TraceFile } from './trace-file.ts';

/** Standard input, of which the start has been looked at. */
export interface StandardInput {
  /** The file of the archive that it is; null where it is none. */
  readonly archive: string | null;
  /** Its bytes, where they do not come from standard input any more. */
  readonly chunks: Chunks | null;
  /** Lets go of the archive. */
  close(): void;
}

const path = '-';
/** Where Linux shows what a process has open. */
const OPEN_FILES = '/proc/self/fd';
const NOTHING_TO_CLOSE = () => {};

/**
 * Looks whether standard input is an archive. The members of one are read out of it, several at a time and some
 * twice: one that comes by a pipe is kept in a temporary file, as it comes.
 *
 * @throws TraceError where it cannot be read, or not be kept.
 */
export async function lookAtStandardInput(options: SourceOptions): Promise<StandardInput> {
  const file = options.stdin === undefined ? fileAtStandardInput() : null;
  if (file !== null) return lookAtFile(new TraceFile(file), options);
  const input = new FailingLast(options.stdin ?? process.stdin);
  const { all, head } = await peekHead(input.chunks());
  return (await isArchive(path, head, options))
    ? keep(all)
    : { archive: null, chunks: input.behind(all), close: NOTHING_TO_CLOSE };
}

/** An input whose failure is kept until what came before it has been read. */
class FailingLast {
  readonly #input: Chunks;
  #failure: { readonly thrown: unknown } | null = null;

  constructor(input: Chunks) {
    this.#input = input;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#input;
    } catch (thrown) {
      this.#failure = { thrown };
    }
  }

  /** `chunks`, and behind them the failure, if there was one. */
  async *behind(chunks: Chunks): AsyncGenerator<Uint8Array> {
    yield* chunks;
    if (this.#failure !== null) throw this.#failure.thrown;
  }
}

/** Any part of it can be read where it is, and nothing is taken of what comes. */
async function lookAtFile(file: TraceFile, options: SourceOptions): Promise<StandardInput> {
  const { close, head } = await peekHead(file.chunks(BLOCK_BYTES));
  await close();
  if (!(await isArchive(path, head, options))) {
    return { archive: null, chunks: null, close: NOTHING_TO_CLOSE };
  }
  const archive = `${OPEN_FILES}/${file.number}`;
  if (file.ranges !== null && existsSync(archive)) {
    return { archive, chunks: null, close: NOTHING_TO_CLOSE };
  }
  return keep(file.chunks(HEAD_BYTES));
}

/** As much of the start as shows what it is: nobody waits for more than that to come. */
async function peekHead(input: Chunks) {
  const start = await peek(input, BLOCK_BYTES);
  const head = Buffer.from(start.head);
  return codecs.some(({ isIt }) => isIt(head)) ? peek(start.all, COMPRESSED_HEAD_BYTES) : start;
}

/** Keeps what comes in a file that has no name any more, where the system allows that. */
async function keep(input: Chunks): Promise<StandardInput> {
  const name = join(tmpdir(), temporaryName());
  let file: number;
  try {
    file = openSync(name, 'wx+', 0o600);
  } catch (thrown) {
    throw notKept(thrown);
  }
  const open = `${OPEN_FILES}/${file}`;
  const isNameless = existsSync(open);
  if (isNameless) unlinkSync(name);
  const close = () => {
    closeSync(file);
    if (!isNameless) unlinkSync(name);
  };
  try {
    for await (const chunk of input) writeAll(file, chunk);
  } catch (thrown) {
    close();
    throw notKept(thrown);
  }
  return { archive: isNameless ? open : name, chunks: null, close };
}

function notKept(thrown: unknown): TraceError {
  return new TraceError(
    { path },
    `an archive, which cannot be kept in ${tmpdir()} while it is read: ${messageOf(thrown)}`,
  );
}

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { messageOf, TraceError } from '../base/errors.ts';

/** Bytes read from a file at a time. */
const READ_BYTES = 1024 * 1024;
/** Bytes of compressed input at a time; small, so that little is lost before a damaged place. */
const COMPRESSED_READ_BYTES = 64 * 1024;
/** Output of the decompressor at a time; its default of 16 KiB is less than half as quick. */
const GUNZIP_CHUNK_BYTES = 256 * 1024;
/** Bytes by which the kind of a trace is recognised. */
const HEAD_BYTES = 64 * 1024;
/** gzip inside gzip is followed this deep. */
const MOST_LAYERS = 3;
/** Output beyond this, at more than RATIO times the input, is taken for a decompression bomb. */
const BOMB_BYTES = 2 ** 30;
const BOMB_RATIO = 200;

/** What a source could not deliver. */
export interface SourceLoss {
  readonly kind: 'truncated' | 'unreadable';
  readonly detail: string;
}

/** A trace whose bytes can be read, decompressed. */
export interface OpenSource {
  /** As the user named it; `-` for standard input. */
  readonly path: string;
  /** Outermost first, joined by `+`; `none`. */
  readonly compression: string;
  /** The first bytes, decompressed: up to 64 KiB, less only if the trace is shorter. */
  readonly head: Uint8Array;
  /** Size of a plain file that can be read in ranges; null for everything else. */
  readonly rangeSize: number | null;
  /** Bytes of the input itself, for progress; null where not known. */
  readonly inputBytes: number | null;
  /** Bytes of the input read so far. */
  readonly readBytes: () => number;
  /** All bytes from the start, in order. To be called once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Filled while `chunks` is read. */
  readonly losses: readonly SourceLoss[];
}

export interface SourceOptions {
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Output of decompression at most; without it a ratio decides what is a bomb. */
  readonly maxDecompressedBytes?: number | null;
}

type Reopen = (() => AsyncIterable<Uint8Array>) | null;

/** Compressions that are recognised and not read, with what helps. */
const REFUSED: readonly (readonly [magic: readonly number[], name: string, command: string])[] = [
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd', 'zstd -dc'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 'xz', 'xz -dc'],
  [[0x42, 0x5a, 0x68], 'bzip2', 'bzip2 -dc'],
];

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** Counts the bytes that pass. */
class Meter {
  bytes = 0;
  async *through(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of input) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }
}

/**
 * Opens a trace: a path, or `-` for standard input. Compression is told by magic numbers, never by
 * names.
 *
 * @throws TraceError if there is no such file, it cannot be read, is a directory, or is compressed
 *   in a way that is not supported.
 */
export async function openSource(path: string, options: SourceOptions = {}): Promise<OpenSource> {
  const { size, isPlainFile } =
    path === '-' ? { size: null, isPlainFile: false } : await look(path);
  const meter = new Meter();
  const raw = (step: number) => () =>
    path === '-'
      ? (options.stdin ?? process.stdin)
      : createReadStream(path, { highWaterMark: step });
  const first = await peek(await headOf(path, isPlainFile, raw(READ_BYTES)));
  const losses: SourceLoss[] = [];
  const layers: string[] = [];
  // A plain file is read anew; what has been read of a pipe is put back in front of it.
  const reread: Reopen = isPlainFile ? raw(COMPRESSED_READ_BYTES) : null;
  let stream: AsyncIterable<Uint8Array> = meter.through(
    isPlainFile
      ? lazily(raw(startsWith(first.head, [0x1f, 0x8b]) ? COMPRESSED_READ_BYTES : READ_BYTES))
      : first.all,
  );
  let { head } = first;
  for (let layer = 0; startsWith(head, [0x1f, 0x8b]) && layer < MOST_LAYERS; layer += 1) {
    const reopen = layer === 0 ? reread : null;
    const limit = options.maxDecompressedBytes ?? null;
    const peeked = await peek(gunzip(path, stream, reopen, losses, limit));
    layers.push('gzip');
    head = peeked.head;
    stream = peeked.all;
  }
  refuse(path, head);
  const wide = utf16(head);
  if (wide !== null) {
    layers.push('utf-16');
    const peeked = await peek(transcode(stream, wide));
    head = peeked.head;
    stream = peeked.all;
  }
  return {
    path,
    compression: layers.length === 0 ? 'none' : layers.join('+'),
    head,
    rangeSize: isPlainFile && layers.length === 0 ? size : null,
    inputBytes: size,
    readBytes: () => meter.bytes,
    chunks: () => stream,
    losses,
  };
}

async function look(path: string): Promise<{ size: number | null; isPlainFile: boolean }> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw new TraceError({ path }, 'is a directory, expected a file');
    return { size: stats.isFile() ? stats.size : null, isPlainFile: stats.isFile() };
  } catch (thrown) {
    if (thrown instanceof TraceError) throw thrown;
    throw new TraceError({ path }, reasonOf(thrown));
  }
}

function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return `cannot be read: ${messageOf(thrown)}`;
}

/** The start of a plain file without opening a stream over all of it; the stream of anything else. */
async function headOf(
  path: string,
  isPlainFile: boolean,
  stream: () => AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  if (!isPlainFile) return stream();
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(HEAD_BYTES);
      const { bytesRead } = await file.read(buffer, 0, HEAD_BYTES, 0);
      return one(buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  } catch (thrown) {
    throw new TraceError({ path }, reasonOf(thrown));
  }
}

async function* one(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  if (chunk.length > 0) yield chunk;
}

async function* lazily(make: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* make();
}

/** The first bytes of a stream, and a stream of all. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < HEAD_BYTES) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    chunks.push(value);
    bytes += value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks.splice(0);
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(chunks).subarray(0, HEAD_BYTES), all: all() };
}

/**
 * Decompresses all members of a gzip stream. What comes before a damaged place is delivered and
 * the damage is a loss; so is an end without the last member's trailer.
 */
async function* gunzip(
  path: string,
  input: AsyncIterable<Uint8Array>,
  reopen: Reopen,
  losses: SourceLoss[],
  limitBytes: number | null,
): AsyncGenerator<Uint8Array> {
  const compressed = new Meter();
  let pieces = 0;
  let output = 0;
  const counted = async function* () {
    for await (const chunk of compressed.through(input)) {
      pieces += 1;
      yield chunk;
    }
  };
  try {
    for await (const chunk of decompress(counted())) {
      output += chunk.length;
      guardAgainstBombs(path, output, compressed.bytes, limitBytes);
      yield chunk;
    }
  } catch (thrown) {
    if (thrown instanceof TraceError) throw thrown;
    // zlib keeps what it had decoded of the damaged piece: fed in single bytes, it gives it up.
    if (reopen !== null && codeOf(thrown) !== 'Z_BUF_ERROR') {
      const again = decompress(piecewise(reopen(), pieces));
      for await (const chunk of rest(again, output)) {
        output += chunk.length;
        yield chunk;
      }
    }
    losses.push(describeDamage(thrown, output));
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}

function describeDamage(thrown: unknown, output: number): SourceLoss {
  const place = `after ${output} decompressed bytes`;
  return codeOf(thrown) === 'Z_BUF_ERROR'
    ? { kind: 'truncated', detail: `the compressed input ends ${place}, before its end` }
    : {
        kind: 'unreadable',
        detail: `the compressed input is damaged ${place}: ${messageOf(thrown)}`,
      };
}

function decompress(input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unzip = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES, finishFlush: constants.Z_FINISH });
  const source = Readable.from(input, { objectMode: false });
  source.on('error', (error) => unzip.destroy(error));
  return source.pipe(unzip);
}

/** The input again, with the pieces around the damaged one as single bytes. */
async function* piecewise(
  input: AsyncIterable<Uint8Array>,
  pieces: number,
): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const chunk of input) {
    index += 1;
    if (index < pieces - 2) yield chunk;
    else for (let at = 0; at < chunk.length; at += 1) yield chunk.subarray(at, at + 1);
  }
}

/** What a stream has beyond `skip` bytes, up to where it fails. */
async function* rest(stream: AsyncIterable<Uint8Array>, skip: number): AsyncGenerator<Uint8Array> {
  let passed = 0;
  try {
    for await (const chunk of stream) {
      const from = Math.max(0, skip - passed);
      passed += chunk.length;
      if (from < chunk.length) yield chunk.subarray(from);
    }
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown;
  }
}

function guardAgainstBombs(
  path: string,
  output: number,
  input: number,
  limitBytes: number | null,
): void {
  const isBomb =
    limitBytes === null ? output > BOMB_BYTES && output > input * BOMB_RATIO : output > limitBytes;
  if (!isBomb) return;
  throw new TraceError(
    { path, byteOffset: output },
    limitBytes === null
      ? `${output} bytes out of ${input} compressed ones look like a decompression bomb; --max-decompressed allows more`
      : `more than the ${limitBytes} bytes that --max-decompressed allows`,
  );
}

function refuse(path: string, head: Uint8Array): void {
  for (const [magic, name, command] of REFUSED) {
    if (!startsWith(head, magic)) continue;
    throw new TraceError(
      { path },
      `is ${name}-compressed, expected plain text or gzip; try: ${command} ${path} | vtdscope -`,
    );
  }
}

function utf16(head: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  if (startsWith(head, [0xff, 0xfe])) return 'utf-16le';
  return startsWith(head, [0xfe, 0xff]) ? 'utf-16be' : null;
}

/** UTF-16, as PowerShell's redirection writes it, as UTF-8. */
async function* transcode(
  stream: AsyncIterable<Uint8Array>,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of stream) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  const end = decoder.decode();
  if (end !== '') yield Buffer.from(end);
}

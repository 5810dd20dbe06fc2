import { closeSync, fstatSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { codeOf, messageOf, reasonOf, TraceError } from '../base/errors.ts';
import { type Chunks, Meter, type Peeked, peek, piecesOf, Recorder } from './chunks.ts';
import { fileAtStandardInput, type OpenFile, openToRead, streamOf } from './open-file.ts';
import { refuse } from './refused.ts';
import { TraceFile } from './trace-file.ts';
import { utf8Of, utf16Of } from './utf16.ts';

/** Bytes read from a file at a time. */
const READ_BYTES = 1024 * 1024;
/** The same for small ones. */
const SMALLEST_READ_BYTES = 4096;
/** Bytes by which the kind of a trace is recognised. */
const HEAD_BYTES = 64 * 1024;
/** Compressed bytes that the decompressor gets at a time; 16 KiB are a tenth slower. */
const PIECE_BYTES = 32 * 1024;
/** Output of the decompressor at a time; its default of 16 KiB is less than half as quick. */
const GUNZIP_CHUNK_BYTES = 256 * 1024;
/** Of input that cannot be read twice, bytes that are kept in case they are needed again. */
const KEPT_BYTES = 16 * 1024 * 1024;
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
  /** A plain file that can be read in ranges; null for everything else. */
  readonly ranges: OpenRanges | null;
  /** Bytes of the input itself, for progress; null where not known. */
  readonly inputBytes: number | null;
  /** Bytes of the input read so far. */
  readonly readBytes: () => number;
  /** All bytes from the start, in order. To be called once. */
  chunks(): Chunks;
  /** The same input, to be read once more from its start, where it can be; closed with this one. */
  again(): OpenSource | null;
  /**
   * What could not be delivered, and what became of the input meanwhile. To be called when all has
   * been read. `end`: bytes of the trace that have come.
   */
  finish(end: number): SourceEnd;
  /** Lets go of the input, read or not; nobody may be reading it any more. */
  close(): void;
}

/** A file open for reading in ranges: its descriptor, which all threads share, and its bytes. */
export interface OpenRanges {
  readonly file: number;
  /** As many as it had when it was opened: what comes behind them is not read. */
  readonly bytes: number;
}

/** What is known of an input only in the end. */
export interface SourceEnd {
  readonly losses: readonly SourceLoss[];
  /** More was written behind what was read, meanwhile. */
  readonly hasGrown: boolean;
}

export interface SourceOptions {
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Output of decompression at most; without it a ratio decides what is a bomb. */
  readonly maxDecompressedBytes?: number | null;
}

/**
 * Opens a trace: a path, or `-` for standard input. Compression is told by magic numbers, never by
 * names. A file is opened once, and read up to the size that it has then.
 *
 * @throws TraceError if there is no such file, it cannot be read, is a directory, or is compressed
 *   in a way that is not supported.
 */
export async function openSource(path: string, options: SourceOptions = {}): Promise<OpenSource> {
  const input = path === '-' ? openStandardInput(options) : openPath(path);
  return input instanceof TraceFile ? openFile(input, options) : openStream(path, input, options);
}

function openStandardInput({ stdin }: SourceOptions): TraceFile | Chunks {
  if (stdin !== undefined) return stdin;
  const file = fileAtStandardInput();
  return file === null ? process.stdin : inParts(file, () => process.stdin);
}

function openPath(path: string): TraceFile | Chunks {
  let file: OpenFile | null = null;
  try {
    file = openToRead(path);
    const stats = fstatSync(file.number);
    if (stats.isDirectory()) throw new TraceError({ path }, 'is a directory, expected a file');
    const opened = file;
    return stats.isFile() ? inParts(opened, () => streamOf(opened)) : streamOf(opened);
  } catch (thrown) {
    if (file !== null) closeSync(file.number);
    if (thrown instanceof TraceError) throw thrown;
    throw new TraceError({ path }, reasonOf(thrown));
  }
}

/** A file of which any part can be read; those that the kernel makes up have no size to cut. */
function inParts(file: OpenFile, stream: () => Chunks): TraceFile | Chunks {
  const traceFile = new TraceFile(file);
  return traceFile.bytes === 0 ? stream() : traceFile;
}

async function openFile(file: TraceFile, options: SourceOptions): Promise<OpenSource> {
  const { path, bytes } = file;
  // Memory of this size is had for each read, and a batch may be of thousands of small files.
  const chunkBytes = Math.min(READ_BYTES, Math.max(SMALLEST_READ_BYTES, bytes));
  const again = () => file.chunks(chunkBytes);
  try {
    const probe = new Reading(path, options, again);
    const { layers, head, close } = await probe.unwrap(
      file.chunks(Math.min(HEAD_BYTES, chunkBytes)),
    );
    await close();
    // Where only the rest of standard input is left, its offsets are not those of the file.
    const isPlain = layers.length === 0 && file.start === 0;
    const source = (): OpenSource => {
      const reading = new Reading(path, options, again);
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield* (await reading.unwrap(again())).all;
      }
      return {
        path,
        compression: compressionOf(layers),
        head,
        ranges: isPlain ? { file: file.number, bytes } : null,
        inputBytes: bytes,
        readBytes: () => reading.bytes,
        chunks,
        again: source,
        finish: (end) => endOf(file, reading, end),
        close: () => file.close(),
      };
    };
    return source();
  } catch (thrown) {
    file.close();
    throw thrown;
  }
}

/** What comes only once: standard input, a named pipe, a device. */
async function openStream(
  path: string,
  input: Chunks,
  options: SourceOptions,
): Promise<OpenSource> {
  const kept = new Recorder(KEPT_BYTES);
  const newReading = () => new Reading(path, options, () => kept.again());
  const reading = newReading();
  const { layers, head, all, close } = await reading.unwrap(kept.through(input));
  const sourceOf = (current: Reading, chunks: () => Chunks): OpenSource => ({
    path,
    compression: compressionOf(layers),
    head,
    ranges: null,
    inputBytes: null,
    readBytes: () => current.bytes,
    chunks,
    again: () => again(),
    finish: () => ({ losses: current.losses, hasGrown: false }),
    close: () => void close(),
  });
  const again = (): OpenSource | null => {
    const bytes = kept.again();
    // Where reading failed, what was kept does not show it.
    if (bytes === null || reading.losses.length > 0) return null;
    const anew = newReading();
    async function* chunks(bytesAgain: Chunks): AsyncGenerator<Uint8Array> {
      yield* (await anew.unwrap(bytesAgain)).all;
    }
    return sourceOf(anew, () => chunks(bytes));
  };
  return sourceOf(reading, () => all);
}

function compressionOf(layers: readonly string[]): string {
  return layers.length === 0 ? 'none' : layers.join('+');
}

/** What could not be read of a file, and whether it is still what it was. */
function endOf(file: TraceFile, reading: Reading, end: number): SourceEnd {
  const losses = [...reading.losses];
  // Nothing has passed here of what threads have read by themselves.
  const bytes = reading.bytes === 0 ? end : reading.bytes;
  const fate = file.fate();
  if (losses.length === 0 && bytes < file.bytes) losses.push(lossAt(file, bytes));
  else if (fate === 'rewritten') {
    losses.push({ kind: 'truncated', detail: 'the file was written over while it was read' });
  }
  return { losses, hasGrown: losses.length === 0 && fate === 'grown' };
}

/** Why a file cannot be read beyond so many of its bytes. */
function lossAt(file: TraceFile, bytes: number): SourceLoss {
  const error = file.errorAt(bytes);
  if (error !== null) return { kind: 'unreadable', detail: unreadableBeyond(bytes, error) };
  const detail = `the file became shorter while it was read: ${bytes} of ${file.bytes} bytes were there`;
  return { kind: 'truncated', detail };
}

function unreadableBeyond(bytes: number, error: string): string {
  return `the input cannot be read beyond ${bytes} bytes: ${error}`;
}

/** An input with everything around the trace taken off. */
interface Unwrapped extends Peeked {
  readonly layers: readonly string[];
}

/** One pass over an input. */
class Reading {
  readonly losses: SourceLoss[] = [];
  readonly #path: string;
  readonly #limitBytes: number | null;
  readonly #meter = new Meter();
  /** The input from its start; null where it came only once, and was too much to be kept. */
  readonly #again: () => Chunks | null;

  constructor(path: string, options: SourceOptions, again: () => Chunks | null) {
    this.#path = path;
    this.#limitBytes = options.maxDecompressedBytes ?? null;
    this.#again = again;
  }

  /** Bytes of the input that have been read. */
  get bytes(): number {
    return this.#meter.bytes;
  }

  /** Takes compression and encoding off, as the bytes tell. */
  async unwrap(input: Chunks): Promise<Unwrapped> {
    const layers: string[] = [];
    let peeked = await peek(this.#meter.through(this.#untilError(input)), HEAD_BYTES);
    try {
      while (isGzip(peeked.head)) {
        if (layers.length === MOST_LAYERS)
          throw new TraceError({ path: this.#path }, `is gzip inside gzip, ${MOST_LAYERS} deep`);
        const isOutermost = layers.length === 0;
        peeked = await peek(this.#gunzip(peeked.all, isOutermost), HEAD_BYTES);
        layers.push('gzip');
      }
      refuse(this.#path, peeked.head, layers);
      const encoding = utf16Of(peeked.head);
      if (encoding === null) return { ...peeked, layers };
      peeked = await peek(utf8Of(peeked.all, encoding), HEAD_BYTES);
      return { ...peeked, layers: [...layers, 'utf-16'] };
    } catch (thrown) {
      await peeked.close();
      throw thrown;
    }
  }

  /** An input that fails at once cannot be used; one that fails later is cut short, which is told. */
  async *#untilError(input: Chunks): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    try {
      for await (const chunk of input) {
        bytes += chunk.length;
        yield chunk;
      }
    } catch (thrown) {
      if (bytes === 0) throw new TraceError({ path: this.#path }, reasonOf(thrown));
      const detail = unreadableBeyond(bytes, messageOf(thrown));
      this.losses.push({ kind: 'unreadable', detail });
    }
  }

  /**
   * Decompresses all members of a gzip stream. What comes before a damaged place is delivered and
   * the damage is a loss; so is an end without the last member's trailer.
   */
  async *#gunzip(input: Chunks, isOutermost: boolean): AsyncGenerator<Uint8Array> {
    const recorder = isOutermost ? null : new Recorder(KEPT_BYTES);
    const zlib = new Gunzip();
    let taken = 0;
    let output = 0;
    try {
      for await (const piece of piecesOf(recorder?.through(input) ?? input, PIECE_BYTES)) {
        for (const chunk of await zlib.write(piece)) {
          const allowed = this.#allowed(chunk, output);
          output += allowed.length;
          yield allowed;
          if (allowed.length < chunk.length) return;
        }
        taken += piece.length;
        // Members may be padded with NUL; what comes then is not looked for.
        if (zlib.rest.some((byte) => byte !== 0)) {
          this.#lose('unreadable', `is followed by other data ${after(output)}`);
          return;
        }
      }
      await zlib.end();
    } catch (thrown) {
      if (codeOf(thrown) === 'Z_BUF_ERROR') {
        this.#lose('truncated', `ends ${after(output)}, before its end`);
        return;
      }
      if (!isZlibError(thrown)) throw thrown;
      // zlib keeps what it had decoded of the damaged piece: fed in single bytes, it gives it up.
      const again = recorder === null ? this.#again() : recorder.again();
      if (again !== null) {
        for await (const chunk of partOfDamaged(again, taken, output)) {
          const allowed = this.#allowed(chunk, output);
          output += allowed.length;
          yield allowed;
          if (allowed.length < chunk.length) return;
        }
      }
      this.#lose('unreadable', `is damaged ${after(output)}: ${messageOf(thrown)}`);
    } finally {
      zlib.close();
    }
  }

  #lose(kind: SourceLoss['kind'], what: string): void {
    this.losses.push({ kind, detail: `the compressed input ${what}` });
  }

  /**
   * As much of a chunk as may be decompressed; what is left out is lost. `output`: bytes before it.
   * The outermost input counts, whatever is nested in it.
   */
  #allowed(chunk: Uint8Array, output: number): Uint8Array {
    const all = output + chunk.length;
    const limit = this.#limitBytes;
    if (limit !== null) {
      if (all <= limit) return chunk;
      this.#lose('truncated', `goes on beyond the ${limit} bytes that --max-decompressed allows`);
      return chunk.subarray(0, limit - output);
    }
    if (all <= BOMB_BYTES || all <= this.bytes * BOMB_RATIO) return chunk;
    this.#lose(
      'truncated',
      `looks like a decompression bomb ${after(output)}, made of ${this.bytes}; --max-decompressed allows more`,
    );
    return chunk.subarray(0, 0);
  }
}

function isGzip([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b;
}

function after(output: number): string {
  return `after ${output} decompressed bytes`;
}

function isZlibError(thrown: unknown): boolean {
  return /^Z_/.test(String(codeOf(thrown)));
}

/** zlib fed piece by piece: each gives all that it can before the next is taken. */
class Gunzip {
  /** Of the last piece, what zlib did not take: it stops at a NUL behind a member. */
  rest: Uint8Array = new Uint8Array(0);

  readonly #zlib = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES });
  #output: Uint8Array[] = [];
  #fail: (error: Error) => void = () => {};
  #written = 0;
  #isOver = false;

  constructor() {
    this.#zlib.on('data', (chunk: Uint8Array) => this.#output.push(chunk));
    this.#zlib.on('error', (error) => this.#fail(error));
  }

  /** What `piece` gives. Where it is damaged, zlib's error is thrown and nothing given. */
  async write(piece: Uint8Array): Promise<readonly Uint8Array[]> {
    this.rest = piece;
    if (this.#isOver) return [];
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.#zlib.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    this.#written += piece.length;
    const left = this.#written - this.#zlib.bytesWritten;
    this.#isOver = left > 0;
    this.rest = piece.subarray(piece.length - left);
    return this.#output.splice(0);
  }

  /** Fails with Z_BUF_ERROR where the last member is not complete. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.#zlib.once('end', resolve);
      this.#zlib.end();
    });
  }

  close(): void {
    this.#fail = () => {};
    this.#zlib.destroy();
  }
}

/**
 * What the damaged piece of a gzip stream holds before the damage. `input`: the stream from its
 * start, of which `good` bytes gave the first `output` bytes and are all right.
 */
async function* partOfDamaged(
  input: Chunks,
  good: number,
  output: number,
): AsyncGenerator<Uint8Array> {
  const zlib = new Gunzip();
  let passed = 0;
  try {
    for await (const piece of finelyFrom(input, good)) {
      for (const chunk of await zlib.write(piece)) {
        const from = Math.max(0, output - passed);
        passed += chunk.length;
        if (from < chunk.length) yield chunk.subarray(from);
      }
    }
  } catch (thrown) {
    // The damage itself, which is known, or a file that has gone meanwhile: there is no more.
    if (codeOf(thrown) === undefined) throw thrown;
  } finally {
    zlib.close();
  }
}

/** Pieces up to `offset`, then one piece more in single bytes. */
async function* finelyFrom(input: Chunks, offset: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of input) {
    const coarse = Math.min(chunk.length, Math.max(0, offset - at));
    if (coarse > 0) yield chunk.subarray(0, coarse);
    for (let index = coarse; index < chunk.length; index += 1) {
      if (at + index >= offset + PIECE_BYTES) return;
      yield chunk.subarray(index, index + 1);
    }
    at += chunk.length;
  }
}

import { closeSync, fstatSync } from 'node:fs';
import { messageOf, reasonOf, TraceError } from '../base/errors.ts';
import { isUrl, shownInput } from '../base/url.ts';
import { ahead, type Chunks, Meter, type Peeked, peek, piecesOf, Recorder } from './chunks.ts';
import { type Codec, type Damage, DamagedData, PIECE_BYTES } from './compression/codec.ts';
import { partOfDamaged } from './compression/damaged-piece.ts';
import { codecs } from './compression/index.ts';
import { type SourceLoss, unreadableBeyond } from './loss.ts';
import { describeObject, type ObjectState, openObject } from './objects/object.ts';
import { fileAtStandardInput, type OpenFile, openToRead, streamOf } from './open-file.ts';
import { refuse } from './refused.ts';
import { type Rereadable, TraceFile } from './trace-file.ts';
import { utf8Of, utf16Of } from './utf16.ts';

export type { SourceLoss } from './loss.ts';

/** Bytes read from a file at a time. */
const READ_BYTES = 1024 * 1024;
/** The same for small ones. */
const SMALLEST_READ_BYTES = 4096;
/** Bytes of `head`, if a trace has so many: its kind is recognised by them. */
export const HEAD_BYTES = 64 * 1024;
/** Of input that cannot be read twice, bytes that are kept in case they are needed again. */
const KEPT_BYTES = 16 * 1024 * 1024;
/** Compression inside compression is followed this deep. */
const MOST_LAYERS = 3;
/** Output beyond this, at more than RATIO times the input, is taken for a decompression bomb. */
const BOMB_BYTES = 2 ** 30;
const BOMB_RATIO = 200;

/** A trace whose bytes can be read, decompressed. */
export interface OpenSource {
  /** As the user named it, as far as it may be shown; `-` for standard input. */
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
  /** To be read in the place of `chunks`, where something is missing in the midst of it; else absent. */
  readonly runs?: readonly Run[];
}

/** A part of a trace without a hole. */
export interface Run {
  /** What is missing before it; null before the first. */
  readonly missing: string | null;
  readonly source: OpenSource;
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
  /** Bytes read from a file at a time; 1 MiB without it. */
  readonly readBytes?: number;
  /** It may be an archive, of which nothing but compression is taken off. */
  readonly isArchive?: boolean;
  /** Of a URL: what was found there. */
  readonly object?: ObjectState;
}

/**
 * Opens a trace: a path, a URL, or `-` for standard input. Compression is told by magic numbers, never
 * by names. A file is opened once, and read up to the size that it has then.
 *
 * @throws TraceError if there is no such file, it cannot be read, is a directory, or is compressed
 *   in a way that is not supported.
 */
export async function openSource(path: string, options: SourceOptions = {}): Promise<OpenSource> {
  const input = await openInput(path, options);
  return 'chunks' in input
    ? openRereadable(input, options)
    : openStream(shownInput(path), input, options);
}

async function openInput(path: string, options: SourceOptions): Promise<Rereadable | Chunks> {
  if (path === '-') return openStandardInput(options);
  if (!isUrl(path)) return openPath(path);
  return openObject(options.object ?? (await describeObject(path)));
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

/** The first bytes of a trace of which the start is in memory, decompressed. @throws as `openSource` */
export async function peekSource(
  path: string,
  start: Uint8Array,
  options: SourceOptions = {},
): Promise<Pick<OpenSource, 'path' | 'compression' | 'head'>> {
  const input = async function* () {
    yield start;
  };
  const { close, head, layers } = await new Reading(path, options, input).unwrap(input());
  await close();
  return { path, compression: compressionOf(layers), head };
}

/** Opens what can be read any number of times. @throws as `openSource` */
export async function openRereadable(
  file: Rereadable,
  options: SourceOptions,
): Promise<OpenSource> {
  const { path, bytes } = file;
  // Memory of this size is had for each read, and a batch may be of thousands of small files.
  const { readBytes = READ_BYTES } = options;
  const chunkBytes = Math.min(readBytes, Math.max(SMALLEST_READ_BYTES, bytes));
  const again = () => file.chunks(chunkBytes);
  try {
    const probe = new Reading(path, options, again);
    const { layers, head, close } = await probe.unwrap(
      file.chunks(Math.min(HEAD_BYTES, chunkBytes)),
    );
    await close();
    const source = (): OpenSource => {
      const reading = new Reading(path, options, again);
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield* (await reading.unwrap(again())).all;
      }
      return {
        path,
        compression: compressionOf(layers),
        head,
        ranges: layers.length === 0 ? file.ranges : null,
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
function endOf(file: Rereadable, reading: Reading, end: number): SourceEnd {
  const losses = [...reading.losses];
  // Nothing has passed here of what threads have read by themselves.
  const bytes = reading.bytes === 0 ? end : reading.bytes;
  const fate = file.fate();
  if (losses.length === 0 && bytes < file.bytes) losses.push(file.lossAt(bytes));
  else if (fate === 'rewritten') {
    losses.push({ kind: 'truncated', detail: 'the file was written over while it was read' });
  }
  return { losses, hasGrown: losses.length === 0 && fate === 'grown' };
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
  readonly #isArchive: boolean;
  readonly #meter = new Meter();
  /** The input from its start; null where it came only once, and was too much to be kept. */
  readonly #again: () => Chunks | null;

  constructor(path: string, options: SourceOptions, again: () => Chunks | null) {
    this.#path = path;
    this.#limitBytes = options.maxDecompressedBytes ?? null;
    this.#isArchive = options.isArchive === true;
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
      for (let codec = codecOf(peeked.head); codec !== null; codec = codecOf(peeked.head)) {
        if (layers.length === MOST_LAYERS)
          throw new TraceError(
            { path: this.#path },
            `is compressed more than ${MOST_LAYERS} times`,
          );
        const isOutermost = layers.length === 0;
        peeked = await peek(ahead(this.#decompress(codec, peeked.all, isOutermost)), HEAD_BYTES);
        layers.push(codec.name);
      }
      if (this.#isArchive) return { ...peeked, layers };
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
      if (thrown instanceof TraceError) throw thrown;
      if (bytes === 0) throw new TraceError({ path: this.#path }, reasonOf(thrown));
      const detail = unreadableBeyond(bytes, messageOf(thrown));
      this.losses.push({ kind: 'unreadable', detail });
    }
  }

  /**
   * Decompresses a stream, of as many members as it has. What comes before a damaged place is
   * delivered and the damage is a loss; so is an end before the end of the last member.
   */
  async *#decompress(
    codec: Codec,
    input: Chunks,
    isOutermost: boolean,
  ): AsyncGenerator<Uint8Array> {
    const recorder = isOutermost || codec.givesDamagedPieces ? null : new Recorder(KEPT_BYTES);
    const decompressor = await codec.open();
    let taken = 0;
    let output = 0;
    /** As much of what comes as may be decompressed, and whether that is all. */
    const allow = (chunk: Uint8Array) => {
      const allowed = this.#allowed(chunk, output);
      output += allowed.length;
      return { allowed, isAll: allowed.length === chunk.length };
    };
    try {
      for await (const piece of piecesOf(recorder?.through(input) ?? input, PIECE_BYTES)) {
        for await (const chunk of decompressor.decode(piece)) {
          const { allowed, isAll } = allow(chunk);
          yield allowed;
          if (!isAll) return;
        }
        taken += piece.length;
      }
      for await (const chunk of decompressor.end()) {
        const { allowed, isAll } = allow(chunk);
        yield allowed;
        if (!isAll) return;
      }
    } catch (thrown) {
      if (!(thrown instanceof DamagedData)) throw thrown;
      const again = () => (recorder === null ? this.#again() : recorder.again());
      if (thrown.damage === 'is damaged' && !codec.givesDamagedPieces) {
        for await (const chunk of partOfDamaged(codec, again, taken, output)) {
          const { allowed, isAll } = allow(chunk);
          yield allowed;
          if (!isAll) return;
        }
      }
      const { kind, what } = LOSSES[thrown.damage];
      this.#lose(kind, what(after(output), thrown.message));
    } finally {
      decompressor.close();
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

/** What damage of compressed data is to a trace. */
const LOSSES: Readonly<
  Record<
    Damage,
    {
      readonly kind: SourceLoss['kind'];
      readonly what: (after: string, reason: string) => string;
    }
  >
> = {
  'ends early': { kind: 'truncated', what: (after) => `ends ${after}, before its end` },
  'is followed by other data': {
    kind: 'unreadable',
    what: (after) => `is followed by other data ${after}`,
  },
  'is damaged': { kind: 'unreadable', what: (after, reason) => `is damaged ${after}: ${reason}` },
};

function codecOf(head: Uint8Array): Codec | null {
  const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
  return codecs.find(({ isIt }) => isIt(buffer)) ?? null;
}

function after(output: number): string {
  return `after ${output} decompressed bytes`;
}

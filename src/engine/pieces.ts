import { ForeignError, UsageError } from '../base/errors.ts';
import { NO_TIME } from '../base/place.ts';
import { countText } from '../base/words.ts';
import type { Input, Inputs } from '../bytes/inputs.ts';
import type { Piece } from '../bytes/joined.ts';
import { type NamedOrder, orderByNames } from '../bytes/rotation.ts';
import { type OpenSource, openSource, type SourceOptions } from '../bytes/source.ts';
import { readAt } from '../bytes/trace-file.ts';
import type { TraceFormat } from '../decoding/format.ts';
import { recognise } from '../decoding/index.ts';
import { writeLoss } from '../decoding/notes.ts';
import { type Span, spanOf } from '../decoding/span.ts';
import { type EventBatch, NO_THREAD } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { Decode } from './local.ts';

/*
 * The pieces of one trace: which comes first, and whether one follows the other. Names tell that where they
 * have numbers or dates, else the times of the first events do; where both tell, they must agree.
 */

/** Bytes at both ends of a piece in which an event with a time is looked for. */
const LOOKED_AT = 1024 * 1024;
/** Threads race for the log by microseconds: as far as this, times may overlap. */
const RACE_SECONDS = 0.001;
/** A silence between two pieces is none while it is not longer than this, or than any piece before it. */
const SHORTEST_GAP_SECONDS = 60;

/** A piece with the times in it; null where it has none. */
interface TimedPiece extends Piece {
  readonly span: Span | null;
}

/**
 * The one trace whose pieces these inputs are; it has the name of the newest.
 *
 * @throws UsageError where they are not the pieces of one trace, or their order cannot be told.
 * @throws TraceError where one of them cannot be read.
 */
export async function joinedInputs(inputs: Inputs, options: SourceOptions): Promise<Inputs> {
  const { bad, traces } = inputs;
  const [problem] = bad;
  if (problem !== undefined) throw new UsageError(`${problem.path}: ${problem.error}`);
  const odd = traces.find(
    ({ bytes, member, object }) => bytes === null || (member ?? object) !== undefined,
  );
  if (odd !== undefined) throw new UsageError(`--join takes files, and ${odd.path} is none`);
  if (traces.length < 2) return inputs;
  const paths = traces.map(({ path }) => path);
  const pieces = await inOrder(paths, options);
  const bytes = traces.reduce((sum, input) => sum + (input.bytes ?? 0), 0);
  const joined: Input = { path: pieces.at(-1)?.path ?? '', bytes, isFound: false, pieces };
  return {
    traces: [joined],
    bad,
    passedOver: inputs.passedOver,
    directories: new Map(),
    isRead: (key) => inputs.isRead(key),
  };
}

/** The pieces, oldest first. */
async function inOrder(
  paths: readonly string[],
  options: SourceOptions,
): Promise<readonly Piece[]> {
  const named = orderByNames(paths);
  const spans = await spansOf(paths, options, named?.by === 'number');
  const timed = (pieces: readonly Piece[]): readonly TimedPiece[] =>
    pieces.map((piece) => ({ ...piece, span: spans.get(piece.path) ?? null }));
  const pieces =
    named === null
      ? byTimes(timed(paths.map((path) => ({ path, missing: null }))))
      : agreed(named.by, timed(named.pieces));
  return pieces.map(({ missing, path }) => ({ path, missing }));
}

/** The times in each piece. `fromStart`: it does not matter when they end. */
async function spansOf(
  paths: readonly string[],
  options: SourceOptions,
  fromStart: boolean,
): Promise<ReadonlyMap<string, Span>> {
  const spans = new Map<string, Span>();
  const known: { readonly format: TraceFormat; readonly path: string }[] = [];
  for (const path of paths) {
    const source = await openSource(path, options);
    try {
      const format = formatOf(source) ?? known[0]?.format;
      if (format === undefined) continue;
      const other = known.find((one) => one.format.name !== format.name);
      if (other !== undefined) {
        throw new UsageError(
          `--join: ${other.path} is ${other.format.title}, and ${path} ${format.title}`,
        );
      }
      known.push({ format, path });
      const span = await spanIn(source, format, fromStart);
      if (span !== null) spans.set(path, span);
    } finally {
      source.close();
    }
  }
  return spans;
}

/**
 * The format of a piece; null where its start, which may be anywhere in a log, does not show it.
 *
 * @throws UsageError where it is of a kind of which each file is whole.
 */
function formatOf({ path, compression, head }: OpenSource): TraceFormat | null {
  let format: TraceFormat;
  try {
    format = recognise({ path, compression, head });
  } catch (thrown) {
    if (thrown instanceof ForeignError) return null;
    throw thrown;
  }
  if (format.kind === 'stream' && format.isWhole === true) {
    throw new UsageError(`--join takes logs, and ${path} is ${format.title}, which is whole`);
  }
  return format;
}

async function spanIn(
  source: OpenSource,
  format: TraceFormat,
  fromStart: boolean,
): Promise<Span | null> {
  const [start, end] = await endsOf(source, fromStart);
  const head = await spanOf(format, start);
  if (head === null) return null;
  const tail = end === null ? null : await spanOf(format, end);
  return { first: head.first, last: (tail ?? head).last };
}

/** The first and the last bytes of a piece; the last are null where they are not asked for. */
async function endsOf(
  source: OpenSource,
  fromStart: boolean,
): Promise<readonly [Uint8Array, Uint8Array | null]> {
  if (source.ranges !== null) {
    const { bytes, file } = source.ranges;
    const part = (from: number) => {
      const buffer = Buffer.alloc(Math.min(LOOKED_AT, bytes));
      return buffer.subarray(0, readAt(file, buffer, from));
    };
    return [part(0), fromStart ? null : part(Math.max(0, bytes - LOOKED_AT))];
  }
  let start = Buffer.alloc(0);
  let end = Buffer.alloc(0);
  for await (const chunk of source.chunks()) {
    if (start.length < LOOKED_AT) start = Buffer.concat([start, chunk]);
    else if (fromStart) break;
    end = Buffer.concat([end, chunk]).subarray(-LOOKED_AT);
  }
  return [start.subarray(0, LOOKED_AT), fromStart ? null : end];
}

/** @throws UsageError where the times do not tell which piece comes first, or two hold the same time. */
function byTimes(pieces: readonly TimedPiece[]): readonly TimedPiece[] {
  const timeless = pieces.find(({ span }) => span === null);
  if (timeless !== undefined) {
    throw new UsageError(
      `--join: the names do not tell the order, as log.2.gz, log.1 and log or log-20261126 would, and ${timeless.path} has no times`,
    );
  }
  const ordered = [...pieces].sort((one, next) => startOf(one) - startOf(next));
  for (const [one, next] of pairsOf(ordered)) {
    if ((one.span?.last ?? 0) > startOf(next) + RACE_SECONDS || startOf(one) === startOf(next)) {
      throw new UsageError(
        `--join: ${one.path} and ${next.path} hold the same time, so neither follows the other`,
      );
    }
  }
  return withGaps(ordered);
}

/**
 * The pieces in the order of their names, if their times agree; numbers may also grow with time.
 *
 * @throws UsageError where they do not agree.
 */
function agreed(by: NamedOrder['by'], pieces: readonly TimedPiece[]): readonly TimedPiece[] {
  const wrong = contradictionIn(pieces);
  if (wrong === null) {
    const hasTimes = pieces.every(({ span }) => span !== null);
    return by === 'date' && hasTimes ? withGaps(pieces) : pieces;
  }
  const turned = turnedRound(pieces);
  if (by === 'number' && contradictionIn(turned) === null) return turned;
  const [one, next] = wrong;
  throw new UsageError(
    `--join: ${next.path} is newer than ${one.path} by its name, and begins before it`,
  );
}

function contradictionIn(pieces: readonly TimedPiece[]): readonly [TimedPiece, TimedPiece] | null {
  const known = pieces.filter(({ span }) => span !== null);
  return pairsOf(known).find(([one, next]) => startOf(one) > startOf(next) + RACE_SECONDS) ?? null;
}

/** The newest first; what was missing before a piece is missing before the one that it followed. */
function turnedRound(pieces: readonly TimedPiece[]): readonly TimedPiece[] {
  return pieces
    .map((piece, index) => ({ ...piece, missing: pieces[index + 1]?.missing ?? null }))
    .reverse();
}

/** Where a silence between two pieces is longer than those before it lasted, one may be missing. */
function withGaps(pieces: readonly TimedPiece[]): readonly TimedPiece[] {
  let [longest, last] = [SHORTEST_GAP_SECONDS, Number.NaN];
  return pieces.map((piece, index) => {
    const { span } = piece;
    if (span === null) return piece;
    const gap = span.first - last;
    const isLong = gap > longest;
    longest = Math.max(longest, span.last - span.first);
    last = span.last;
    return { ...piece, missing: isLong ? silence(gap, index) : null };
  });
}

function silence(seconds: number, index: number): string {
  return `a piece may be missing: no line for ${countText(Math.round(seconds))} s between piece ${index} and piece ${index + 1}`;
}

function pairsOf(pieces: readonly TimedPiece[]): readonly (readonly [TimedPiece, TimedPiece])[] {
  return pieces.flatMap((next, index) => {
    const one = pieces[index - 1];
    return one === undefined ? [] : [[one, next] as const];
  });
}

const startOf = ({ span }: TimedPiece) => span?.first ?? 0;

/** Decodes the parts of a trace between which something is missing one after the other, and says so there. */
export function decodeRuns(decode: Decode): Decode {
  return async function* (source, format) {
    if (source.runs === undefined) {
      yield* decode(source, format);
      return;
    }
    let start = 0;
    for (const run of source.runs) {
      if (run.missing !== null) yield { batch: lossAt(start, run.missing), release: () => {} };
      let end = start;
      for await (const { batch, release } of decode(run.source, format)) {
        const byteOffset = start + batch.byteOffset;
        end = byteOffset + batch.byteLength;
        yield { batch: { ...batch, byteOffset }, release };
      }
      start = end;
    }
  };
}

/** A batch without lines that says what is missing. */
function lossAt(byteOffset: number, missing: string): EventBatch {
  const writer = new BatchWriter();
  const place = { byteOffset: 0, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
  writeLoss(writer, place, 'missing-events', missing);
  return writer.finish(new Uint8Array(0), byteOffset, 0);
}

import { UsageError } from '../base/errors.ts';
import { countText } from '../base/words.ts';
import type { Input, Inputs } from '../bytes/inputs.ts';
import type { Piece } from '../bytes/joined.ts';
import { type NamedOrder, orderByNames, orderByThreads } from '../bytes/rotation.ts';
import type { SourceOptions } from '../bytes/source.ts';
import type { Span } from '../decoding/span.ts';
import { NO_THREAD } from '../events/batch.ts';
import { spansOf } from './piece-times.ts';

/*
 * The pieces of one trace: which comes first, and whether one follows the other. Names tell that where they
 * have numbers or dates, else the times of the first events do; where both tell, they must agree. Files that
 * hold the same time are those of QEMU's threads, or refused.
 */

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
  // The newest piece is empty when the others have just been rotated.
  const full = traces.filter(({ bytes }) => bytes !== 0);
  if (full.length < 2) return { ...inputs, traces: full.length === 0 ? traces.slice(0, 1) : full };
  const paths = full.map(({ path }) => path);
  const parts = await partsOf(paths, options);
  const bytes = traces.reduce((sum, input) => sum + (input.bytes ?? 0), 0);
  const path = 'threads' in parts ? parts.threads[0] : parts.pieces.at(-1)?.path;
  const joined: Input = { path: path ?? '', bytes, isFound: false, ...parts };
  return {
    traces: [joined],
    bad,
    passedOver: inputs.passedOver,
    directories: new Map(),
    isRead: (key) => inputs.isRead(key),
  };
}

/** The pieces, oldest first, or the files of the threads. */
async function partsOf(
  paths: readonly string[],
  options: SourceOptions,
): Promise<{ readonly pieces: readonly Piece[] } | { readonly threads: readonly string[] }> {
  const named = orderByNames(paths);
  // What is rotated has a file without a number, or begins with 0 or 1.
  const threads = named?.by === 'date' ? null : orderByThreads(paths);
  const mayBeThreads = threads !== null && (named === null || (threads[0]?.thread ?? 0) > 1);
  const spans = await spansOf(paths, options, named?.by === 'number' && !mayBeThreads);
  if (mayBeThreads && overlapIn(byStart([...spans.values()])) !== null) {
    for (const { path, thread } of threads) checkThread(path, thread, spans.get(path));
    return { threads: threads.map(({ path }) => path) };
  }
  const timed = (pieces: readonly Piece[]): readonly TimedPiece[] =>
    pieces.map((piece) => ({ ...piece, span: spans.get(piece.path) ?? null }));
  const pieces =
    named === null
      ? byTimes(timed(paths.map((path) => ({ path, missing: null }))))
      : agreed(named.by, timed(named.pieces));
  return { pieces: pieces.map(({ missing, path }) => ({ path, missing })) };
}

/** @throws UsageError where a file cannot be that of the thread which its name tells. */
function checkThread(path: string, thread: number, span: Span | undefined): void {
  if (span === undefined) {
    throw new UsageError(
      `--join: ${path} has no times, by which the files of threads are put together; QEMU writes them with -msg timestamp=on`,
    );
  }
  if (span.thread !== NO_THREAD && span.thread !== thread) {
    throw new UsageError(
      `--join: ${path} holds the same time as others, and not the lines of thread ${thread}`,
    );
  }
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
  refuseOverlap(ordered);
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
    refuseOverlap(pieces);
    const hasTimes = pieces.every(({ span }) => span !== null);
    return by === 'date' && hasTimes ? withGaps(pieces) : pieces;
  }
  const turned = turnedRound(pieces);
  if (by === 'number' && contradictionIn(turned) === null) {
    refuseOverlap(turned);
    return turned;
  }
  const [one, next] = wrong;
  throw new UsageError(
    `--join: ${next.path} is newer than ${one.path} by its name, and begins before it`,
  );
}

/** @throws UsageError where two pieces in a row hold the same time. */
function refuseOverlap(pieces: readonly TimedPiece[]): void {
  const known = pieces.flatMap(({ path, span }) => (span === null ? [] : { path, ...span }));
  const overlap = overlapIn(known);
  if (overlap === null) return;
  const [one, next] = overlap;
  throw new UsageError(
    `--join: ${one.path} and ${next.path} hold the same time, so neither follows the other; if the clock was set back, pipe them in their order: cat ... | vtdscope -`,
  );
}

/** The first two in a row that hold the same time. */
function overlapIn<Part extends Span>(parts: readonly Part[]): readonly [Part, Part] | null {
  const isOverlap = ([one, next]: readonly [Part, Part]) => one.last > next.first + RACE_SECONDS;
  return pairsOf(parts).find(isOverlap) ?? null;
}

const byStart = (spans: readonly Span[]) => [...spans].sort((one, next) => one.first - next.first);

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

function pairsOf<Part>(parts: readonly Part[]): readonly (readonly [Part, Part])[] {
  return parts.flatMap((next, index) => {
    const one = parts[index - 1];
    return one === undefined ? [] : [[one, next] as const];
  });
}

const startOf = ({ span }: TimedPiece) => span?.first ?? 0;

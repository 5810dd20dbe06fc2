import { humanSize, PAGE_BYTES } from '../../base/address.ts';
import type { PageRangeSet } from '../../base/page-range-set.ts';
import { plural } from '../../base/words.ts';
import type { ActivityStep, Finding, Session, Trace } from '../../result/types.ts';
import { hasLegacyLimits } from '../container-rows.ts';
import {
  digestOf,
  E2BIG_RULE,
  LOSING_RULES,
  memoryAtRisk,
  memoryStillReachable,
  STALE_RULE,
} from '../digest.ts';
import { bytesIn } from '../guest-ranges.ts';
import { unmapsInPieces } from '../wording.ts';

/** What the charts of the page are drawn from. */

export interface Charts {
  readonly firstLine: number;
  readonly lastLine: number;
  readonly lines: readonly number[];
  /** Seconds at which each step begins, where the trace has a clock; UTC if it is a wall's. */
  readonly times: readonly number[] | null;
  readonly lastTime: number | null;
  readonly isWallClock: boolean;
  /** Mappings of the host, at most, in each step. */
  readonly mappings: readonly number[];
  readonly unmaps: readonly number[];
  /** Those of them that are pieces of whole unmaps. */
  readonly ofWhole: readonly number[];
  readonly failures: readonly number[];
  /** Unmaps that lost dirty bits, and host mappings that were left behind, while they were tracked. */
  readonly losses: readonly number[];
  readonly stale: readonly number[];
  /** The first of each kind of harm that was done, in the order of the trace. */
  readonly firsts: readonly FirstPayload[];
  readonly pieces: readonly PiecePayload[];
  readonly limitBytes: number;
  readonly pageBytes: number;
  /** False where no container has a limit for a bitmap. */
  readonly hasLimit: boolean;
  /** True where QEMU unmaps in pieces also while dirty pages are tracked, and so asks for their bits. */
  readonly asksInPieces: boolean;
  readonly ram: { readonly bytes: number | null; readonly below4g: number | null };
  /** Flat: first, size, first, size ... */
  readonly lost: readonly number[];
  readonly reachable: readonly number[];
  readonly whatIf: readonly number[];
  /** How much each of them is, in how many ranges, before they were joined for the chart. */
  readonly totals: { readonly lost: string; readonly reachable: string; readonly whatIf: string };
}

export interface FirstPayload {
  readonly kind: 'failure' | 'loss' | 'stale';
  readonly line: number;
  /** Seconds; null where the trace does not tell. */
  readonly time: number | null;
  readonly text: string;
}

export interface PiecePayload {
  readonly iova: string;
  readonly size: string;
  readonly sizeText: string;
  readonly bitmap: number;
  readonly bitmapText: string;
  readonly count: number;
  readonly failed: number;
}

/** Ranges that a map of guest memory shows; it has no more pixels. */
const MOST_SPANS = 600;

/** What the charts of a session are drawn from. */
export function chartsOf({ time, sessions }: Trace, session: Session): Charts {
  const { activity, exposed, model, containers, totals } = session;
  const { real, whatIf } = digestOf(session);
  type Counts = 'line' | 'hostMappings' | 'unmaps' | 'pieces' | 'failures' | 'losses' | 'stale';
  const column = (key: Counts) => activity.steps.map((step) => step[key] ?? 0);
  const [lost, reachable, ifTracked] = [
    memoryAtRisk(real),
    memoryStillReachable(real),
    memoryAtRisk(whatIf),
  ];
  const bytes = (value: string | null) => (value === null ? null : Number(value));
  return {
    firstLine: session.firstLine,
    lastLine: session.lastLine,
    lines: column('line'),
    times: timesOf(activity.steps),
    lastTime: session === sessions.at(-1) ? seconds(time.last) : null,
    isWallClock: time.clock === 'wall',
    mappings: column('hostMappings'),
    unmaps: column('unmaps'),
    ofWhole: column('pieces'),
    failures: column('failures'),
    losses: column('losses'),
    stale: column('stale'),
    firsts: firstsOf(real),
    pieces: activity.pieces.map(({ iova, size, bitmapBytes, count, failed }) => ({
      iova,
      size,
      sizeText: humanSize(BigInt(size)),
      bitmap: Number(bitmapBytes),
      bitmapText: humanSize(BigInt(bitmapBytes)),
      count,
      failed,
    })),
    limitBytes: model.maxDirtyBitmapBytes.value,
    pageBytes: model.hostPageSize.value,
    hasLimit: hasLegacyLimits(containers),
    asksInPieces:
      unmapsInPieces(model) ||
      exposed.e2big ||
      totals.tracked.e2big > 0 ||
      totals.observed.e2big > 0,
    ram: { bytes: bytes(model.ramSize.value), below4g: bytes(model.below4g.value) },
    lost: flat(lost),
    reachable: flat(reachable),
    whatIf: flat(ifTracked),
    totals: {
      lost: totalText(lost),
      reachable: totalText(reachable),
      whatIf: totalText(ifTracked),
    },
  };
}

/** `4.10 MiB in 5 ranges`. */
function totalText(memory: PageRangeSet): string {
  return `${humanSize(bytesIn(memory))} in ${plural(memory.size, 'range')}`;
}

const KINDS = {
  failure: ['first failure', ({ rule }: Finding) => rule === E2BIG_RULE],
  loss: ['first loss', ({ rule }: Finding) => LOSING_RULES.includes(rule)],
  stale: ['first left behind', ({ rule }: Finding) => rule === STALE_RULE],
} as const;

function firstsOf(real: readonly Finding[]): readonly FirstPayload[] {
  const firsts = (['failure', 'loss', 'stale'] as const).flatMap((kind) => {
    const [text, isOfKind] = KINDS[kind];
    const all = real.filter((finding) => finding.severity === 'error' && isOfKind(finding));
    const [first] = all.map((finding) => finding.first).sort((a, b) => a.line - b.line);
    return first === undefined ? [] : [{ kind, line: first.line, time: seconds(first.time), text }];
  });
  return firsts.sort((a, b) => a.line - b.line);
}

/** Seconds of nanoseconds. */
export function seconds(time: string | null): number | null {
  return time === null ? null : Number(time) / 1e9;
}

/** Threads race by microseconds; a clock that goes back further has been set, and is no axis. */
const RACE_SECONDS = 1;

/** Seconds, never falling; null where a step has no time, or the clock was set back. */
function timesOf(steps: readonly ActivityStep[]): readonly number[] | null {
  const times: number[] = [];
  for (const { time } of steps) {
    const now = seconds(time);
    const before = times.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (now === null || now < before - RACE_SECONDS) return null;
    times.push(Math.max(now, before));
  }
  return times.length === 0 ? null : times;
}

/** First byte and size of each, coarser where there are too many. */
function flat(memory: PageRangeSet): readonly number[] {
  const numbers = Array.from(
    memory,
    ({ first, last }) => [first * PAGE_BYTES, (last + 1) * PAGE_BYTES] as const,
  );
  return coarser(numbers).flatMap(([first, end]) => [first, end - first]);
}

function coarser(
  spans: readonly (readonly [number, number])[],
): readonly (readonly [number, number])[] {
  if (spans.length <= MOST_SPANS) return spans;
  const [start] = spans[0] ?? [0];
  const end = spans.at(-1)?.[1] ?? 0;
  const least = (end - start) / MOST_SPANS;
  const joined: [number, number][] = [];
  for (const [first, last] of spans) {
    const before = joined.at(-1);
    if (before !== undefined && first - before[1] < least) before[1] = last;
    else joined.push([first, last]);
  }
  return joined;
}

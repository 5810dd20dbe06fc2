import type { Loss, Resolved, Trace, TraceTime, Verdict, VIommu } from '../../result/types.ts';
import { type CaptureAdvice, captureAdvice } from '../capture.ts';

/** What a trace is, and what it is good for: as `inspect -f json` prints it. */
export interface Inspection {
  readonly path: string;
  readonly format: string;
  readonly compression: string;
  readonly bytes: number;
  readonly lines: number;
  readonly hasGrown: boolean;
  readonly time: TraceTime & {
    /** From the first to the last, in seconds; null without times, or where they run backwards. */
    readonly seconds: number | null;
  };
  /** Who wrote it, a boot each. */
  readonly producers: readonly Producer[];
  /** Trace events by name, the most frequent first. */
  readonly events: readonly InspectedEvent[];
  /** Lines that are messages and no events. */
  readonly messages: number;
  readonly losses: readonly Loss[];
  /** The events that are the least that is worth having, and how often each came. */
  readonly needed: readonly { readonly name: string; readonly count: number }[];
  readonly verdict: {
    readonly verdict: Verdict;
    /** The trace shows enough for one. */
    readonly isPossible: boolean;
    /** What keeps it from an all-clear. */
    readonly reasons: readonly string[];
  };
  /** What to enable next time. */
  readonly nextTime: CaptureAdvice;
}

export interface Producer {
  readonly vm: string | null;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly qemu: Resolved<string | null>;
  readonly vIommu: Resolved<VIommu | 'none' | null>;
  readonly backends: readonly string[];
}

export interface InspectedEvent {
  readonly name: string;
  readonly count: number;
  /** Null without times. */
  readonly perSecond: number | null;
  /** The replay reads its arguments; others are only counted. */
  readonly isReplayed: boolean;
}

/** As the README lists them: without any of them, some kind of harm cannot be seen. */
const OF_ALL = ['vfio_iommu_map_notify', 'global_dirty_changed'] as const;
const OF_VTD = [
  'vtd_as_unmap_whole',
  'vtd_switch_address_space',
  'vtd_inv_desc_cc_device',
  'vtd_inv_desc_cc_devices',
  'vtd_ce_not_present',
] as const;

/** What a trace's result, the counts of its replayed events and its messages come to. */
export function inspectionOf(
  trace: Trace,
  replayed: ReadonlyMap<string, number>,
  messages: number,
): Inspection {
  const { bytes, compression, format, hasGrown = false, lines, losses, path, reasons } = trace;
  const seconds = secondsOf(trace.time);
  const events = [
    ...[...replayed].map(([name, count]) => ({ name, count, isReplayed: true })),
    ...Object.entries(trace.skippedEvents).map(([name, count]) => ({
      name,
      count,
      isReplayed: false,
    })),
  ];
  const producers = trace.sessions.map(({ containers, firstLine, lastLine, model, vm }) => ({
    vm,
    firstLine,
    lastLine,
    qemu: model.qemu,
    vIommu: model.vIommu,
    backends: [...new Set(containers.map(({ backend }) => backend.value))].sort(),
  }));
  const isOther = producers.some(
    ({ vIommu: { value } }) => value !== 'intel-iommu' && value !== null && value !== 'none',
  );
  const needed = isOther ? OF_ALL : [...OF_ALL, ...OF_VTD];
  return {
    path,
    format,
    compression,
    bytes,
    lines,
    hasGrown,
    time: { ...trace.time, seconds },
    producers,
    events: events
      .map((event) => ({ ...event, perSecond: rateOf(event.count, seconds) }))
      .sort((one, other) => other.count - one.count || (one.name < other.name ? -1 : 1)),
    messages,
    losses,
    needed: needed.map((name) => ({ name, count: replayed.get(name) ?? 0 })),
    verdict: { verdict: trace.verdict, isPossible: trace.verdict !== 'inconclusive', reasons },
    nextTime: captureAdvice(trace),
  };
}

function secondsOf({ first, last }: TraceTime): number | null {
  if (first === null || last === null) return null;
  const passed = BigInt(last) - BigInt(first);
  return passed < 0n ? null : Number(passed) / 1e9;
}

function rateOf(count: number, seconds: number | null): number | null {
  return seconds === null || seconds === 0 ? null : Number((count / seconds).toPrecision(3));
}

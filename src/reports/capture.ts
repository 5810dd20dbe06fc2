import type { Session, Trace, VIommu } from '../result/types.ts';

/** How to capture a trace that answers what this one leaves open. */
export interface CaptureAdvice {
  /** Events that a verdict on this trace missed; empty where none can be named. */
  readonly missing: readonly string[];
  /** What went wrong when it was captured, and how to do better. */
  readonly hints: readonly string[];
  /** Options of QEMU that trace all that is needed. */
  readonly command: readonly string[];
}

/** All that is replayed, without the events that come often and tell nothing. The last word on an event counts. */
function commandFor(viommu: VIommu): readonly string[] {
  const { all, noise } = OF_VIOMMU[viommu];
  return [
    '-msg timestamp=on',
    `-trace '${all}' -trace 'vfio_*' -trace 'iommufd_*'`,
    "-trace 'global_dirty_changed' -trace 'migrate_*'",
    "-trace 'dirtyrate_set_state' -trace 'memory_region_sync_dirty'",
    "-trace '-vfio_region_read' -trace '-vfio_region_write'",
    ...noise,
  ];
}

/** What each vIOMMU prints, and the lines that leave out what tells nothing. */
const OF_VIOMMU: Readonly<Record<VIommu, { all: string; noise: readonly string[] }>> = {
  'intel-iommu': {
    all: 'vtd_*',
    noise: [
      "-trace '-vfio_pci_*_config' -trace '-vtd_ir_*'",
      "-trace '-vtd_reg_read' -trace '-vtd_reg_write' -trace '-vtd_inv_qi_*'",
    ],
  },
  'amd-iommu': {
    all: 'amdvi_*',
    noise: [
      "-trace '-vfio_pci_*_config' -trace '-amdvi_ir_*' -trace '-amdvi_mem_ir_*'",
      "-trace '-amdvi_mmio_*' -trace '-amdvi_command_*'",
    ],
  },
  'virtio-iommu': {
    all: 'virtio_iommu_*',
    noise: [
      "-trace '-vfio_pci_*_config' -trace '-virtio_iommu_get_*'",
      "-trace '-virtio_iommu_translate*'",
    ],
  },
};

/** The vIOMMU of the trace's VMs; VT-d where they have none, or several kinds. */
function viommuOf({ sessions }: Trace): VIommu {
  const kinds = new Set(sessions.map(({ model }) => model.vIommu.value));
  const [kind] = kinds;
  return kinds.size !== 1 || kind === 'none' || kind === null || kind === undefined
    ? 'intel-iommu'
    : kind;
}

/** What would settle a doubt is said after these words, in reasons and in the basis of findings. */
const SETTLING = /\benable\b|\bwould settle\b|\bwas not traced\b|\bno \w+ in the trace\b/;
const EVENT = /\b(?:vtd|amdvi|virtio|vfio|iommufd|global|migrate)_[a-z0-9_]*(?:\*|\b)/g;

const LOSS_HINTS: Readonly<Record<Trace['losses'][number]['kind'], string>> = {
  dropped:
    'Events were dropped: trace fewer events, or write to a faster file (-D) than standard error.',
  overwritten: 'A ring buffer was overwritten: read it while it fills, or make it larger.',
  torn: 'Lines are torn: give the trace a file of its own (-D), so that nothing else writes between.',
  unreadable: 'Parts cannot be read: copy the file again from its source.',
  truncated: 'The file ends early: copy it again after QEMU has closed it.',
  'missing-events':
    'Lines are missing that must have been there: trace all events named below, from the start of the VM.',
  'starts-late':
    "The trace starts after the VM did: give the options on QEMU's command line, and keep rotated files.",
  'rate-limited':
    'The log was rate-limited: trace to a file (-D) and not through the journal or syslog.',
};

/** True where a better trace would say more: something is lost, or reasons keep from a verdict. */
export function wantsBetterTrace(trace: Trace): boolean {
  return trace.reasons.length > 0 || trace.losses.length > 0 || missingEvents(trace).length > 0;
}

const GROWN = 'the file grew while it was read: what it held when it was opened is analysed';

/** Of what QEMU's threads write into one buffer without a lock (trace/simple.c; 10.0, 10.2). */
const UNLOCKED = "QEMU's threads write such records side by side: two neighbours may be swapped";

/** What readers of some formats had to infer or to take as it is, whatever comes of it. */
const INFERRED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'perf-script':
      'perf keeps no texts: MAP and UNMAP are inferred from the walks and whole unmaps before them',
    simple: UNLOCKED,
    'simpletrace-text': UNLOCKED,
  }),
);

/** Why the verdict is not certain, and what was lost besides. */
export function doubtsOf({ format, reasons, losses, hasGrown }: Trace): readonly string[] {
  const inferred = INFERRED.get(format);
  // A loss may be a reason as well.
  const others = losses.filter(({ detail }) => !reasons.some((reason) => reason.includes(detail)));
  return [
    ...reasons,
    ...others.map(
      ({ kind, count, line, detail }) =>
        `${kind.replace('-', ' ')} (${count}, first at line ${line}): ${detail}`,
    ),
    ...(hasGrown === true ? [GROWN] : []),
    ...(inferred === undefined ? [] : [inferred]),
  ];
}

/** What to tell someone who captures again. */
export function captureAdvice(trace: Trace): CaptureAdvice {
  const kinds = new Set(trace.losses.map(({ kind }) => kind));
  const hints = [...kinds].map((kind) => LOSS_HINTS[kind]);
  const startsLate = trace.reasons.some((reason) => reason.includes('starts in the middle'));
  if (startsLate && !kinds.has('starts-late')) hints.push(LOSS_HINTS['starts-late']);
  return { missing: missingEvents(trace), hints, command: commandFor(viommuOf(trace)) };
}

function missingEvents(trace: Trace): readonly string[] {
  const texts = [...trace.reasons, ...trace.sessions.flatMap((session) => doubts(session))];
  const named = texts
    .filter((text) => SETTLING.test(text))
    .flatMap((text) => text.match(EVENT) ?? []);
  return [...new Set(named)].sort();
}

/** The basis of what happened: a what-if needs no better trace. */
function doubts({ findings }: Session): readonly string[] {
  return findings.filter(({ mode }) => mode !== 'what-if').flatMap(({ basis }) => basis);
}

import type {
  ActivityStep,
  Exposed,
  Finding,
  Hazards,
  Hex,
  Migration,
  Model,
  Result,
  Session,
  Totals,
  Trace,
  TrackingWindow,
} from '../../src/result/types.ts';

/** Small results, of which a test states only what matters to it. */

const NO_HAZARDS: Hazards = {
  unmaps: 0,
  e2big: 0,
  zeroAddress: 0,
  harmfulZeroAddress: 0,
  wrongAddress: 0,
  noQuery: 0,
  atRiskBytes: 0,
};

export const NOT_EXPOSED: Exposed = {
  e2big: false,
  lostDirtyPages: false,
  staleMappings: false,
  via: [],
};

/** What speaks against a migration of a session of this kind, as far as a builder can tell. */
function aMigration({ verdict, exposed = NOT_EXPOSED }: Partial<Session>): Migration {
  if (verdict === 'clean' && exposed.via.length === 0) {
    return { answer: 'yes', why: 'nothing in the trace speaks against a migration' };
  }
  if (verdict === 'inconclusive' && exposed.via.length === 0) {
    return { answer: 'unknown', why: 'too little is traced' };
  }
  return { answer: 'no', why: 'something failed (VTD001 bitmap-too-big, line 12)' };
}

export function aHazards(given: Partial<Hazards> = {}): Hazards {
  return { ...NO_HAZARDS, ...given };
}

export function aTotals(given: Partial<Totals> = {}): Totals {
  return {
    unmaps: 0,
    wholeUnmaps: 0,
    walkUnmaps: 0,
    withoutDevice: 0,
    tracked: NO_HAZARDS,
    untracked: NO_HAZARDS,
    unknownTracking: NO_HAZARDS,
    observed: { failures: 0, e2big: 0 },
    hostMappings: { now: 0, peak: 0 },
    shadowMappings: { now: 0, peak: 0 },
    ...given,
  };
}

export const aModel: Model = {
  qemu: { value: '10.0', source: 'derived', from: '8.2 to 10.0 (vfio_attach_device)' },
  vIommu: { value: 'intel-iommu', source: 'trace', from: 'vtd_dmar_enable' },
  hostPageSize: { value: 4096, source: 'derived', from: '4 KiB host pages, as on x86' },
  maxDirtyBitmapBytes: {
    value: 0x1000_0000,
    source: 'derived',
    from: "the kernel's limit for type1, 256 MiB",
  },
  awBits: { value: 48, source: 'derived', from: 'vtd_as_unmap_whole at line 40' },
  dmaEntryLimit: {
    value: 65535,
    source: 'assumed',
    from: "default of the kernel's module parameter",
  },
  ramSize: { value: '0x40000000', source: 'option', from: '--ram-size' },
  below4g: { value: '0x40000000', source: 'option', from: '--ram-size' },
  tracking: { value: 'from-trace', source: 'trace', from: 'global_dirty_changed' },
};

/** An unmap that failed with E2BIG, as QEMU says itself. */
export function aFinding(given: Partial<Finding> = {}): Finding {
  const first = { line: 12, byteOffset: 600, time: null };
  return {
    id: '0123456789abcdef',
    rule: 'VTD001',
    slug: 'bitmap-too-big',
    severity: 'error',
    verdict: 'fails',
    mode: 'observed',
    evidence: 'observed',
    device: '00:10.0',
    pasid: null,
    container: 'container-0',
    domain: 1,
    cause: 'whole-unmap',
    count: 4,
    first,
    last: { line: 21, byteOffset: 1300, time: null },
    iova: '0x100000000000',
    size: '0x100000000000',
    carriedAddress: '0x0',
    expectedAddress: null,
    bitmapBytes: '0x20000000',
    limitBytes: '0x10000000',
    errno: -7,
    worst: {
      place: { line: 21, byteOffset: 1300, time: null },
      iova: '0x800000000000',
      size: '0x800000000000',
      bitmapBytes: '0x100000000',
    },
    atRisk: [{ gpa: '0xa000000', size: '0x4000' }],
    atRiskBytes: 0x4000,
    message: '4 unmaps failed.',
    basis: ["QEMU's own message in the trace"],
    fix: 'Whole unmaps: fixed in QEMU 11.0. Today: aw-bits=39.',
    fixDetails: { release: { of: 'Whole unmaps', first: '11.0' }, today: 'aw-bits=39.' },
    excerpt: ['11: before', '12: vfio_iommu_map_notify iommu UNMAP', '13: after'],
    ...given,
  };
}

/** What would have been lost had dirty tracking been on. */
export function aWhatIf(given: Partial<Finding> = {}): Finding {
  return aFinding({
    id: 'fedcba9876543210',
    rule: 'VTD002',
    slug: 'zero-translated-address',
    severity: 'warning',
    verdict: null,
    mode: 'what-if',
    evidence: 'derived',
    cause: 'page-walk',
    count: 2,
    first: { line: 5, byteOffset: 200, time: null },
    last: { line: 6, byteOffset: 260, time: null },
    iova: '0x2000',
    size: '0x1000',
    expectedAddress: '0x9001000',
    bitmapBytes: '0x8',
    errno: 0,
    worst: null,
    atRisk: [{ gpa: '0x9001000', size: '0x2000' }],
    atRiskBytes: 0x2000,
    message: '2 unmaps would lose dirty bits.',
    basis: ['carried address: printed by vtd_page_walk_one'],
    fix: 'Unmaps of single pages: no release fixes this yet. Today: unplug the device.',
    fixDetails: {
      release: { of: 'Unmaps of single pages', first: null },
      today: 'Unplug the device.',
    },
    excerpt: [],
    ...given,
  });
}

export function aStep(line: number, given: Partial<ActivityStep> = {}): ActivityStep {
  return { line, time: null, hostMappings: 3, unmaps: 0, pieces: 0, failures: 0, ...given };
}

export function aWindow(by: string, given: Partial<TrackingWindow> = {}): TrackingWindow {
  return {
    firstLine: 10,
    lastLine: 30,
    firstTime: null,
    lastTime: null,
    by,
    unmaps: 28,
    ...given,
  };
}

export function aSession(given: Partial<Session> = {}): Session {
  return {
    vm: null,
    firstLine: 1,
    lastLine: 40,
    model: aModel,
    verdict: 'fails',
    migration: aMigration(given),
    exposed: NOT_EXPOSED,
    reasons: [],
    totals: aTotals({
      unmaps: 30,
      wholeUnmaps: 2,
      walkUnmaps: 2,
      tracked: aHazards({
        unmaps: 28,
        e2big: 4,
        zeroAddress: 28,
        harmfulZeroAddress: 1,
        atRiskBytes: 0x4000,
      }),
      observed: { failures: 4, e2big: 4 },
    }),
    trackingWindows: [aWindow('dirty-rate')],
    containers: [
      {
        id: 'container-0',
        backend: { value: 'legacy', source: 'trace', from: 'vfio_attach_device at line 2' },
        devices: ['00:10.0'],
        hostMappings: { now: 3, peak: 3 },
      },
    ],
    addressSpaces: [
      {
        device: '00:10.0',
        pasid: null,
        container: 'container-0',
        vIommu: 'intel-iommu',
        domain: 1,
        notifiers: [{ start: '0xfef00000', end: '0xffffffffffffffff' }],
        shadow: { now: 0, peak: 3 },
        stale: [{ iova: '0x100000000000', size: '0x1000', gpa: null }],
      },
    ],
    findings: [aFinding()],
    activity: {
      steps: [aStep(1), aStep(17, { unmaps: 28, pieces: 28, failures: 4 }), aStep(33)],
      pieces: [
        {
          iova: '0x80000000000',
          size: '0x80000000000',
          bitmapBytes: '0x10000000',
          count: 1,
          failed: 0,
        },
        {
          iova: '0x100000000000',
          size: '0x100000000000',
          bitmapBytes: '0x20000000',
          count: 1,
          failed: 1,
        },
      ],
    },
    ...given,
  };
}

/** A session in which nothing happened. */
export function aCleanSession(given: Partial<Session> = {}): Session {
  return aSession({
    verdict: 'clean',
    findings: [],
    trackingWindows: [],
    totals: aTotals(),
    activity: { steps: [], pieces: [] },
    addressSpaces: [],
    ...given,
  });
}

/** A trace whose verdict, exposure and totals are those of its first session. */
export function aTrace(given: Partial<Trace> = {}): Trace {
  const sessions = given.sessions ?? [aSession()];
  const [first] = sessions;
  return {
    path: 'qemu.log',
    format: 'qemu-log',
    compression: 'none',
    bytes: 2048,
    lines: 40,
    events: 38,
    skippedEvents: { vtd_inv_desc: 2 },
    losses: [],
    time: { clock: 'none', first: null, last: null },
    verdict: first?.verdict ?? 'inconclusive',
    migration: first?.migration ?? { answer: 'unknown', why: 'it could not be analysed' },
    exposed: first?.exposed ?? NOT_EXPOSED,
    reasons: first?.reasons ?? [],
    totals: first?.totals ?? aTotals(),
    sessions,
    ...given,
  };
}

/** A trace that could not be analysed. */
export function anUnusableTrace(path = 'notes.txt', error = 'notes.txt: no QEMU trace'): Trace {
  return aTrace({
    path,
    error,
    sessions: [],
    reasons: [error],
    lines: 0,
    bytes: 0,
    events: 0,
    skippedEvents: {},
  });
}

export function aResult(...traces: readonly Trace[]): Result {
  const all = traces.length === 0 ? [aTrace()] : traces;
  const [first] = all;
  return {
    schemaVersion: '1.1',
    tool: { name: 'vtdscope', version: '0.0.0' },
    verdict: first?.verdict ?? 'clean',
    migration: first?.migration ?? aMigration({ verdict: 'clean' }),
    exposed: first?.exposed ?? NOT_EXPOSED,
    traces: all,
    totals: first?.totals ?? aTotals(),
  };
}

const RULES = ['VTD001', 'VTD002', 'VTD004', 'VTD005', 'VTD012'] as const;
const SLUGS = [
  'bitmap-too-big',
  'zero-translated-address',
  'no-dirty-query',
  'stale-host-mapping',
  'unmap-storm',
] as const;
const MODES = ['observed', 'active', 'what-if'] as const;
const SEVERITIES = ['error', 'warning', 'note'] as const;

/** A trace with a large number of findings, all different. */
export function manyFindings(count: number): Trace {
  const findings = Array.from({ length: count }, (_, index) => {
    const rule = index % RULES.length;
    const iova: Hex = `0x${(0x1_0000_0000 + index * 4096).toString(16)}`;
    return aFinding({
      id: index.toString(16).padStart(16, '0'),
      rule: RULES[rule] ?? 'VTD001',
      slug: SLUGS[rule] ?? 'bitmap-too-big',
      mode: MODES[index % MODES.length] ?? 'active',
      severity: SEVERITIES[Math.floor(index / 7) % SEVERITIES.length] ?? 'note',
      device: `00:${(index % 32).toString(16).padStart(2, '0')}.0`,
      count: ((index * 7919) % 1000) + 1,
      first: { line: index * 3 + 1, byteOffset: index * 60, time: null },
      last: { line: index * 3 + 2, byteOffset: index * 60 + 30, time: null },
      iova,
      atRisk: [{ gpa: iova, size: '0x1000' }],
      message: `Unmap number ${index} at iova ${iova} loses dirty bits.`,
    });
  });
  return aTrace({ path: 'many.log', sessions: [aSession({ findings })] });
}

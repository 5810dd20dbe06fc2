import type { MappingRecord } from '../../../../src/result/types.ts';
import { hex } from '../../../../src/tools/simulator/addresses.ts';
import type {
  DeviceTruth,
  FailedMapTruth,
  MappingRange,
  SimulationOptions,
  ViommuKind,
  WindowTruth,
} from '../../../../src/tools/simulator/index.ts';
import type { Observed } from './observe.ts';
import { type Report, text } from './report.ts';
import type { Sight } from './sight.ts';

const PERMISSIONS: Readonly<Record<number, string>> = { 1: 'r', 2: 'w', 3: 'rw' };

/** The upper one has come last, and is the first to be told. */
const AROUND_HOLE = [
  { start: '0xfef00000', end: '0xffffffffffffffff' },
  { start: '0x0', end: '0xfedfffff' },
];
const NOTIFIERS: Readonly<Record<ViommuKind, typeof AROUND_HOLE>> = {
  intel: AROUND_HOLE,
  amd: AROUND_HOLE,
  virtio: [{ start: '0x0', end: '0xffffffffffffffff' }],
};

/** Compares what is left at the end, and the highest that it had been. */
export function compareState(sight: Sight, seen: Observed, report: Report): void {
  const { truth } = sight.played;
  if (truth.ending.kind !== 'finished') report.forgive('died');
  for (const device of truth.ending.kind === 'finished' ? truth.devices : []) {
    const mine = seen.mappings.filter((mapping) => mapping.device === device.device);
    compareShadow(sight, device, mine, seen, report);
    if (sight.hostLostFrom(device.device) < Number.POSITIVE_INFINITY) {
      report.forgive('failure-unseen');
    } else compareHost(sight, device, mine, seen, report);
  }
  compareContainers(sight, seen, report);
  compareWindows(truth.flagWindows, seen, report);
}

function compareShadow(
  { seesAddresses }: Sight,
  { device, shadow, peakShadowNodes }: DeviceTruth,
  mappings: readonly MappingRecord[],
  seen: Observed,
  report: Report,
): void {
  // AMD-Vi says nothing of what no notifier is told.
  const told = shadow.filter((node) => seesAddresses || !isInHole(node));
  const expected = told.map(
    ({ iova, size, gpa, permission }) =>
      `${hex(iova)}+${hex(size)}${seesAddresses ? ` -> ${hex(gpa)} ${PERMISSIONS[permission] ?? ''}` : ''}`,
  );
  const found = mappings
    .filter((mapping) => mapping.in !== 'host')
    .map(
      ({ iova, size, gpa, perm }) => `${iova}+${size}${seesAddresses ? ` -> ${gpa} ${perm}` : ''}`,
    );
  report.equal('state.shadow', device, sorted(expected), sorted(found));
  const space = seen.session?.addressSpaces.find((known) => known.device === device);
  if (!seesAddresses) return;
  report.equal('state.shadowPeak', device, peakShadowNodes, space?.shadow.peak ?? 0);
}

/** Pages for interrupts are in no notifier. */
export function isInHole({ iova, size }: Pick<MappingRange, 'iova' | 'size'>): boolean {
  return iova >= 0xfee0_0000n && iova + size <= 0xfef0_0000n;
}

function compareHost(
  { seesAddresses }: Sight,
  { device, host, shadow, peakHostMappings }: DeviceTruth,
  mappings: readonly MappingRecord[],
  seen: Observed,
  report: Report,
): void {
  const expected = host.map(
    ({ iova, size, gpa }) => `${hex(iova)}+${hex(size)}${seesAddresses ? ` -> ${hex(gpa)}` : ''}`,
  );
  const found = mappings
    .filter((mapping) => mapping.in !== 'shadow')
    .map(({ iova, size, gpa }) => `${iova}+${size}${seesAddresses ? ` -> ${gpa}` : ''}`);
  report.equal('state.host', device, sorted(expected), sorted(found));
  const container = seen.session?.containers.find(({ devices }) => devices.includes(device));
  report.equal('state.hostPeak', device, peakHostMappings, container?.hostMappings.peak ?? 0);
  if (!seesAddresses) return;
  // One mapping is both's only where the host lets the device write just what the guest does.
  const shared = host.filter((held) =>
    shadow.some(
      ({ iova, size, gpa, permission }) =>
        iova === held.iova &&
        size === held.size &&
        gpa === held.gpa &&
        (permission & 2) === (held.permission & 2),
    ),
  );
  const both = mappings.filter((mapping) => mapping.in === 'both');
  report.equal(
    'state.both',
    device,
    sorted(shared.map(({ iova, size }) => `${hex(iova)}+${hex(size)}`)),
    sorted(both.map(({ iova, size }) => `${iova}+${size}`)),
  );
}

/** Each device has a container of its own, and its kind is known. */
function compareContainers({ played }: Sight, seen: Observed, report: Report): void {
  const { options, truth } = played;
  const containers = seen.session?.containers ?? [];
  report.equal(
    'state.containers',
    'all',
    truth.devices.map(({ device }) => `${device} ${options.backend}`).sort(),
    containers.map(({ devices, backend }) => `${devices.join('+')} ${backend.value}`).sort(),
  );
  const spaces = (seen.session?.addressSpaces ?? []).filter(({ container }) => container !== null);
  for (const { device, notifiers } of spaces) {
    const all = NOTIFIERS[options.viommu];
    const order = notifiers.length === 0 ? [] : all.slice(-notifiers.length);
    report.equal('state.notifiers', device ?? '', order, notifiers);
  }
  report.equal(
    'state.addressSpaces',
    'all',
    truth.devices.map(({ device }) => device).sort(),
    spaces.map(({ device }) => device).sort(),
  );
}

function compareWindows(expected: readonly WindowTruth[], seen: Observed, report: Report): void {
  report.equal(
    'windows',
    'all',
    expected.map(({ firstLine, lastLine, by }) => [
      firstLine,
      lastLine,
      by.join('+'),
      trackedBetween(seen, firstLine, lastLine ?? Number.POSITIVE_INFINITY),
    ]),
    (seen.session?.trackingWindows ?? []).map((window) => [
      window.firstLine,
      window.lastLine,
      window.by,
      window.unmaps,
    ]),
  );
}

function trackedBetween({ unmaps }: Observed, first: number, last: number): number {
  return unmaps.filter(({ line, tracked }) => tracked === true && line > first && line < last)
    .length;
}

/** Compares the MAPs that failed, one by one. */
export function compareMaps(sight: Sight, seen: Observed, report: Report): void {
  const { truth, options } = sight.played;
  const isKnown = ({ device, line }: FailedMapTruth) =>
    line !== null && line < sight.hostLostFrom(device);
  const expected = truth.failedMaps
    .filter(isKnown)
    .filter((failed) => isReported(options, failed))
    .map(({ line, device, iova, size, reason }) => {
      const errno = reason === 'granularity' ? -22 : reason;
      const isTold = options.errorsInLog || sight.showsMapResults;
      const how = isTold && errno !== -22 ? 'seen' : 'emulated';
      return `${line}: ${device} ${hex(iova)}+${hex(size)} = ${errno} ${how}`;
    });
  const found = seen.mapFailures
    .filter(({ line, device }) => line < sight.hostLostFrom(device ?? ''))
    .map(
      ({ line, device, iova, size, errno, observed }) =>
        `${line}: ${device} ${hex(iova)}+${hex(size)} = ${errno} ${observed ? 'seen' : 'emulated'}`,
    );
  report.equal('maps', 'all', text(expected), text(found));
}

/**
 * A MAP that QEMU does not even try is told as a message, not as a failure of the container; without messages, one
 * of no power of two shows by its size.
 */
export function isReported(
  { errorsInLog }: SimulationOptions,
  { reason, size }: FailedMapTruth,
): boolean {
  if (reason === 'granularity') return !errorsInLog && (size & (size - 1n)) !== 0n;
  return reason !== 'non-memory';
}

/** Compares the host mappings that outlived their unmap, one by one. */
export function compareStale(sight: Sight, seen: Observed, report: Report): void {
  const { truth } = sight.played;
  const unseen = sight.seesSkips ? [] : truth.stale.filter(({ how }) => how === 'skipped');
  if (unseen.length > 0) report.forgive('skips-off');
  const isKnown = ({ device, since }: { device: string | null; since: number }) =>
    since < sight.hostLostFrom(device ?? '');
  const isUnseen = ({ device, iova }: { device: string | null; iova: bigint }) =>
    unseen.some((stale) => stale.device === device && stale.iova === iova);
  const expected = truth.stale.filter((stale) => isKnown(stale) && !isUnseen(stale));
  const found = seen.stale.filter(
    (stale) => isKnown({ ...stale, since: lineOfPiece(truth, stale) }) && !isUnseen(stale),
  );
  // What becomes of it later is as unknown as the rest of the host map.
  const fateOf = ({ device, gone, usedAgain }: Fated) => {
    const known = (line: number | null) =>
      line !== null && line < sight.hostLostFrom(device ?? '') ? line : null;
    return fate(known(gone), known(usedAgain));
  };
  report.equal(
    'stale',
    'all',
    sorted(
      expected.map(
        (stale) =>
          `${stale.device} ${hex(stale.iova)}+${hex(stale.size)} -> ${sight.seesAddresses ? hex(stale.gpa) : '?'} ${stale.how} ${fateOf(stale)}`,
      ),
    ),
    sorted(
      found.map(
        (stale) =>
          `${stale.device} ${hex(stale.iova)}+${hex(stale.size)} -> ${stale.gpa === null ? '?' : hex(stale.gpa)} ${HOW[stale.why]} ${fateOf(stale)}`,
      ),
    ),
  );
  compareSince(sight, expected, found, report);
}

/** Of a whole unmap that failed, the piece that should have removed a mapping; else what is told. */
function lineOfPiece(
  { unmaps }: Sight['played']['truth'],
  { iova, since, why }: Observed['stale'][number],
): number {
  if (why !== 'failed-unmap') return since;
  const group = unmaps.find(({ line }) => line === since)?.group ?? null;
  const piece = unmaps.find(
    (unmap) =>
      group !== null &&
      unmap.group === group &&
      unmap.iova <= iova &&
      iova < unmap.iova + unmap.size,
  );
  return piece?.line ?? since;
}

const HOW = {
  wrap: 'not-drained',
  unlisted: 'not-drained',
  'failed-unmap': 'failed-unmap',
  'failed-removal': 'failed-unmap',
  'skipped-invalidation': 'skipped',
  forgotten: 'forgotten',
} as const;

interface Fated {
  readonly device: string | null;
  readonly gone: number | null;
  readonly usedAgain: number | null;
}

function fate(gone: number | null, usedAgain: number | null): string {
  if (usedAgain !== null) return `used again at ${usedAgain}`;
  return gone === null ? 'still there' : `gone at ${gone}`;
}

/**
 * The line since when: exact for an invalidation that was skipped; of the first failure in the
 * whole unmap; or of the command that brought the drain.
 */
function compareSince(
  { played }: Sight,
  expected: Sight['played']['truth']['stale'],
  found: Observed['stale'],
  report: Report,
): void {
  const { groups, unmaps } = played.truth;
  const groupAt = new Map(unmaps.map(({ line, group }) => [line, group]));
  for (const { iova, device, since, why } of found) {
    const where = `${device} ${hex(iova)}`;
    const same = expected.filter((truth) => truth.iova === iova && truth.device === device);
    const fits = same.some((truth) => {
      if (truth.how !== HOW[why]) return false;
      if (why === 'skipped-invalidation') return truth.since === since;
      if (why === 'failed-unmap') {
        const group = groupAt.get(since) ?? null;
        return since <= truth.since && (group === groupAt.get(truth.since) || group === null);
      }
      // Between the command and the drain no other drain of the device can lie.
      const drains = groups.filter((group) => group.kind === 'drain' && group.device === device);
      const between = drains.filter(
        ({ afterLine, start, end }) =>
          afterLine > since && afterLine < truth.since && start <= iova && end > iova,
      );
      return since <= truth.since && between.length <= 1;
    });
    report.holds(
      'stale.since',
      where,
      fits,
      same.map((truth) => `${truth.how} since ${truth.since}`).join(' or '),
      `${HOW[why]} since ${since}`,
    );
  }
}

function sorted(lines: readonly string[]): string {
  return [...lines].sort().join('\n');
}

import { hex } from '../../../../src/tools/simulator/addresses.ts';
import type { DeviceTruth, MappingRange } from '../../../../src/tools/simulator/index.ts';
import { isInHole, isReported } from './compare-state.ts';
import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import type { Sight } from './sight.ts';

type Range = Pick<MappingRange, 'iova' | 'size'>;

/**
 * Compares what only one of shadow and host holds at the end: what no failure and no stale mapping explains
 * is to have been reported by then, and what is reported at the end is so.
 */
export function compareDrift(sight: Sight, seen: Observed, report: Report): void {
  const { truth } = sight.played;
  // Where lines are missing the two may differ for that reason alone, and nothing is said.
  if (truth.ending.kind !== 'finished' || seen.trace.losses.length > 0) return;
  for (const device of truth.devices) {
    const isTranslated = device.host.every((mapping) => mapping.of === 'dma');
    const isKnown = sight.hostLostFrom(device.device) === Number.POSITIVE_INFINITY;
    if (isTranslated && isKnown) compareDevice(sight, device, seen, report);
  }
}

function compareDevice(sight: Sight, device: DeviceTruth, seen: Observed, report: Report): void {
  const { stale, unmaps, failedMaps } = sight.played.truth;
  const isOwn = (one: { readonly device: string | null }) => one.device === device.device;
  const left = stale.filter((one) => isOwn(one) && one.gone === null && one.usedAgain === null);
  const failed = unmaps.filter((one) => isOwn(one) && one.errno !== 0);
  const refused = failedMaps.filter(isOwn);

  const hostOnly = device.host.filter((mapping) => !meets(mapping, device.shadow));
  const shadowOnly = device.shadow.filter((node) => !meets(node, device.host));
  const unexplained = [
    ...hostOnly.filter((mapping) => !meets(mapping, left) && !meets(mapping, failed)).map(onHost),
    ...shadowOnly.filter((node) => !meets(node, refused) && !isInHole(node)).map(inShadow),
  ];
  const drifts = seen.drifts.filter(isOwn);
  const told = new Set(drifts.map(nameOf));
  for (const name of endsInReplay(sight.played.log) ? [] : unexplained) {
    report.holds('drift.told', device.device, told.has(name), name, 'nothing');
  }
  // Unless something has been unmapped there since, the failure of its MAP is all there is to say of a node.
  const toldAlready = refused.filter(
    (map) =>
      isReported(sight.played.options, map) &&
      !unmaps.some((one) => (one.line ?? 0) > (map.line ?? 0) && isOwn(one) && meets(one, [map])),
  );
  for (const node of shadowOnly.filter((one) => meets(one, toldAlready)).map(inShadow)) {
    report.holds('drift.again', device.device, !told.has(node), 'nothing', node);
  }
  const real = new Set([...hostOnly.map(onHost), ...shadowOnly.map(inShadow)]);
  for (const drift of drifts.filter(({ line }) => line === seen.session?.lastLine)) {
    const name = nameOf(drift);
    report.holds('drift.real', device.device, real.has(name), 'none', name);
  }
}

/** A replay that no command follows may not be over: what it has not found yet it may still find. */
function endsInReplay(log: string): boolean {
  const lines = log.split('\n');
  const replay = lines.findLastIndex((line) => /vtd_replay_ce_(in)?valid/.test(line));
  return replay > lines.findLastIndex((line) => COMMAND.test(line));
}

const COMMAND = /vtd_(inv_desc_(cc|iotlb|wait)|dmar_enable|reg_dmar_root|reset_exit)/;
const onHost = ({ iova, size }: Range) => `host ${hex(iova)}+${hex(size)}`;
const inShadow = ({ iova, size }: Range) => `shadow ${hex(iova)}+${hex(size)}`;
const nameOf = ({ side, iova, size }: Observed['drifts'][number]) =>
  `${side} ${hex(iova)}+${hex(size)}`;

function meets({ iova, size }: Range, others: readonly Range[]): boolean {
  return others.some((other) => iova < other.iova + other.size && other.iova < iova + size);
}

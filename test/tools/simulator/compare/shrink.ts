import type { Act, SimulationOptions } from '../../../../src/tools/simulator/index.ts';
import { compare } from './compare.ts';
import { actsOf, type Case } from './play.ts';
import { text } from './report.ts';

/** Options tried one after the other, simplest value last: whatever keeps the disagreement stays. */
const SIMPLER: readonly Partial<SimulationOptions>[] = [
  { noise: 0 },
  { crlf: false },
  { tornEnd: false },
  { guestName: null },
  { libvirtHeader: false },
  { prefix: 'none' },
  { kvm: false },
  { vhost: false },
  { ramIsFile: false },
  { biosSize: 0x10000n },
  { devices: 1 },
  { deviceAddresses: ['00:10.0', '00:11.0'] },
  { migratable: false },
  { ignoreMigrationBlocker: false },
  { deviceTracking: false },
  { iommuDirtyTracking: true },
  { hostPageSize: 4096 },
  { maxDirtyBitmapBytes: 0x1000_0000n },
  { bitmapMemoryBytes: null },
  { dmaEntryLimit: 65535 },
  { pastRam: 'survives' },
  { holeCrossing: 'avoided' },
  { actsWhilePaused: false },
  { ramSize: 1n << 30n, below4g: 1n << 30n },
  { domainLevels: [4, 4, 4] },
  { domainLevels: [3, 3, 3] },
  { awBits: 39 },
  { awBits: 48 },
  { errorsInLog: true },
  { bootLines: true },
  { backend: 'legacy' },
  { qemu: '10.0', prefix: 'none' },
  { qemu: '11.1', prefix: 'none' },
  { events: 'standard' },
  { events: 'no-skips' },
];

/** The smallest case found that still has a disagreement of this kind. */
export function shrink(one: Case, kind: string): Case {
  const fails = (candidate: Case): boolean => {
    try {
      return compare(candidate).report.disagreements.some((found) => found.kind === kind);
    } catch (thrown) {
      return kind === 'thrown' && thrown instanceof Error;
    }
  };
  let best: Case = { ...one, acts: actsOf(one) };
  if (!fails(best)) return one;
  for (let before = ''; before !== text(best); ) {
    before = text(best);
    best = { ...best, acts: shrunkActs(best, fails) };
    best = shrunkPages(best, fails);
    for (const simpler of SIMPLER) {
      const candidate = { ...best, options: { ...best.options, ...simpler } };
      if (text(candidate) !== text(best) && fails(candidate)) best = candidate;
    }
    if (best.told !== 'all' && fails({ ...best, told: 'all' })) best = { ...best, told: 'all' };
  }
  return best;
}

/** Delta debugging: leaves out ever smaller runs of acts, as long as the case still fails. */
function shrunkActs(one: Case, fails: (candidate: Case) => boolean): readonly Act[] {
  let acts = one.acts ?? [];
  for (let length = Math.ceil(acts.length / 2); length >= 1; length = Math.floor(length / 2)) {
    for (let from = 0; from < acts.length; ) {
      const left = [...acts.slice(0, from), ...acts.slice(from + length)];
      if (fails({ ...one, acts: left })) acts = left;
      else from += length;
    }
  }
  return acts;
}

/** Writes or clears fewer pages at a time. */
function shrunkPages(one: Case, fails: (candidate: Case) => boolean): Case {
  let best = one;
  for (const [index, act] of (one.acts ?? []).entries()) {
    for (const fewer of withFewerPages(act)) {
      const acts = (best.acts ?? []).map((known, at) => (at === index ? fewer : known));
      if (!fails({ ...best, acts })) continue;
      best = { ...best, acts };
      break;
    }
  }
  return best;
}

function withFewerPages(act: Act): readonly Act[] {
  if (act.kind === 'map' && act.gpas.length > 1) {
    const counts = [1, 2, Math.ceil(act.gpas.length / 2)];
    return counts.map((count) => ({ ...act, gpas: act.gpas.slice(0, count) }));
  }
  if ((act.kind === 'unmap' || act.kind === 'protect') && act.count > 1) {
    return [1, 2, Math.ceil(act.count / 2)].map((count) => ({ ...act, count }));
  }
  return [];
}

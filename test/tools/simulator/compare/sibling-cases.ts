import {
  type Act,
  type Attachment,
  planActs,
  type QemuVersion,
  randomOptions,
  simulationOptions,
  type ViommuKind,
} from '../../../../src/tools/simulator/index.ts';
import { Random } from '../../../../src/tools/simulator/random.ts';
import type { Case, Told } from './play.ts';

/** The vIOMMUs beside VT-d. */
export type Sibling = Exclude<ViommuKind, 'intel'>;

/** Which versions have them; most seeds are of those that let such a machine migrate. */
const VERSIONS: Readonly<Record<Sibling, Readonly<Partial<Record<QemuVersion, number>>>>> = {
  amd: { '10.2': 20, '11.0': 30, '11.1': 50 },
  virtio: { '7.2': 8, '10.0': 10, '10.1': 8, '10.2': 14, '11.0': 20, '11.1': 40 },
};

/** The case of a seed behind AMD-Vi or virtio-iommu: worlds of their own, beside those of `caseOf`. */
export function siblingCaseOf(seed: number, viommu: Sibling): Case {
  const random = new Random(seed, viommu === 'amd' ? 12 : 13);
  const told = random.weighted({ nothing: 50, host: 15, all: 35 }) as Told;
  const isComplete = random.chance(0.75);
  const isAmd = viommu === 'amd';
  const spread = randomOptions(seed);
  const options = simulationOptions({
    ...spread,
    viommu,
    qemu: random.weighted(VERSIONS[viommu] as Readonly<Record<QemuVersion, number>>),
    prefix: spread.prefix === 'none' ? 'none' : 'iso',
    migratable: random.chance(0.75),
    devices: random.chance(isAmd ? 0.2 : 0.4) ? 2 : 1,
    // pieces from some size on cannot have a bitmap, up to 2^48 bytes for the largest
    bitmapMemoryBytes: random.chance(0.4) ? 1n << BigInt(random.between(27, 40)) : null,
    tableLoss: random.chance(0.08) ? 'allowed' : 'avoided',
    steps: random.pick([10, 25, 60, 120]),
    ...(isComplete
      ? { bootLines: true, events: random.weighted({ standard: 70, everything: 30 }) as 'standard' }
      : {}),
  });
  if (!isAmd) return { options, acts: null, told };
  const plan = planActs(options);
  const acts = random.chance(0.15) ? plan : writable(plan);
  return { options, acts: random.chance(0.7) ? tidy(acts, options.devices) : acts, told };
}

/** AMD-Vi prints no permissions: where all pages can be written there is nothing to know of them. */
function writable(acts: readonly Act[]): readonly Act[] {
  return acts.flatMap((act): readonly Act[] => {
    if (act.kind === 'protect') return [];
    return [act.kind === 'map' ? { ...act, permission: 3 } : act];
  });
}

/** A guest that tells QEMU of everything at once, unmaps before it maps, and blocks a device before it moves it. */
function tidy(acts: readonly Act[], devices: number): readonly Act[] {
  const attached: (Attachment | null)[] = Array.from({ length: devices }, () => null);
  return acts.flatMap((act): readonly Act[] => {
    if (act.kind === 'map') {
      const { domain, iova, level, gpas } = act;
      const place = {
        domain,
        iova,
        level,
        count: gpas.length,
        residual: false,
        flush: 'pages',
      } as const;
      return [
        { kind: 'unmap', ...place },
        { ...act, flush: 'pages' },
      ];
    }
    if (act.kind === 'unmap' || act.kind === 'unmap-level') return [{ ...act, flush: 'pages' }];
    if (act.kind !== 'attach') return [act];
    const told = { ...act, invalidate: 'device' } as const;
    const before = attached[act.device];
    attached[act.device] = act.to;
    const moves = typeof act.to === 'number' && before !== act.to;
    return moves ? [{ ...told, to: 'blocked', flush: false }, told] : [told];
  });
}

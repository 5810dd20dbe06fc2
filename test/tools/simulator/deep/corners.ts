import type { Act, ViommuKind } from '../../../../src/tools/simulator/index.ts';
import { type Case, caseOf } from '../compare/play.ts';
import { siblingCaseOf } from '../compare/sibling-cases.ts';
import { siblingCorners } from './sibling-corners.ts';

/** Opens a guest with one device in domain 1, whose pages are there already. */
const attached: readonly Act[] = [
  { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
  { kind: 'translation', on: true },
];
const migrates: readonly Act[] = [
  { kind: 'migrate', step: 'setup' },
  { kind: 'migrate', step: 'log' },
  { kind: 'migrate', step: 'active' },
];
const measures: Act = { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false };
const blocks: Act = {
  kind: 'attach',
  device: 0,
  to: 'blocked',
  invalidate: 'device',
  flush: true,
};
/** One page more than the containers take that these guests have. */
const seventeenPages: Act = {
  kind: 'map',
  domain: 1,
  iova: 0x1000_0000n,
  level: 1,
  gpas: Array.from({ length: 17 }, (_, index) => 0x20_0000n + 0x1000n * BigInt(index)),
  permission: 3,
  flush: 'pages',
};
const map = (iova: bigint, gpa: bigint, level: 1 | 2 | 3 = 1): Act => ({
  kind: 'map',
  domain: 1,
  iova,
  level,
  gpas: [gpa],
  permission: 3,
  flush: 'pages',
});

const unmap = (iova: bigint): Act => ({
  kind: 'unmap',
  domain: 1,
  iova,
  level: 1,
  count: 1,
  residual: false,
  flush: 'pages',
});

/** What random guests meet too seldom: each stands on an edge. */
const corners: readonly Case[] = [
  {
    // The last page marked is the first past the end of RAM.
    options: { qemu: '10.0' },
    acts: [...attached, map(0x1_4000_0000n, 0x20_0000n), measures, blocks],
    told: 'all',
  },
  {
    // Mapped at both ends, with a hole between, and no message says what the kernel makes of it.
    options: { qemu: '11.1', backend: 'iommufd', errorsInLog: false },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      map(0x101f_f000n, 0x40_0000n),
      measures,
      {
        kind: 'unmap-level',
        domain: 1,
        iova: 0x1000_0000n,
        level: 2,
        residual: false,
        flush: 'pages',
      },
    ],
    told: 'all',
  },
  {
    // Unmaps cut through a mapping, at its front and inside it, and no message says that they fail.
    options: { qemu: '10.0', errorsInLog: false },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n, 2),
      { kind: 'split', domain: 1, iova: 0x1000_0000n, level: 2, flush: 'pages' },
      unmap(0x1000_5000n),
    ],
    told: 'all',
  },
  {
    // A machine is paused while it migrates: its devices save, and do not run.
    options: { qemu: '7.2', awBits: 39, migratable: true, actsWhilePaused: true },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      ...migrates,
      { kind: 'run', on: false },
      unmap(0x1000_0000n),
    ],
    told: 'all',
  },
  {
    // A page of the interrupt range, one byte behind the lower notifier.
    options: { qemu: '7.2', awBits: 39 },
    acts: [...attached, map(0xfee0_0000n, 0x20_0000n), blocks],
    told: 'all',
  },
  {
    // Mappings across the interrupt range, with parts that can be mapped and parts that cannot.
    options: { qemu: '11.1', errorsInLog: false },
    acts: [...attached, map(0xc000_0000n, 0x4000_0000n, 3), map(0x10_0000_0000n, 0x20_0000n)],
    told: 'all',
  },
  {
    options: { qemu: '11.1', errorsInLog: false },
    acts: [...attached, map(0xfee0_0000n, 0x20_0000n, 2), blocks],
    told: 'all',
  },
  {
    // Devices that log their own DMA, and an unmap that fails ahead of the query.
    options: { qemu: '10.0', deviceTracking: true },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n, 2),
      measures,
      { kind: 'split', domain: 1, iova: 0x1000_0000n, level: 2, flush: 'pages' },
    ],
    told: 'all',
  },
  {
    // Behind a table of four levels comes a shallower one that no walk has met before.
    options: { qemu: '10.0', devices: 2, domainLevels: [4, 3, 3] },
    acts: [
      { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
      { kind: 'attach', device: 1, to: 1, invalidate: 'none', flush: false },
      { kind: 'translation', on: true },
      map(0x1000_0000n, 0x20_0000n),
      { ...map(0x3000_0000n, 0x40_0000n), domain: 3 } as Act,
      { kind: 'attach', device: 0, to: 3, invalidate: 'global', flush: false },
    ],
    told: 'all',
  },
  {
    // The same across the interrupt range; what a drain would find there it would not leave.
    options: { qemu: '11.1' },
    acts: [...attached, map(0xfee0_0000n, 0x20_0000n, 2), blocks],
    told: 'all',
  },
  {
    // The first failure of a migration is told at its end, but for what the ioctl said.
    options: { qemu: '11.1', migratable: true },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n, 2),
      ...migrates,
      { kind: 'split', domain: 1, iova: 0x1000_0000n, level: 2, flush: 'pages' },
    ],
    told: 'all',
  },
  {
    // One mapping more than the container takes, and no message says so.
    options: { qemu: '10.0', errorsInLog: false, dmaEntryLimit: 16 },
    acts: [...attached, seventeenPages],
    told: 'all',
  },
  {
    // A drain finds a mapping across the interrupt range, and its notifier gets the part above.
    options: { qemu: '11.1' },
    acts: [...attached, map(0xfee0_0000n, 0x20_0000n, 2), measures, blocks],
    told: 'all',
  },
  {
    // Few kinds of events: a MAP of one device behind the command of another.
    options: { qemu: '10.0', awBits: 39, devices: 2, events: 'minimal' },
    acts: [
      { kind: 'translation', on: true },
      { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: true },
      { kind: 'attach', device: 1, to: 2, invalidate: 'device', flush: true },
      map(0x1000_0000n, 0x20_0000n),
      measures,
      blocks,
    ],
    told: 'nothing',
  },
  {
    // An UNMAP of one device behind the command of another, which maps nothing.
    options: { qemu: '10.0', awBits: 39, devices: 2, events: 'minimal' },
    acts: [
      { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
      { kind: 'attach', device: 1, to: 2, invalidate: 'none', flush: false },
      { kind: 'translation', on: true },
      map(0x1_0000_0000n, 0x20_0000n),
      { ...blocks, device: 1 },
      measures,
      unmap(0x1_0000_0000n),
    ],
    told: 'nothing',
  },
  {
    // A drain, and right behind it an UNMAP of the other device, which no line announces.
    options: { qemu: '11.1', devices: 2, events: 'minimal' },
    acts: [
      { kind: 'translation', on: true },
      { kind: 'attach', device: 1, to: 1, invalidate: 'global', flush: true },
      { kind: 'attach', device: 0, to: 2, invalidate: 'device', flush: false },
      map(0x1000_0000n, 0x20_0000n),
      measures,
      { ...blocks, flush: false },
      unmap(0x1000_0000n),
    ],
    told: 'all',
  },
  {
    // A dirty sync finds a mapping again, without a line that says so.
    options: { qemu: '7.2', awBits: 39, migratable: true, events: 'minimal' },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      { kind: 'migrate', step: 'setup' },
      { kind: 'migrate', step: 'active' },
      blocks,
    ],
    told: 'all',
  },
  {
    // The only page that reaches out of the lower notifier: QEMU says of both parts that it does not map them.
    options: { qemu: '11.1', ramSize: 0x1_0000_0000n, below4g: 0x8000_0000n },
    acts: [...attached, map(0xc000_0000n, 0x4000_0000n, 3), blocks],
    told: 'all',
  },
  {
    // A dirty sync forgets a node whose MAP failed, and finds it again without another MAP.
    options: { qemu: '10.0', migratable: true, dmaEntryLimit: 16 },
    acts: [...attached, seventeenPages, measures, { kind: 'dirty-sync' }, unmap(0x1000_0000n)],
    told: 'all',
  },
  {
    // A dirty sync finds a page that can only be read by now; nobody has told the host.
    options: { qemu: '10.0', migratable: true },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      {
        kind: 'protect',
        domain: 1,
        iova: 0x1000_0000n,
        level: 1,
        count: 1,
        permission: 1,
        flush: 'none',
      },
      measures,
      { kind: 'dirty-sync' },
    ],
    told: 'all',
  },
  {
    // A migration is being cancelled, and no line of the flag word says that pages are tracked still.
    options: {
      qemu: '10.0',
      migratable: true,
      ignoreMigrationBlocker: true,
      events: ['vtd_*', 'vfio_*', 'migrate_set_state'],
    },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      ...migrates,
      { kind: 'migrate', step: 'cancel' },
      unmap(0x1000_0000n),
    ],
    told: 'all',
  },
];

const cornersBehind = (viommu: ViommuKind) =>
  viommu === 'intel' ? corners : siblingCorners[viommu];

/** The first seed behind an IOMMU: below this number there are no cases. */
export function firstSeedOf(viommu: ViommuKind): number {
  return 1 - cornersBehind(viommu).length;
}

/** The case of a seed behind an IOMMU; from 0 downward, those that stand on an edge. */
export function caseAt(seed: number, viommu: ViommuKind = 'intel'): Case {
  const corner = cornersBehind(viommu)[-seed];
  if (corner !== undefined) return corner;
  return viommu === 'intel' ? caseOf(seed) : siblingCaseOf(seed, viommu);
}

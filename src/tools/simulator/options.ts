import { dirtyBitmapBytes } from './addresses.ts';
import { QEMU_VERSIONS, type QemuVersion, qemuProfile } from './qemu-profile.ts';
import { Random } from './random.ts';

/** The emulated IOMMU: VT-d, AMD-Vi, virtio-iommu. */
export type ViommuKind = 'intel' | 'amd' | 'virtio';

export const VIOMMU_KINDS = ['intel', 'amd', 'virtio'] as const satisfies readonly ViommuKind[];

export type Backend = 'legacy' | 'iommufd' | 'vfio-user';

/** What `-msg timestamp` and the release make of the start of a line. */
export type LinePrefix = 'none' | 'tid' | 'iso';

/** Which trace events are on. `standard`: all that matter; `everything`: with the queue and register noise too;
 *  `no-skips`: standard without the lines of absent entries, the bulk of most logs;
 *  `no-walk`: standard without the lines of page walks; `vtd-vfio`: `vtd_*` and `vfio_*` only, so no `global_dirty_changed`;
 *  `vfio`: `vfio_*` only; `minimal`: the six events of the smallest useful log. */
export type EventSet =
  | 'standard'
  | 'everything'
  | 'no-skips'
  | 'no-walk'
  | 'vtd-vfio'
  | 'vfio'
  | 'minimal';

/** `mixed`: every kind of act, for proofs. `bulk`: map and unmap traffic with rare other acts, for large logs. */
export type Mix = 'mixed' | 'bulk';

/** Everything that shapes one simulated run. Plain data; equal options give equal bytes. */
export interface SimulationOptions {
  readonly seed: number;
  readonly qemu: QemuVersion;
  readonly viommu: ViommuKind;
  readonly backend: Backend;
  /** the devices log their own DMA (9.2 and later): unmap first, then query */
  readonly deviceTracking: boolean;
  /** the host's IOMMU can log dirty pages (iommufd only; type1 always can, page by page mapped) */
  readonly iommuDirtyTracking: boolean;
  /** the devices have migration support: dirty syncs walk, a migration can start */
  readonly migratable: boolean;
  /** play a migration even where QEMU would refuse it behind a vIOMMU (8.0 to 10.2) */
  readonly ignoreMigrationBlocker: boolean;
  readonly awBits: 39 | 48;
  /** bytes */
  readonly hostPageSize: 4096 | 16384 | 65536;
  readonly devices: 1 | 2;
  /** guest addresses of the assigned devices, `bb:ss.f`, as many as `devices` */
  readonly deviceAddresses: readonly string[];
  /** an emulated device with a vhost notifier over the whole space: `vtd_as_unmap_whole` without VFIO lines */
  readonly vhost: boolean;
  /** guest RAM in bytes */
  readonly ramSize: bigint;
  /** RAM below 4 GiB in bytes; the rest starts at 4 GiB */
  readonly below4g: bigint;
  /** bytes of the BIOS below 4 GiB, mapped read-only */
  readonly biosSize: bigint;
  /** the container's largest dirty bitmap in bytes (the kernel's is 256 MiB) */
  readonly maxDirtyBitmapBytes: bigint;
  /** a dirty bitmap of this many bytes or more cannot be allocated (-12); null: always enough memory */
  readonly bitmapMemoryBytes: bigint | null;
  /** type1 mappings per container */
  readonly dmaEntryLimit: number;
  /** RAM is a memory-backend file: iommufd maps it by file (10.2 and later) */
  readonly ramIsFile: boolean;

  /** page-table levels of the guest's domains, by domain id - 1: 4 = 48 bits, 3 = 39 bits */
  readonly domainLevels: readonly (3 | 4)[];
  /** keep mappings in few page tables, so that a full walk prints little */
  readonly sparseTables: boolean;
  /** iova places far up, whose dirty bits would be marked past the end of RAM */
  readonly wildAddresses: boolean;
  /** what an access far past QEMU's dirty bitmap does: nothing seen, or SIGSEGV and the log ends */
  readonly pastRam: 'survives' | 'dies';
  /** QEMU 7.2 to 10.1 abort on an event that crosses the interrupt hole: such acts are left out, or end the log */
  readonly holeCrossing: 'avoided' | 'allowed';
  /** AMD-Vi aborts where a table is gone over smaller pages that it still knows: such commands are left out, or end the log */
  readonly tableLoss: 'avoided' | 'allowed';
  /** guest acts are possible while the VM is paused (as under qtest); a reset always is */
  readonly actsWhilePaused: boolean;
  /** bound on live mappings per domain that the planner keeps */
  readonly liveMappings: number;
  readonly mix: Mix;

  readonly prefix: LinePrefix;
  readonly crlf: boolean;
  /** the log ends in half a line, without a newline */
  readonly tornEnd: boolean;
  /** error messages are in the log (false: trace written with -D, errors elsewhere) */
  readonly errorsInLog: boolean;
  /** `-msg guest-name=on`: name before the program in error lines */
  readonly guestName: string | null;
  /** the log opens with libvirt's start line and the command line */
  readonly libvirtHeader: boolean;
  /** the trace starts at the beginning; false: it was switched on after the boot */
  readonly bootLines: boolean;
  /** chance of a meaningless line before each line */
  readonly noise: number;
  readonly events: EventSet | readonly string[];
  /** KVM: its memory listeners show up in syncs */
  readonly kvm: boolean;

  /** number of acts after the opening ones */
  readonly steps: number;
  /** stop at the first act that takes the log to this many bytes; null: no bound */
  readonly bytes: number | null;
  /** keep one record per unmap; switched off for large logs, where only totals are kept */
  readonly keepRecords: boolean;
}

const GIB = 1n << 30n;
const MIB = 1n << 20n;

/** The kernel's DIRTY_BITMAP_SIZE_MAX. */
export const KERNEL_MAX_BITMAP_BYTES = 0x1000_0000n;

/** The type1 module's default. */
export const DEFAULT_DMA_ENTRY_LIMIT = 65535;

/** A plain run: QEMU 10.0, one legacy device, 48 bits, 1 GiB of RAM, everything printed, nothing odd. */
export const DEFAULT_OPTIONS: SimulationOptions = {
  seed: 1,
  qemu: '10.0',
  viommu: 'intel',
  backend: 'legacy',
  deviceTracking: false,
  iommuDirtyTracking: true,
  migratable: false,
  ignoreMigrationBlocker: false,
  awBits: 48,
  hostPageSize: 4096,
  devices: 1,
  deviceAddresses: ['00:10.0', '00:11.0'],
  vhost: false,
  ramSize: GIB,
  below4g: GIB,
  biosSize: 0x10000n,
  maxDirtyBitmapBytes: KERNEL_MAX_BITMAP_BYTES,
  bitmapMemoryBytes: null,
  dmaEntryLimit: DEFAULT_DMA_ENTRY_LIMIT,
  ramIsFile: false,
  domainLevels: [4, 4, 4],
  sparseTables: true,
  wildAddresses: false,
  pastRam: 'survives',
  holeCrossing: 'avoided',
  tableLoss: 'avoided',
  actsWhilePaused: false,
  liveMappings: 512,
  mix: 'mixed',
  prefix: 'none',
  crlf: false,
  tornEnd: false,
  errorsInLog: true,
  guestName: null,
  libvirtHeader: false,
  bootLines: true,
  noise: 0,
  events: 'standard',
  kvm: false,
  steps: 200,
  bytes: null,
  keepRecords: true,
};

/** The default options with some changed, made consistent: an impossible combination becomes the nearest possible one. */
export function simulationOptions(changes: Partial<SimulationOptions> = {}): SimulationOptions {
  const wanted = possibleBehind({ ...DEFAULT_OPTIONS, ...changes });
  const profile = qemuProfile(wanted.qemu);
  const backend = possibleBackend(wanted);
  const below4g = wanted.ramSize < wanted.below4g ? wanted.ramSize : wanted.below4g;
  const ramBitmap = dirtyBitmapBytes(wanted.ramSize, wanted.hostPageSize);
  const largeRam = wanted.maxDirtyBitmapBytes < ramBitmap;
  return {
    ...wanted,
    backend,
    below4g,
    deviceTracking: wanted.deviceTracking && profile.deviceTracking && backend !== 'vfio-user',
    migratable: wanted.migratable || wanted.deviceTracking,
    // a RAM section whose unmap fails would later abort QEMU when it is mapped again
    maxDirtyBitmapBytes: largeRam ? ramBitmap : wanted.maxDirtyBitmapBytes,
    bitmapMemoryBytes:
      wanted.bitmapMemoryBytes !== null && wanted.bitmapMemoryBytes <= ramBitmap
        ? ramBitmap + 8n
        : wanted.bitmapMemoryBytes,
    dmaEntryLimit: Math.max(16, wanted.dmaEntryLimit),
    domainLevels: wanted.awBits === 39 ? wanted.domainLevels.map(() => 3) : wanted.domainLevels,
    ramIsFile: wanted.ramIsFile && profile.iommufdQuery !== null && profile.cropsEvents,
    prefix: wanted.prefix === 'none' ? 'none' : profile.timestampPrefix,
  };
}

/** First versions in which VFIO's devices can be behind an IOMMU: AMD-Vi with dma-remap, virtio-iommu as its lines are known. */
const VERSIONS_BEHIND: Readonly<Record<ViommuKind, readonly QemuVersion[]>> = {
  intel: QEMU_VERSIONS,
  amd: ['10.2', '11.0', '11.1'],
  virtio: ['7.2', '10.0', '10.1', '10.2', '11.0', '11.1'],
};

/**
 * Behind AMD-Vi and virtio-iommu only the legacy container has been seen, with 4 KiB pages; a device that logs its own
 * DMA is refused there, and up to 10.2 every device is, which then has no migration support.
 */
function possibleBehind(wanted: SimulationOptions): SimulationOptions {
  if (wanted.viommu === 'intel') return wanted;
  const versions = VERSIONS_BEHIND[wanted.viommu];
  const qemu = versions.includes(wanted.qemu) ? wanted.qemu : '11.1';
  return {
    ...wanted,
    qemu,
    backend: 'legacy',
    deviceTracking: false,
    migratable: wanted.migratable && !qemuProfile(qemu).blocksMigration,
    ignoreMigrationBlocker: false,
    awBits: 48,
    domainLevels: wanted.domainLevels.map(() => 4),
    hostPageSize: 4096,
    vhost: false,
  };
}

function possibleBackend({ qemu, backend }: SimulationOptions): Backend {
  const profile = qemuProfile(qemu);
  if (backend === 'iommufd' && profile.iommufdQuery === null) return 'legacy';
  return backend === 'vfio-user' && !profile.vfioUser ? 'legacy' : backend;
}

/** Options spread over every configuration, chosen by the seed alone. */
export function randomOptions(seed: number): SimulationOptions {
  const random = new Random(seed, 1);
  const qemu = random.pick(QEMU_VERSIONS);
  return simulationOptions({
    seed,
    qemu,
    ...randomHost(random, qemu),
    ...randomGuest(random, qemu),
    ...randomLog(random, qemu),
    steps: random.pick([20, 60, 120, 250]),
  });
}

function randomHost(random: Random, qemu: QemuVersion): Partial<SimulationOptions> {
  const migratable = random.chance(0.6);
  return {
    backend: random.pick(['legacy', 'legacy', 'legacy', 'iommufd', 'iommufd', 'vfio-user']),
    deviceTracking: random.chance(0.15),
    iommuDirtyTracking: random.chance(0.85),
    migratable,
    ignoreMigrationBlocker: random.chance(0.4),
    hostPageSize: random.chance(0.8) ? 4096 : random.pick([16384, 65536]),
    maxDirtyBitmapBytes: random.chance(0.8)
      ? KERNEL_MAX_BITMAP_BYTES
      : 1n << BigInt(random.between(12, 30)),
    bitmapMemoryBytes: random.chance(0.08) ? 1n << BigInt(random.between(16, 30)) : null,
    dmaEntryLimit: random.chance(0.75) ? DEFAULT_DMA_ENTRY_LIMIT : random.between(16, 120),
    ramIsFile: random.chance(0.3),
    pastRam: random.chance(0.2) ? 'dies' : 'survives',
    holeCrossing: qemuProfile(qemu).cropsEvents || random.chance(0.15) ? 'allowed' : 'avoided',
    actsWhilePaused: random.chance(0.5),
    kvm: random.chance(0.5),
  };
}

function randomGuest(random: Random, qemu: QemuVersion): Partial<SimulationOptions> {
  const ramSize = random.pick([256n * MIB, 512n * MIB, GIB, 3n * GIB, 5n * GIB, 8n * GIB]);
  const below = ramSize >= 0xb000_0000n ? 0x8000_0000n : ramSize;
  const defaultWidth = qemuProfile(qemu).defaultAwBits;
  return {
    awBits: random.chance(0.7) ? defaultWidth : random.pick([39, 48]),
    devices: random.chance(0.35) ? 2 : 1,
    deviceAddresses: random.pick([
      ['00:10.0', '00:11.0'],
      ['00:04.0', '00:05.0'],
      ['01:00.0', '02:00.0'],
      ['00:03.2', '0a:1e.1'],
    ]),
    vhost: random.chance(0.2),
    ramSize,
    biosSize: random.pick([0x10000n, 0x40000n]),
    below4g: random.chance(0.8) ? below : random.pick([128n * MIB, 768n * MIB, 2n * GIB]),
    domainLevels: random.chance(0.7) ? [4, 4, 4] : [4, 3, 4],
    sparseTables: random.chance(0.85),
    wildAddresses: random.chance(0.4),
    liveMappings: random.pick([40, 200, 600]),
  };
}

function randomLog(random: Random, qemu: QemuVersion): Partial<SimulationOptions> {
  const stamped = random.chance(0.5);
  return {
    prefix: stamped ? qemuProfile(qemu).timestampPrefix : 'none',
    crlf: random.chance(0.1),
    tornEnd: random.chance(0.15),
    errorsInLog: random.chance(0.85),
    guestName: random.chance(0.1) ? 'vm-a' : null,
    libvirtHeader: stamped && random.chance(0.3),
    bootLines: random.chance(0.9),
    noise: random.pick([0, 0, 0.02, 0.2]),
    events: random.weighted({
      standard: 40,
      everything: 10,
      'no-skips': 25,
      'no-walk': 5,
      'vtd-vfio': 8,
      vfio: 6,
      minimal: 8,
    }),
  };
}

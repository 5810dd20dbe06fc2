import type { Evidence } from '../base/vocabulary.ts';
import { evidences } from '../base/vocabulary.ts';
import type { Machine } from '../model/machine.ts';
import { type Profile, unmapAlike } from '../model/profile.ts';
import { UNKNOWN_ADDRESS, type Unmap } from '../model/unmap.ts';
import type { VfioContainer } from '../model/vfio-container.ts';

/**
 * What a verdict rests on, as bits: cheap to gather for every unmap, put into words once per
 * finding. Each says how good it is, and an assumption says what would settle it.
 */
interface Ground {
  readonly evidence: Evidence;
  readonly text: string;
}

const grounds = {
  message: { evidence: 'observed', text: "QEMU's own message in the trace" },
  trackingFlag: { evidence: 'observed', text: 'dirty tracking: global_dirty_changed' },
  trackingMigration: {
    evidence: 'derived',
    text: 'dirty tracking: inferred from migrate_set_state; global_dirty_changed would settle it',
  },
  trackingProved: {
    evidence: 'observed',
    text: 'dirty tracking: proved by a failure in the same switch',
  },
  trackingOption: {
    evidence: 'assumed',
    text: 'dirty tracking: --tracking on; global_dirty_changed would settle it',
  },
  backendTrace: { evidence: 'observed', text: 'kind of container: named by its own lines' },
  backendDerived: { evidence: 'derived', text: 'kind of container: inferred from other lines' },
  backendOption: { evidence: 'assumed', text: 'kind of container: --backend' },
  trackingOfHost: {
    evidence: 'assumed',
    text: "whether the host's IOMMU tracks dirty pages: iommufd_backend_alloc_hwpt would settle it",
  },
  backendAssumed: {
    evidence: 'assumed',
    text: 'kind of container: legacy assumed; vfio_attach_device, iommufd_* or --backend would settle it',
  },
  pageSizeTrace: { evidence: 'observed', text: 'host page size: printed in the trace' },
  pageSizeDefault: { evidence: 'derived', text: 'host page size: 4 KiB, as on x86' },
  pageSizeOption: { evidence: 'assumed', text: 'host page size: --host-page-size' },
  limitDefault: { evidence: 'derived', text: "bitmap limit: the kernel's 256 MiB for type1" },
  limitDerived: { evidence: 'derived', text: 'bitmap limit: bounded by failures in the trace' },
  limitOption: { evidence: 'assumed', text: 'bitmap limit: --max-dirty-bitmap' },
  deviceNamed: { evidence: 'observed', text: 'device: named by the lines of this unmap' },
  deviceInferred: {
    evidence: 'derived',
    text: 'device: inferred from the command, the page-table root or the order of registration',
  },
  deviceGuessed: {
    evidence: 'assumed',
    text: 'device: one of several, by the order in which they are unmapped; vtd_as_unmap_whole would settle it',
  },
  deviceUnknown: {
    evidence: 'derived',
    text: 'device: not told; vtd_page_walk_level and vtd_inv_desc_cc_device would settle it',
  },
  addressPrinted: { evidence: 'observed', text: 'carried address: printed by vtd_page_walk_one' },
  addressByCode: {
    evidence: 'derived',
    text: 'carried address: a whole unmap in chunks carries 0 in every version',
  },
  addressOfNode: {
    evidence: 'derived',
    text: "carried address: the drain of 11.x takes the mapping's own",
  },
  versionDerived: { evidence: 'derived', text: 'QEMU version: inferred from the lines it prints' },
  versionOption: { evidence: 'assumed', text: 'QEMU version: --qemu' },
  versionLate: {
    evidence: 'assumed',
    text: 'QEMU version: another was assumed when this was judged; --qemu would settle it',
  },
  versionAssumed: {
    evidence: 'assumed',
    text: 'QEMU version: assumed, and versions differ here; --qemu would settle it',
  },
  uncertain: {
    evidence: 'assumed',
    text: 'mappings of the device: uncertain, as lines are missing or the trace starts late',
  },
  mappingsUnknown: {
    evidence: 'assumed',
    text: 'guest addresses and permissions: not traced; vtd_page_walk_one would settle it',
  },
  ramDerived: { evidence: 'derived', text: 'RAM layout: from RAM sections in the trace' },
  ramOption: { evidence: 'assumed', text: 'RAM layout: --ram-size and --below-4g' },
  ramAssumed: {
    evidence: 'derived',
    text: 'RAM layout: not told; guest addresses from 4 GiB up are never their own ram_addr',
  },
  sectionWritable: {
    evidence: 'derived',
    text: 'whether a RAM section is read-only is not traced; taken as writable',
  },
  traceEnds: { evidence: 'derived', text: 'the trace ends here' },
  emulated: { evidence: 'derived', text: 'no line says so: found by emulation' },
  walkComplete: {
    evidence: 'assumed',
    text: 'no line of the walk that filled the shadow is missing; the next invalidation there would settle it',
  },
  entryLimitDefault: {
    evidence: 'assumed',
    text: "limit of mappings: the module's default 65535; --dma-entry-limit would settle it",
  },
  entryLimitOption: { evidence: 'assumed', text: 'limit of mappings: --dma-entry-limit' },
  linesMissing: {
    evidence: 'assumed',
    text: 'lines are missing from the trace: what made it otherwise may be among them',
  },
} as const satisfies Readonly<Record<string, Ground>>;

export type GroundName = keyof typeof grounds;

const names = Object.keys(grounds) as readonly GroundName[];
const BIT: Readonly<Record<GroundName, bigint>> = Object.fromEntries(
  names.map((name, index) => [name, 1n << BigInt(index)]),
) as Record<GroundName, bigint>;

/** A set of grounds. */
export class Basis {
  #bits = 0n;

  add(name: GroundName): this {
    this.#bits |= BIT[name];
    return this;
  }

  addAll(other: Basis): void {
    this.#bits |= other.#bits;
  }

  /** The weakest of the grounds. */
  get evidence(): Evidence {
    let weakest = 0;
    for (const name of names) {
      if ((this.#bits & BIT[name]) === 0n) continue;
      weakest = Math.max(weakest, evidences.indexOf(grounds[name].evidence));
    }
    return evidences[weakest] ?? 'assumed';
  }

  /** In words, in a fixed order. */
  get texts(): readonly string[] {
    return names
      .filter((name) => (this.#bits & BIT[name]) !== 0n)
      .map((name) => grounds[name].text);
  }
}

/** Which inputs a rule's verdict on an unmap depends on. */
export interface Dependencies {
  /** Tracking was on, and is what makes the hazard real. */
  readonly tracking?: boolean;
  readonly backend?: boolean;
  readonly bitmapSize?: boolean;
  readonly address?: boolean;
  readonly mappings?: boolean;
  readonly ram?: boolean;
  readonly version?: boolean;
}

/**
 * A short number that differs whenever the grounds of two unmaps differ, so that a finding gathers
 * grounds only when something is new.
 */
export function signatureOf(unmap: Unmap, machine: Machine): number {
  return (
    (unmap.observed ? 1 : 0) |
    ((unmap.isUncertain ? 1 : 0) << 1) |
    ((unmap.unknownMappings > 0 ? 1 : 0) << 2) |
    ((unmap.space?.bdf === null || unmap.space === null ? 1 : 0) << 3) |
    ((unmap.carried === UNKNOWN_ADDRESS ? 1 : 0) << 4) |
    ((machine.tracking.mask === null ? 1 : 0) << 5) |
    ((machine.tracking.globalDirty === true ? 1 : 0) << 6) |
    ((unmap.isPermissionTaken ? 1 : 0) << 7) |
    ((unmap.isNamed ? 1 : 0) << 8)
  );
}

/** The grounds that one unmap gives a verdict which depends on `needs`. */
export function basisOfUnmap(unmap: Unmap, machine: Machine, needs: Dependencies): Basis {
  const basis = new Basis();
  if (unmap.observed && unmap.errno !== 0) basis.add('message');
  if (unmap.tracked === true) addTracking(basis, unmap, machine);
  if (needs.address === true) addAddress(basis, unmap);
  if (needs.mappings === true) addMappings(basis, unmap, machine);
  return basis;
}

/**
 * The grounds that the session as a whole gives it, asked for at its end, when most is known of
 * the version and of the container. `isSeen`: the failure itself is in the trace; `judgedAs`: the
 * version that was assumed at the first unmap.
 */
export function basisOfSession(
  machine: Machine,
  container: VfioContainer | null,
  needs: Dependencies,
  isSeen: boolean,
  judgedAs: Profile,
): Basis {
  const basis = new Basis();
  if (needs.backend === true && !isSeen) addBackend(basis, container);
  if (needs.bitmapSize === true && !isSeen) addBitmapSize(basis, machine);
  if (!isSeen && container?.backend === 'iommufd' && !container.isTrackingTold) {
    basis.add('trackingOfHost');
  }
  if (needs.version === true) addVersion(basis, machine);
  if (!isSeen && !unmapAlike(judgedAs, machine.profile)) basis.add('versionLate');
  if (needs.ram === true) addRam(basis, machine);
  if (!isSeen && machine.isIncomplete) basis.add('linesMissing');
  // 7.2 looks at the devices and not at the flag word.
  if (needs.tracking === true && !isSeen && !machine.version.agree('legacyTracking')) {
    basis.add('versionAssumed');
  }
  return basis;
}

function addTracking(basis: Basis, unmap: Unmap, machine: Machine): void {
  if (machine.options.tracking === 'on') {
    // A failure that only tracking can bring proves it.
    if (!unmap.isSeenFailing) basis.add('trackingOption');
  } else if (machine.tracking.mask !== null) basis.add('trackingFlag');
  else if (machine.tracking.globalDirty === true) basis.add('trackingMigration');
  else if (!unmap.observed) basis.add('trackingProved');
}

function addBackend(basis: Basis, container: VfioContainer | null): void {
  const source = container?.backendSource ?? 'assumed';
  if (source === 'trace') basis.add('backendTrace');
  else if (source === 'derived') basis.add('backendDerived');
  else basis.add(source === 'option' ? 'backendOption' : 'backendAssumed');
}

function addBitmapSize(basis: Basis, machine: Machine): void {
  const { bitmapLimit, hostPageSize } = machine.parameters;
  if (hostPageSize.source === 'option') basis.add('pageSizeOption');
  else basis.add(hostPageSize.source === 'trace' ? 'pageSizeTrace' : 'pageSizeDefault');
  if (bitmapLimit.source === 'option') basis.add('limitOption');
  else basis.add(bitmapLimit.from.startsWith('a bitmap') ? 'limitDerived' : 'limitDefault');
}

function addVersion(basis: Basis, machine: Machine): void {
  const { source } = machine.version.known;
  if (source === 'option') basis.add('versionOption');
  else if (source === 'derived') basis.add('versionDerived');
  else if (source === 'assumed') basis.add('versionAssumed');
}

function addAddress(basis: Basis, unmap: Unmap): void {
  if (unmap.cause === 'whole-unmap') basis.add('addressByCode');
  else if (unmap.cause === 'drain') basis.add('addressOfNode');
  else if (unmap.carried !== UNKNOWN_ADDRESS) basis.add('addressPrinted');
}

function addMappings(basis: Basis, unmap: Unmap, machine: Machine): void {
  const { bdf } = unmap.space ?? { bdf: null };
  if (bdf === null) basis.add('deviceUnknown');
  else if (unmap.cause !== 'whole-unmap') basis.add('deviceInferred');
  else if (unmap.isNamed) basis.add('deviceNamed');
  else basis.add(machine.attribution.only === null ? 'deviceGuessed' : 'deviceInferred');
  if (unmap.isUncertain) basis.add('uncertain');
  if (unmap.unknownMappings > 0) basis.add('mappingsUnknown');
  if (unmap.isPermissionTaken) basis.add('sectionWritable');
}

/** Where the limit of a container's mappings comes from. */
export function entryLimitGround(machine: Machine): GroundName {
  const { source } = machine.parameters.entryLimit;
  return source === 'option' ? 'entryLimitOption' : 'entryLimitDefault';
}

function addRam(basis: Basis, machine: Machine): void {
  const { source } = machine.ram;
  if (source === 'option') basis.add('ramOption');
  else basis.add(source === 'derived' ? 'ramDerived' : 'ramAssumed');
}

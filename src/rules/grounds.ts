import type { Evidence } from '../base/vocabulary.ts';
import { evidences } from '../base/vocabulary.ts';
import { unmapAlike } from '../emulation/profiles/index.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { Viommu } from '../emulation/viommu/viommu.ts';
import { ground } from '../inference/claim.ts';
import { mayBeRom } from '../inference/traced-ram.ts';
import { UNKNOWN_ADDRESS, type Unmap } from '../inference/unmap.ts';
import type { VfioContainer } from '../inference/vfio-container.ts';
import type { SessionFacts } from './facts.ts';

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
  deviceLogUntold: {
    evidence: 'assumed',
    text: 'that the devices do not log their own DMA, in which case no bitmap would come with an unmap: vfio_device_dirty_tracking_start tells as tracking starts, and it never did',
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
  deviceTranslated: {
    evidence: 'derived',
    text: 'device: the only one with a context entry; vtd_page_walk_level or vtd_inv_desc_iotlb_* would settle it',
  },
  // Where the verdict does not depend on it.
  deviceBeside: {
    evidence: 'observed',
    text: 'device: inferred from the command, the page-table root or the order of registration',
  },
  deviceGuessed: {
    evidence: 'assumed',
    text: 'device: no line tells it, and the mappings are those of the likeliest; vtd_page_walk_level, vtd_inv_desc_*, vtd_as_unmap_whole and a trace from the start would settle it',
  },
  deviceGuessedElsewhere: {
    evidence: 'assumed',
    text: 'device: no line tells it, and the mappings are those of the likeliest; a trace from the start, with all events of the IOMMU, would settle it',
  },
  deviceUntoldElsewhere: {
    evidence: 'observed',
    text: 'device: not told; a trace from the start, with all events of the IOMMU, would settle it',
  },
  // Nothing is claimed of it, so that this lowers no evidence.
  deviceUntold: {
    evidence: 'observed',
    text: 'device: not told; vtd_switch_address_space, vtd_page_walk_level, vtd_inv_desc_*, vtd_as_unmap_whole and a trace from the start would settle it',
  },
  addressPrinted: { evidence: 'observed', text: 'carried address: printed by vtd_page_walk_one' },
  addressByCode: {
    evidence: 'derived',
    text: 'carried address: a whole unmap in chunks carries 0 in every version',
  },
  addressOfRequest: {
    evidence: 'derived',
    text: 'carried address: virtio-iommu sends 0 with every UNMAP',
  },
  addressOfEntry: {
    evidence: 'derived',
    text: 'carried address: AMD-Vi sends what is left in the table entry, 0 where the guest has cleared it',
  },
  addressOfNode: {
    evidence: 'derived',
    text: "carried address: an unmap in migration of 11.x carries the mapping's own",
  },
  versionDerived: { evidence: 'derived', text: 'QEMU version: inferred from the lines it prints' },
  versionOption: { evidence: 'assumed', text: 'QEMU version: --qemu' },
  versionLate: {
    evidence: 'assumed',
    text: 'QEMU version: another was assumed when this was evaluated; --qemu would settle it',
  },
  versionAssumed: {
    evidence: 'assumed',
    text: 'QEMU version: assumed, and versions differ here; --qemu would settle it',
  },
  mappingsDoubtful: {
    evidence: 'assumed',
    text: 'mappings of the device: doubtful, as lines are missing since they were last known',
  },
  mappingsPartial: {
    evidence: 'derived',
    text: 'mappings of the device: those since the trace began; there may be earlier ones',
  },
  mappingsIncomplete: {
    evidence: 'assumed',
    text: 'mappings of the device: earlier ones are not in the trace, and would make it otherwise',
  },
  unmapsUnchecked: {
    evidence: 'assumed',
    text: 'that no UNMAP is missing: without vtd_page_walk_one nothing would show it',
  },
  trackingDoubted: {
    evidence: 'assumed',
    text: 'dirty tracking: lines are missing while it was on, and its end may be among them',
  },
  mappingsUnknown: {
    evidence: 'assumed',
    text: 'guest addresses and permissions: not traced; vtd_page_walk_one would settle it',
  },
  mappingsOfRequestUnknown: {
    evidence: 'assumed',
    text: 'guest addresses and permissions: not traced; virtio_iommu_notify_map would settle it',
  },
  mappingsNeverTold: {
    evidence: 'derived',
    text: 'guest addresses and permissions: AMD-Vi prints none; taken as writable, and not at guest address 0',
  },
  unmapsUncheckable: {
    evidence: 'assumed',
    text: 'that no UNMAP is missing: no line of AMD-Vi would show it',
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
  romWritable: {
    evidence: 'assumed',
    text: 'whether sections between 768 KiB and 1 MiB are ROMs is not traced; taken as writable',
  },
  syncRepeated: {
    evidence: 'observed',
    text: 'dirty sync: the same mappings once more, and no vfio_iommu_map_dirty_notify',
  },
  syncRepeatedUnasked: {
    evidence: 'derived',
    text: 'dirty sync: the same mappings once more; that vfio_iommu_map_dirty_notify is traced, and would have come, no line shows',
  },
  syncUntraced: {
    evidence: 'assumed',
    text: 'dirty sync: not traced; vfio_iommu_map_notify and memory_region_sync_dirty would settle it',
  },
  trackingBySync: {
    evidence: 'derived',
    text: 'dirty tracking: only a dirty sync maps again what is mapped; global_dirty_changed would settle it',
  },
  resultsUntold: {
    evidence: 'derived',
    text: "that the host did what QEMU asked of it: QEMU's messages, which would say where it did not, are not in this trace",
  },
  pieceOfWhole: {
    evidence: 'assumed',
    text: 'whether it is a piece of a whole unmap, which QEMU 11.x does not send under tracking: lines before it are missing',
  },
  traceEnds: { evidence: 'derived', text: 'the trace ends here' },
  operationInferred: {
    evidence: 'derived',
    text: 'MAP or UNMAP of a notification: inferred from the walk or whole unmap before it; a trace with its texts would settle it',
  },
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
    text: 'lines are missing from the trace in many places, or early: what made it otherwise may be among them',
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
  /** That devices do not log their own DMA. */
  readonly noDeviceLog?: boolean;
  readonly address?: boolean;
  readonly mappings?: boolean;
  /** That something is not mapped. */
  readonly holes?: boolean;
  readonly ram?: boolean;
  readonly version?: boolean;
  /** The address in the entry that 11.x makes up for a section of RAM. */
  readonly sectionAddress?: boolean;
  /** Whole unmaps come in pieces under tracking, too; `maybe`: if it is one. */
  readonly unmapInMigration?: boolean | 'maybe';
}

/**
 * A short number that differs whenever the grounds of two unmaps differ, so that a finding gathers
 * grounds only when something is new.
 */
export function signatureOf(unmap: Unmap, facts: SessionFacts): number {
  return (
    (unmap.message.isSeen ? 1 : 0) |
    ((unmap.mappings.unknown > 0 ? 1 : 0) << 1) |
    ((unmap.device === null ? 1 : 0) << 2) |
    ((unmap.carried === UNKNOWN_ADDRESS ? 1 : 0) << 3) |
    ((facts.isFlagWordTraced ? 0 : 1) << 4) |
    ((facts.globalDirty === true ? 1 : 0) << 5) |
    ((mayBeRom(unmap.first, unmap.last) ? 1 : 0) << 6) |
    ((unmap.mappings.value === 'whole' ? 0 : unmap.mappings.value === 'partial' ? 1 : 2) << 7) |
    (unmap.space.grounds << 9) |
    (unmap.container.grounds << 13) |
    (unmap.mappings.grounds << 17)
  );
}

/** The grounds that one unmap gives a verdict which depends on `restsOn`. */
export function basisOfUnmap(unmap: Unmap, facts: SessionFacts, restsOn: Dependencies): Basis {
  const basis = new Basis();
  if (unmap.isSeenFailing) basis.add('message');
  if (unmap.tracked === true) addTracking(basis, unmap, facts);
  if (restsOn.address === true) addAddress(basis, unmap, facts);
  addDevice(basis, unmap, restsOn, facts);
  if (restsOn.mappings === true) addMappings(basis, unmap, restsOn, facts);
  return basis;
}

/**
 * The grounds that the session as a whole gives it, asked for at its end, when most is known of
 * the version and of the container. `isSeen`: the failure itself is in the trace; `evaluatedAs`: the
 * version that was assumed at the first unmap.
 */
export function basisOfSession(
  facts: SessionFacts,
  container: VfioContainer | null,
  restsOn: Dependencies,
  isSeen: boolean,
  evaluatedAs: Profile,
): Basis {
  const basis = new Basis();
  if (restsOn.backend === true && !isSeen) addBackend(basis, container);
  if (restsOn.bitmapSize === true && !isSeen) addBitmapSize(basis, facts);
  if (!isSeen && container?.backend === 'iommufd' && !container.isTrackingTold) {
    basis.add('trackingOfHost');
  }
  const isWhatIf = restsOn.tracking !== true && !isSeen;
  if (restsOn.noDeviceLog === true && isWhatIf && !facts.isDeviceLogKnown) {
    basis.add('deviceLogUntold');
  }
  if (restsOn.version === true) addVersion(basis, facts);
  if (!isSeen && !unmapAlike(evaluatedAs, facts.profile)) basis.add('versionLate');
  if (restsOn.ram === true) addRam(basis, facts);
  if (!isSeen && facts.hasTooManyLosses) basis.add('linesMissing');
  if (!isSeen && facts.areOperationsInferred) basis.add('operationInferred');
  const isAboutHost = restsOn.mappings === true || restsOn.bitmapSize === true;
  if (restsOn.tracking === true && isAboutHost && !facts.hasMessages) basis.add('resultsUntold');
  // 7.2 looks at the devices and not at the flag word.
  const isTrackingSure = restsOn.tracking !== true || facts.versionsAgree('legacyTracking');
  const agree = facts.versionsAgree('unmapInMigration') || !facts.viommu.unmapsByNode;
  const arePiecesSure = restsOn.unmapInMigration !== true || agree;
  if (restsOn.unmapInMigration === 'maybe' && !(agree && facts.profile.unmapInMigration === null)) {
    basis.add('pieceOfWhole');
  }
  const isAddressSure = restsOn.sectionAddress !== true || facts.versionsAgree('regionDelAddress');
  if (!isSeen && !(isTrackingSure && arePiecesSure && isAddressSure)) basis.add('versionAssumed');
  return basis;
}

function addTracking(basis: Basis, unmap: Unmap, facts: SessionFacts): void {
  if (facts.isTrackingOption) {
    // A failure that only tracking can bring proves it.
    if (!unmap.isSeenFailing) basis.add('trackingOption');
  } else if (facts.isFlagWordTraced) basis.add('trackingFlag');
  else if (facts.globalDirty === true) basis.add('trackingMigration');
  else if (!unmap.message.isSeen) basis.add('trackingProved');
}

function addBackend(basis: Basis, container: VfioContainer | null): void {
  const source = container?.backendSource ?? 'assumed';
  if (source === 'trace') basis.add('backendTrace');
  else if (source === 'derived') basis.add('backendDerived');
  else basis.add(source === 'option' ? 'backendOption' : 'backendAssumed');
}

function addBitmapSize(basis: Basis, facts: SessionFacts): void {
  const { bitmapLimit, hostPageSize } = facts;
  if (hostPageSize.source === 'option') basis.add('pageSizeOption');
  else basis.add(hostPageSize.source === 'trace' ? 'pageSizeTrace' : 'pageSizeDefault');
  if (bitmapLimit.source === 'option') basis.add('limitOption');
  else basis.add(facts.isBitmapLimitBounded ? 'limitDerived' : 'limitDefault');
}

function addVersion(basis: Basis, facts: SessionFacts): void {
  const source = facts.versionSource;
  if (source === 'option') basis.add('versionOption');
  else if (source === 'derived') basis.add('versionDerived');
  else if (source === 'assumed') basis.add('versionAssumed');
}

function addAddress(basis: Basis, unmap: Unmap, { viommu }: SessionFacts): void {
  if (unmap.cause === 'whole-unmap') basis.add('addressByCode');
  else if (unmap.cause === 'drain') basis.add('addressOfNode');
  else if (unmap.cause === 'request') basis.add('addressOfRequest');
  else if (unmap.carried === UNKNOWN_ADDRESS) return;
  else basis.add(viommu.printsGuestAddresses ? 'addressPrinted' : 'addressOfEntry');
}

function addDevice(
  basis: Basis,
  unmap: Unmap,
  restsOn: Dependencies,
  { viommu }: SessionFacts,
): void {
  const isVtd = viommu.name === 'intel-iommu';
  if (unmap.device !== null) {
    if (unmap.space.has(ground.named)) basis.add('deviceNamed');
    else if (unmap.space.has(ground.onlyTranslated)) basis.add('deviceTranslated');
    else basis.add(restsOn.mappings === true ? 'deviceInferred' : 'deviceBeside');
  } else if (restsOn.mappings !== true || areMappingsSure(unmap)) {
    basis.add(isVtd ? 'deviceUntold' : 'deviceUntoldElsewhere');
  } else basis.add(isVtd ? 'deviceGuessed' : 'deviceGuessedElsewhere');
}

/** Whose the mappings are is beyond doubt: sections of RAM are the container's, all others the device's. */
function areMappingsSure({ cause, container, space }: Unmap): boolean {
  return space.has(ground.sure) || (cause === 'region-del' && container.has(ground.sure));
}

function addMappings(
  basis: Basis,
  unmap: Unmap,
  restsOn: Dependencies,
  { viommu }: SessionFacts,
): void {
  if (unmap.mappings.value === 'doubtful') basis.add('mappingsDoubtful');
  if (unmap.mappings.value === 'partial') {
    basis.add(restsOn.holes === true ? 'mappingsIncomplete' : 'mappingsPartial');
  }
  if (unmap.mappings.unknown > 0) {
    basis.add(groundOfUnknown(viommu));
  }
  if (unmap.mappings.has(ground.permissionTaken))
    basis.add(mayBeRom(unmap.first, unmap.last) ? 'romWritable' : 'sectionWritable');
}

/** Why guest addresses and permissions of mappings are not known. */
function groundOfUnknown({ name, printsGuestAddresses }: Viommu): GroundName {
  if (!printsGuestAddresses) return 'mappingsNeverTold';
  return name === 'virtio-iommu' ? 'mappingsOfRequestUnknown' : 'mappingsUnknown';
}

/** That no UNMAP is missing, where walks are not in the trace and would show it; null where they are. */
export function unmapsGround(facts: SessionFacts): GroundName | null {
  if (!facts.viommu.printsGuestAddresses) return 'unmapsUncheckable';
  const isChecked = facts.viommu.name !== 'intel-iommu' || facts.isTraced('vtd_page_walk_one');
  return isChecked ? null : 'unmapsUnchecked';
}

/** Where the limit of a container's mappings comes from. */
export function entryLimitGround(facts: SessionFacts): GroundName {
  const { source } = facts.entryLimit;
  return source === 'option' ? 'entryLimitOption' : 'entryLimitDefault';
}

function addRam(basis: Basis, facts: SessionFacts): void {
  const source = facts.ramSource;
  if (source === 'option') basis.add('ramOption');
  else basis.add(source === 'derived' ? 'ramDerived' : 'ramAssumed');
}

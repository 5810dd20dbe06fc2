import { profileFor } from '../emulation/profiles/index.ts';
import { type Profile, versionNumber } from '../emulation/profiles/profile.ts';
import type { EventName } from '../events/catalogue/index.ts';
import type { Known } from './parameters.ts';
import { VersionEvidence, type VersionRange } from './version-evidence.ts';

const LATER = Number.POSITIVE_INFINITY;
const [V8_0, V8_1, V8_2, V9_0, V9_2, V10_0, V10_1, V10_2, V11_0] = [
  versionNumber(8, 0),
  versionNumber(8, 1),
  versionNumber(8, 2),
  versionNumber(9, 0),
  versionNumber(9, 2),
  versionNumber(10, 0),
  versionNumber(10, 1),
  versionNumber(10, 2),
  versionNumber(11, 0),
];

/** The oldest and the newest version that can have printed something. */
interface VersionSpan {
  readonly from: number;
  readonly to: number;
}

/** What only some versions print. */
export interface VersionMark extends VersionSpan {
  readonly reason: string;
}

/**
 * Events by which a version shows, as the sources of 7.2, 10.0 and 10.2, the patches of 11.0 and the
 * logs of 11.1 have them. Where the versions between were not read, the span is the wider one.
 */
export const eventMarks: Readonly<Partial<Record<EventName, VersionSpan>>> = {
  vfio_realize: { from: 0, to: V8_1 },
  vfio_attach_device: { from: V8_2, to: V10_0 },
  vfio_device_attach: { from: V10_1, to: LATER },
  vtd_reset_exit: { from: V8_0, to: LATER },
  vtd_pasid_cache_reset: { from: V10_1, to: LATER },
  vfio_iommu_map_dirty_notify_skip_ro: { from: V11_0, to: LATER },
  vtd_device_attach_hwpt: { from: V11_0, to: LATER },
  vfio_get_device: { from: 0, to: V10_1 },
  vfio_device_get: { from: V10_1, to: LATER },
  vfio_reset_handler: { from: V8_2, to: V10_1 },
  vfio_device_reset_handler: { from: V10_1, to: LATER },
  vfio_listener_region_add_skip: { from: 0, to: V8_1 },
  iommufd_cdev_attach_ioas_hwpt: { from: V8_2, to: V10_2 },
  vfio_migration_init: { from: V11_0, to: LATER },
  vfio_listener_region_skip_dma_map: { from: V11_0, to: LATER },
  vtd_pasid_cache_devsi: { from: V11_0, to: LATER },
  virtio_iommu_device_reset: { from: 0, to: V9_2 },
  virtio_iommu_device_reset_exit: { from: V8_0, to: LATER },
  virtio_iommu_detach_endpoint_from_domain: { from: V8_0, to: LATER },
  vfio_query_stop_copy_size: { from: V11_0, to: LATER },
  vfio_state_pending: { from: V11_0, to: LATER },
  vfio_region_dmabuf: { from: V11_0, to: LATER },
  iommufd_cdev_pasid_attach_ioas_hwpt: { from: V11_0, to: LATER },
};

/** Other lines by which a version shows. */
export const lineMarks = {
  unnamedRegion: { from: 0, to: V9_2, reason: 'vfio_listener_region_add_iommu without a name' },
  namedRegion: { from: V8_0, to: LATER, reason: 'vfio_listener_region_add_iommu with a name' },
  amdRegion: { from: V10_2, to: LATER, reason: 'a device of VFIO behind AMD-Vi' },
  oldMessage: { from: 0, to: V8_2, reason: 'vfio_dma_unmap or vfio_dma_map in a message' },
  newMessage: { from: V9_0, to: LATER, reason: 'vfio_container_dma_* in a message' },
  dmabufWarning: { from: V11_0, to: LATER, reason: 'the warning about VFIO dma-buf' },
  oldDirtyBitmap: { from: 0, to: V8_1, reason: 'vfio_get_dirty_bitmap with a descriptor' },
  dirtyBitmap: { from: V8_2, to: V10_0, reason: 'vfio_get_dirty_bitmap' },
  queryDirty: { from: V10_1, to: V10_2, reason: 'vfio_container_query_dirty_bitmap' },
  flaggedQueryDirty: {
    from: V11_0,
    to: LATER,
    reason: 'vfio_container_query_dirty_bitmap with backend_flag',
  },
  flaggedIommufdQuery: {
    from: V11_0,
    to: LATER,
    reason: 'iommufd_backend_get_dirty_bitmap with flags',
  },
  threadStamp: { from: 0, to: V10_1, reason: 'stamps of the form thread@time' },
  isoStamp: { from: V10_2, to: LATER, reason: 'UTC stamps on trace lines' },
  failingState: { from: V11_0, to: LATER, reason: 'the migration state failing' },
  wholeUnmapAtReplay: { from: 0, to: V8_0, reason: 'a whole unmap ahead of a replay' },
} as const satisfies Readonly<Record<string, VersionMark>>;

/** Fields in which versions must agree for their number not to matter. */
const BEHAVIOUR: readonly (keyof Profile)[] = [
  'unmapInMigration',
  'replayClearsShadow',
  'legacyTracking',
  'iommufdQuery',
  'regionDelEntry',
];

/** What all lines of a boot say of the version: known from the first line on where it is replayed again. */
export interface VersionHindsight {
  readonly range: VersionRange;
  readonly named: string | null;
  readonly unmapsByNode: boolean | null;
}

/** How the lines of a trace came about, as far as versions differ in it. */
export type WrittenBy = Pick<
  Profile,
  'unmapInMigration' | 'replayClearsShadow' | 'removesOneByteMore' | 'crossingEvent'
>;

/**
 * Which QEMU's behaviour to emulate: the user's word, else libvirt's line, else what the lines
 * prove; and whatever the number says, behaviour that the trace shows, as distributions backport.
 */
export class QemuVersion {
  readonly #option: Profile | null;
  readonly #evidence: VersionEvidence;
  #named: string | null;
  #unmapsByNode: boolean | null;
  #profile: Profile;
  #writtenBy: WrittenBy;

  constructor(option: Profile | null, hindsight: VersionHindsight | null = null) {
    this.#option = option;
    this.#evidence = new VersionEvidence(hindsight?.range ?? null);
    this.#named = hindsight?.named ?? null;
    this.#unmapsByNode = hindsight?.unmapsByNode ?? null;
    this.#profile = option ?? this.#evidence.profile;
    this.#writtenBy = this.#profile;
    this.#choose();
  }

  /** What is known by now, for another replay of the same lines. */
  get hindsight(): VersionHindsight {
    return {
      range: this.#evidence.range,
      named: this.#named,
      unmapsByNode: this.#unmapsByNode,
    };
  }

  /** The behaviour to emulate. */
  get profile(): Profile {
    return this.#profile;
  }

  /**
   * The behaviour of the QEMU that wrote the trace, by which its lines are to be read. What the lines
   * show of it beats the user's word, which may be about another QEMU on the same trace.
   */
  get writtenBy(): WrittenBy {
    return this.#writtenBy;
  }

  /** Whether whole unmaps under tracking were seen to come by node, or in pieces; null: none was seen. */
  get unmapInMigrationSeen(): boolean | null {
    return this.#unmapsByNode;
  }

  /** True where a version that unmaps by node under tracking may have written the trace, as far as its lines tell. */
  get mayUnmapInMigration(): boolean {
    return this.#option === null && this.#unmapsByNode === null && this.#evidence.allows(V11_0);
  }

  /** True where the lines of the trace, or libvirt, say that only versions that unmap by node under tracking wrote it. */
  get mustUnmapInMigration(): boolean {
    const { narrowed, profile } = this.#evidence;
    if (this.#option !== null || !narrowed || profile.unmapInMigration === null) return false;
    return this.#evidence.agree('unmapInMigration');
  }

  /**
   * Pieces came under tracking although only versions that unmap by node then can have written the
   * lines: something is lost, or this QEMU is not what its lines say, and nothing is sure of its version.
   */
  get isContradicted(): boolean {
    return this.mustUnmapInMigration && this.#unmapsByNode === false;
  }

  learn(mark: VersionMark): void {
    this.#evidence.narrow(mark.from, mark.to, mark.reason);
    this.#choose();
  }

  /** libvirt names the version. */
  name(version: string): void {
    const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
    if (major === undefined || minor === undefined) return;
    this.#named = version;
    const number = versionNumber(Number(major), Number(minor));
    this.learn({ from: number, to: number, reason: "libvirt's starting-up line" });
  }

  /** A whole unmap under tracking was seen to come by node, or in pieces. */
  sawUnmapInMigration(isByNode: boolean): void {
    this.#unmapsByNode = isByNode;
    this.#choose();
  }

  /** True where every version that may have written the trace has the same `field`. */
  agree(field: keyof Profile): boolean {
    if (this.#option !== null || this.#named !== null) return true;
    if (field === 'unmapInMigration' && this.#unmapsByNode !== null) return true;
    return this.#evidence.narrowed && this.#evidence.agree(field);
  }

  /**
   * QEMU of this version refuses to migrate a VM with a VFIO device behind a vIOMMU, whichever of the
   * versions that may have written the trace it is, and behaves like one that does.
   */
  get refusesBehindVIommu(): boolean {
    if (this.#option !== null) return this.#option.migration === 'blocked';
    const isKnown = this.known.source !== 'assumed' && this.agree('migration');
    const all = [this.#profile, this.#evidence.profile];
    return isKnown && all.every(({ migration }) => migration === 'blocked');
  }

  /** The version, for the report. */
  get known(): Known<string | null> {
    if (this.#option !== null) {
      const isOther = this.#evidence.narrowed && !this.#evidence.allows(this.#option.version);
      const from = isOther ? `--qemu; the trace is of ${this.#evidence.describe()}` : '--qemu';
      return { value: this.#option.id, source: 'option', from };
    }
    const overruled =
      this.#unmapsByNode !== null &&
      this.#unmapsByNode !== (this.#evidence.profile.unmapInMigration !== null);
    if (overruled) {
      return {
        value: this.#profile.id,
        source: 'derived',
        from: this.#unmapsByNode
          ? 'whole unmaps under tracking came one mapping at a time, as from 11.0 on'
          : 'whole unmaps under tracking came in chunks, as before 11.0',
      };
    }
    if (this.#named !== null) {
      return { value: this.#named, source: 'trace', from: "libvirt's starting-up line" };
    }
    const from = this.#evidence.describe();
    if (!this.#evidence.narrowed) return { value: null, source: 'assumed', from };
    const settled = BEHAVIOUR.every((field) => this.agree(field));
    return { value: this.#profile.id, source: settled ? 'derived' : 'assumed', from };
  }

  #choose(): void {
    if (this.#option !== null) {
      this.#writtenBy = this.#shownBeside(this.#option);
      return;
    }
    const { profile } = this.#evidence;
    const unmapsByNode = profile.unmapInMigration !== null;
    if (this.#unmapsByNode === null || this.#unmapsByNode === unmapsByNode) this.#profile = profile;
    else this.#profile = profileFor(this.#unmapsByNode ? V11_0 : V10_2);
    this.#writtenBy = this.#profile;
  }

  /** What the lines show, and where they show nothing what the user says. */
  #shownBeside(option: Profile): WrittenBy {
    const { narrowed, profile } = this.#evidence;
    const shown = (field: keyof WrittenBy) =>
      narrowed && this.#evidence.agree(field) ? profile : option;
    // A version with a patch looks like one without.
    const shownUnmap = option.known === 'unmerged' ? option : shown('unmapInMigration');
    const own = option.unmapInMigration ?? profileFor(V11_0).unmapInMigration;
    return {
      unmapInMigration:
        this.#unmapsByNode === null ? shownUnmap.unmapInMigration : this.#unmapsByNode ? own : null,
      replayClearsShadow: shown('replayClearsShadow').replayClearsShadow,
      removesOneByteMore: shown('removesOneByteMore').removesOneByteMore,
      crossingEvent: shown('crossingEvent').crossingEvent,
    };
  }
}

import { pageOf } from '../base/address.ts';
import type { Mutable } from '../base/mutable.ts';
import { qemu7_2, qemu8_1 } from '../emulation/profiles/list.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import type { AddressRange } from '../emulation/viommu/viommu.ts';
import type { Span } from '../emulation/what-if/whole.ts';
import type { Target, TrackingState, WhatIfHost, Worlds } from '../emulation/what-if/worlds.ts';
import { eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Boot } from './boot.ts';
import type { DeviceSpace } from './device-space.ts';
import { bdfOf } from './line.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { Operation } from './operation.ts';
import type { Unmap } from './unmap.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  walk: offsetsOf('vtd_page_walk_one'),
  skipMap: offsetsOf('vtd_page_walk_one_skip_map'),
  skipUnmap: offsetsOf('vtd_page_walk_one_skip_unmap'),
  addRam: offsetsOf('vfio_listener_region_add_ram'),
  skipped: offsetsOf('vfio_listener_region_skip_dma_map'),
  valid: offsetsOf('vtd_replay_ce_valid'),
  invalid: offsetsOf('vtd_replay_ce_invalid'),
} as const;

const WALK = kindOf('vtd_page_walk_one');
const SKIP_MAP = kindOf('vtd_page_walk_one_skip_map');
const SKIP_UNMAP = kindOf('vtd_page_walk_one_skip_unmap');
const NOTIFY = kindOf('vfio_iommu_map_notify');
const ADD_IOMMU = kindOf('vfio_listener_region_add_iommu');
const ADD_RAM = kindOf('vfio_listener_region_add_ram');
const SKIP_DMA = kindOf('vfio_listener_region_skip_dma_map');
const VALID = kindOf('vtd_replay_ce_valid');
const INVALID = kindOf('vtd_replay_ce_invalid');

/** Lines that may change whether dirty pages are tracked. */
const TRACKING = new Set([
  kindOf('global_dirty_changed'),
  kindOf('migrate_set_state'),
  kindOf('vfio_save_setup'),
  kindOf('vfio_save_cleanup'),
  kindOf('vfio_vmstate_change'),
]);
/** Lines of a backend that say how a section of RAM was mapped. */
const MAPPED = new Set([
  kindOf('iommufd_backend_map_dma'),
  kindOf('iommufd_backend_map_file_dma'),
  kindOf('vfio_user_dma_map'),
]);

/**
 * By event number: 1 where its line may stand between the UNMAP and the MAP of a translation that was
 * changed in place, and says nothing of the guest.
 */
const PASSED = Uint8Array.from(eventNames, (name, kind) => {
  const isOfHost = kind === NOTIFY || MAPPED.has(kind);
  return isOfHost || /^(?:message|trace):|unmap_dma|get_dirty/.test(name) ? 1 : 0;
});

const READ_WRITE = permission.read | permission.write;

/** An entry of the guest's tables that is not there, while it may turn out to have been changed. */
interface AbsentEntry {
  readonly space: DeviceSpace;
  readonly first: number;
  readonly last: number;
  readonly carried: number;
}

/** A section of RAM. */
interface Section {
  readonly container: VfioContainer;
  readonly first: number;
  readonly last: number;
}

/**
 * Reads what the guest did in a boot, whatever QEMU made of it: entries of its tables as walks come
 * to them, devices that leave their domain, replays, and the sections that come and go. Worlds of
 * other machines are fed with it.
 *
 * Takes each line once the boot has, and each operation as it is reported.
 */
export class GuestReader {
  readonly #machine: Machine;
  readonly #worlds: Worlds;
  readonly #iommufdTracks: boolean;
  readonly #targets = new Map<DeviceSpace, Mutable<Target>>();
  readonly #containers = new Map<VfioContainer, number>();
  readonly #spans = new Map<AddressRange, Span>();
  readonly #spansBySpace = new Map<
    DeviceSpace,
    { readonly newest: AddressRange | undefined; readonly spans: readonly Span[] }
  >();
  #tracking: TrackingState = { globalDirty: false, migrationRunning: false, saving: false };
  #absent: AbsentEntry | null = null;
  /** The notifier whose registration has been seen, and its replay has not. */
  #registering: AddressRange | null = null;
  /** Notifiers that get the events of the replay under way. */
  #replaySpans: readonly Span[] = [];
  /** The section whose line was the newest. */
  #section: Section | null = null;
  /** Entries of which no line tells the device. */
  #unattributed = 0;

  /** `iommufdTracks`: the host's IOMMU tells iommufd what is dirty, where the trace does not show it. */
  constructor(boot: Boot, worlds: Worlds, iommufdTracks: boolean) {
    this.#machine = boot.machine;
    this.#worlds = worlds;
    this.#iommufdTracks = iommufdTracks;
    this.#track();
  }

  /** The boot has taken the cursor's line; in a run, also those before it from behind `lineBefore` on. */
  applied(cursor: BatchCursor, lineBefore: number): void {
    const { kind } = cursor;
    if (kind === SKIP_UNMAP) this.#skippedUnmap(cursor, cursor.line - lineBefore + 1);
    else if (kind === WALK) this.#walked(cursor);
    else if (kind === SKIP_MAP) this.#skippedMap(cursor);
    else if (PASSED[kind] === 0) this.#other(cursor);
    else if (this.#section !== null && MAPPED.has(kind)) this.#sectionMapped(this.#section);
  }

  /** The boot reports an operation, which the lines up to the newest have shown. */
  operation(operation: Operation): void {
    if (operation.kind === 'whole-unmap') {
      this.#flush();
      this.#unmappedWhole(operation.piece(0));
    } else if (operation.kind === 'whole-unmap-by-node') {
      this.#flush();
      this.#unmapWhole(operation.space, this.#tracking);
    } else if (operation.kind === 'unmap' && operation.cause === 'region-del') {
      this.#flush();
      this.#sectionRemoved(operation);
    }
  }

  /** The boot is over. */
  finish(): void {
    this.#flush();
  }

  /** Why the worlds may be short of something. */
  get reasons(): readonly string[] {
    const { hasNotifications, hasWalks } = this.#machine;
    const reasons: string[] = [];
    if (!hasNotifications && !hasWalks) {
      reasons.push('no vfio_iommu_map_notify and no walk: the trace shows no unmap of a vIOMMU');
    }
    if (!hasWalks) {
      reasons.push(
        'no vtd_page_walk_one: what devices map is not known, so that memory at risk and stale mappings are not; only failures of whole unmaps are',
      );
    } else if (!this.#machine.isTraced('vtd_page_walk_one_skip_unmap')) {
      reasons.push(
        'no vtd_page_walk_one_skip_unmap: where another machine would still unmap an entry that is gone does not show',
      );
    }
    if (this.#unattributed > 0) {
      reasons.push(
        `${this.#unattributed} entries of page walks are of a device that no line tells`,
      );
    }
    return reasons;
  }

  // --- Page walks ------------------------------------------------------------------------------------

  #walked(cursor: BatchCursor): void {
    const space = this.#machine.attribution.walking;
    const first = cursor.page(at.walk.iova);
    const last = first + cursor.page(at.walk.mask);
    const gpa = cursor.page(at.walk.gpa);
    const permissions = cursor.i32(at.walk.perm) & READ_WRITE;
    const absent = this.#absent;
    const isChanged =
      absent !== null &&
      permissions !== 0 &&
      absent.first === first &&
      absent.last === last &&
      absent.carried === gpa;
    if (isChanged) this.#absent = null;
    else this.#flush();
    if (space === null) {
      this.#unattributed += 1;
      return;
    }
    if (permissions === 0) {
      this.#absent = { space, first, last, carried: gpa };
      return;
    }
    this.#present(space, first, last, gpa, permissions);
  }

  #present(
    space: DeviceSpace,
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): void {
    const target = this.#target(space);
    if (target === null) return;
    const spans = this.#spansOfWalk(space);
    this.#worlds.present(target, spans, first, last, gpa, permissions, this.#tracking);
  }

  #skippedMap(cursor: BatchCursor): void {
    this.#flush();
    const space = this.#machine.attribution.walking;
    if (space === null) return;
    const first = cursor.page(at.skipMap.iova);
    const last = first + cursor.page(at.skipMap.mask);
    const gpa = cursor.page(at.skipMap.gpa);
    const flags = space.shadow.flagsOf(first, last, gpa);
    const isTold = flags >= 0 && (flags & mappingFlag.unknown) === 0;
    const permissions = isTold ? flags & READ_WRITE : READ_WRITE;
    this.#present(space, first, last, gpa, permissions);
  }

  /** `count` lines of entries behind each other, of which the cursor stands on the last. */
  #skippedUnmap(cursor: BatchCursor, count: number): void {
    this.#flush();
    const { attribution } = this.#machine;
    const space = attribution.walking;
    // A replay asks for no UNMAPs.
    if (space === null || attribution.operation === 'replay') return;
    const pages = cursor.page(at.skipUnmap.mask) + 1;
    const first = cursor.page(at.skipUnmap.iova) - (count - 1) * pages;
    // Their lines do not tell what is left in them: Linux clears entries as a whole.
    this.#worldsAbsent(space, first, pages, count, 0);
  }

  /** The entry that was not there was none that was changed. */
  #flush(): void {
    const absent = this.#absent;
    if (absent === null) return;
    this.#absent = null;
    const { carried, first, last, space } = absent;
    this.#worldsAbsent(space, first, last - first + 1, 1, carried);
  }

  #worldsAbsent(
    space: DeviceSpace,
    first: number,
    pages: number,
    count: number,
    carried: number,
  ): void {
    const target = this.#target(space);
    if (target === null) return;
    const spans = this.#spansOf(space);
    this.#worlds.absent(target, spans, first, pages, count, carried, this.#tracking);
  }

  // --- Devices and sections --------------------------------------------------------------------------

  #other(cursor: BatchCursor): void {
    this.#flush();
    const { kind } = cursor;
    if (TRACKING.has(kind)) this.#track();
    else if (kind === ADD_IOMMU) this.#addedIommu();
    else if (kind === VALID) this.#replayed(bdfOf(cursor, at.valid));
    else if (kind === INVALID) this.#replayed(bdfOf(cursor, at.invalid));
    else if (kind === ADD_RAM) this.#addedRam(cursor);
    else if (kind === SKIP_DMA) this.#skippedDmaMap(cursor);
  }

  #addedIommu(): void {
    const { registering } = this.#machine;
    if (registering === null) return;
    const { notifier, space } = registering;
    this.#registering = notifier;
    this.#replaySpans = [this.#spanOf(notifier)];
    const target = this.#target(space);
    if (target !== null) this.#worlds.registered(target, notifier, this.#tracking);
  }

  #replayed(bdf: number): void {
    const space = this.#machine.attribution.known(bdf);
    const registering = this.#registering;
    this.#registering = null;
    this.#replaySpans = registering === null ? [] : [this.#spanOf(registering)];
    // What it finds again is not in a trace without walks.
    const target = space === undefined ? null : this.#target(space);
    if (target !== null && this.#machine.hasWalks) this.#worlds.replayed(target.device);
  }

  #unmappedWhole(piece: Unmap): void {
    const { space, tracked } = piece;
    // That of a registration follows from the line of that.
    if (piece.cause !== 'whole-unmap' || this.#machine.registering !== null) return;
    if (space.value === null) {
      this.#unattributed += 1;
      return;
    }
    // A message about a piece may have shown what no line of tracking does.
    const isShown = tracked === true && !this.#tracking.globalDirty;
    const tracking = isShown ? { ...this.#tracking, globalDirty: true } : this.#tracking;
    this.#unmapWhole(space.value, tracking);
  }

  #unmapWhole(space: DeviceSpace, tracking: TrackingState): void {
    const target = this.#target(space);
    if (target === null) this.#unattributed += 1;
    else this.#worlds.unmapWhole(target, space.effectiveNotifiers, tracking);
  }

  #addedRam(cursor: BatchCursor): void {
    const start = cursor.u64(at.addRam.start);
    const first = pageOf(start + 0xfffn);
    const last = Number((cursor.u64(at.addRam.end) + 1n) >> 12n) - 1;
    const isRom = this.#machine.ram.isRom(first, last, start, cursor.u64(at.addRam.vaddr));
    const possible = isRom ? permission.read : READ_WRITE;
    for (const container of this.#machine.containers.all) {
      const number = this.#numberIn(container);
      const flags = container.host.flagsOf(first, last, first);
      if (flags < 0 || (flags & mappingFlag.ram) === 0) continue;
      if (!this.#worlds.sectionAdded(number, first, last, flags & possible)) continue;
      this.#section = { container, first, last };
    }
  }

  #skippedDmaMap(cursor: BatchCursor): void {
    const section = this.#section;
    this.#section = null;
    if (section === null || pageOf(cursor.u64(at.skipped.start)) !== section.first) return;
    this.#worlds.sectionForgotten(this.#numberIn(section.container), section.first, section.last);
  }

  #sectionMapped({ container, first, last }: Section): void {
    this.#section = null;
    const flags = container.host.flagsOf(first, last, first);
    if (flags < 0 || (flags & permission.write) !== 0) return;
    this.#worlds.sectionIsReadOnly(this.#numberIn(container), first, last);
  }

  #sectionRemoved({ container, first, last, space }: Unmap): void {
    const owner = container.value;
    if (owner === null) return;
    const isOfIommu = ({ viommu }: DeviceSpace) =>
      viommu.notifierRanges.some(
        ({ start, end }) => pageOf(start) === first && pageOf(end) === last,
      );
    const target =
      space.value !== null && isOfIommu(space.value)
        ? this.#target(space.value)
        : { ...this.#targetOf(owner), device: -1 };
    if (target !== null) this.#worlds.sectionRemoved(target, first, last, this.#tracking);
  }

  // --- Whom it concerns ------------------------------------------------------------------------------

  #track(): void {
    const { options, tracking } = this.#machine;
    if (options.tracking !== 'from-trace') {
      const isOn = options.tracking === 'on';
      this.#tracking = { globalDirty: isOn, migrationRunning: isOn, saving: isOn };
      return;
    }
    this.#tracking = {
      globalDirty: tracking.started(qemu8_1) === true,
      migrationRunning: tracking.migrationRunning === true,
      saving: tracking.started(qemu7_2) === true,
    };
  }

  /** Null for a device that VFIO has nothing to do with. Reused by the next call for the same device. */
  #target(space: DeviceSpace): Target | null {
    const { container } = space;
    if (container === null) return null;
    const known = this.#targets.get(space);
    if (known !== undefined) {
      known.deviceTracking = this.#machine.deviceTrackingIn(container);
      known.iommufdTracks = this.#tracksOf(container);
      return known;
    }
    const target = { ...this.#targetOf(container), device: this.#targets.size };
    this.#targets.set(space, target);
    return target;
  }

  #targetOf(container: VfioContainer): Target {
    return {
      device: -1,
      container: this.#numberIn(container),
      iommufdTracks: this.#tracksOf(container),
      deviceTracking: this.#machine.deviceTrackingIn(container),
    };
  }

  #tracksOf({ canTrack, isTrackingTold }: VfioContainer): boolean {
    return isTrackingTold ? canTrack : this.#iommufdTracks;
  }

  #numberIn(container: VfioContainer): number {
    const known = this.#containers.get(container);
    if (known !== undefined) return known;
    this.#containers.set(container, this.#containers.size);
    return this.#containers.size - 1;
  }

  #spansOfWalk(space: DeviceSpace): readonly Span[] {
    const isReplay = this.#machine.attribution.operation === 'replay';
    return isReplay ? this.#replaySpans : this.#spansOf(space);
  }

  #spansOf(space: DeviceSpace): readonly Span[] {
    const { notifiers } = space;
    const known = this.#spansBySpace.get(space);
    if (
      known !== undefined &&
      known.newest === notifiers[0] &&
      known.spans.length === notifiers.length
    )
      return known.spans;
    const spans = notifiers.map((notifier) => this.#spanOf(notifier));
    this.#spansBySpace.set(space, { newest: notifiers[0], spans });
    return spans;
  }

  #spanOf(notifier: AddressRange): Span {
    let span = this.#spans.get(notifier);
    if (span === undefined) {
      span = { first: pageOf(notifier.start), last: pageOf(notifier.end) };
      this.#spans.set(notifier, span);
    }
    return span;
  }
}

/** What the machine of a boot has in common with all others. */
export function hostOf({ parameters, ram }: Machine): WhatIfHost {
  return {
    ram,
    get bitmapBytes() {
      return parameters.bitmapLimit.value;
    },
    get entryLimit() {
      return parameters.entryLimit.value;
    },
  };
}

import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Operation, Scope } from './attribution.ts';
import type { DeviceSpace } from './device-space.ts';
import { bdfOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { VfioListener } from './sections.ts';
import type { ShadowDrift } from './shadow-drift.ts';
import type { StaleMappings } from './stale-mappings.ts';
import type { WholeUnmaps } from './whole-unmaps.ts';

const at = {
  absent: offsetsOf('vtd_ce_not_present'),
  ccUpdate: offsetsOf('vtd_iotlb_cc_update'),
  ccDevice: offsetsOf('vtd_inv_desc_cc_device'),
  iotlbDomain: offsetsOf('vtd_inv_desc_iotlb_domain'),
  iotlbPages: offsetsOf('vtd_inv_desc_iotlb_pages'),
  pasidDevice: offsetsOf('vtd_pasid_cache_devsi'),
  waitSw: offsetsOf('vtd_inv_desc_wait_sw'),
} as const;

const CC_GLOBAL = kindOf('vtd_inv_desc_cc_global');

/** The guest's commands to its IOMMU, and the look-ups of context entries that they bring. */
export class Commands {
  readonly #machine: Machine;
  readonly #listener: VfioListener;
  readonly #whole: WholeUnmaps;
  readonly #stale: StaleMappings;
  readonly #drift: ShadowDrift;

  constructor(
    machine: Machine,
    listener: VfioListener,
    whole: WholeUnmaps,
    stale: StaleMappings,
    drift: ShadowDrift,
  ) {
    this.#machine = machine;
    this.#listener = listener;
    this.#whole = whole;
    this.#stale = stale;
    this.#drift = drift;
  }

  /** A command that concerns no device more than another. */
  other(cursor: BatchCursor): void {
    this.#begin(cursor, 'idle');
  }

  /**
   * Context-cache invalidation of everything, or the guest sets its IOMMU up: QEMU unmaps the whole
   * space of every device with notifiers, and switches all devices.
   */
  refreshAll(cursor: BatchCursor): void {
    this.#begin(cursor, cursor.kind === CC_GLOBAL ? 'all-devices' : 'idle');
    this.#machine.attribution.refreshAll();
    this.#whole.announce(this.#machine.attribution.order, cursor);
  }

  /** A PASID-cache invalidation: QEMU switches all devices. */
  switchAll(cursor: BatchCursor): void {
    this.#begin(cursor, 'idle');
    this.#machine.attribution.refreshAll();
  }

  /** `vtd_inv_desc_cc_devices`. */
  contextOfDevices(cursor: BatchCursor): void {
    this.#machine.attribution.beginDevices();
    this.#machine.commanded(cursor);
    this.#machine.losses.reportHole(cursor);
    this.#listener.forget();
  }

  /** `vtd_inv_desc_cc_device`. */
  contextOfDevice(cursor: BatchCursor): void {
    this.#begin(cursor, 'device', this.#deviceOf(bdfOf(cursor, at.ccDevice)));
  }

  /**
   * `vtd_pasid_cache_devsi`: QEMU drops the PASID entries of the device whose context it has just
   * invalidated (`vtd_context_device_invalidate`), and may unmap and switch it once more.
   */
  pasidCacheOfDevice(cursor: BatchCursor): void {
    const bdf = bdfOf(cursor, at.pasidDevice);
    const { attribution, contextEntries } = this.#machine;
    if (attribution.isCommandOf(bdf)) return;
    this.#begin(cursor, 'device', this.#deviceOf(bdf));
    contextEntries.command(bdf);
  }

  /** `vtd_inv_desc_wait_sw`. */
  wait(cursor: BatchCursor): void {
    this.#begin(cursor, 'idle');
    this.#machine.attribution.waits();
    const [page, low] = [cursor.page(at.waitSw.addr), cursor.low(at.waitSw.addr)];
    if (!this.#machine.statusWrites.wrote(page, low)) return;
    this.#machine.losses.report('invalidations', cursor);
  }

  /** `vtd_inv_desc_iotlb_global`. */
  iotlbGlobal(cursor: BatchCursor): void {
    this.#invalidate(cursor, 'all-walks');
  }

  /** `vtd_inv_desc_iotlb_domain`. */
  iotlbDomain(cursor: BatchCursor): void {
    const domain = cursor.u32(at.iotlbDomain.domain);
    this.#invalidate(cursor, 'domain', { domain, first: 0, end: 0 });
  }

  /** `vtd_inv_desc_iotlb_pages`. */
  iotlbPages(cursor: BatchCursor): void {
    const { domain, addr, mask } = at.iotlbPages;
    const first = cursor.page(addr);
    const end = first + 2 ** cursor.u32(mask);
    this.#invalidate(cursor, 'domain', { domain: cursor.u32(domain), first, end });
  }

  /** `vtd_ce_not_present`. */
  contextAbsent(cursor: BatchCursor): void {
    const { attribution, contextEntries, losses, registering } = this.#machine;
    // The look-up of a replay, which says so itself in the next line.
    if (registering !== null) return;
    const bdf = (cursor.u32(at.absent.bus) << 8) | cursor.u32(at.absent.devfn);
    contextEntries.absent(bdf);
    const unmapped = attribution.absent(bdf);
    losses.reportHole(cursor);
    if (unmapped !== null) this.#whole.announce([unmapped], cursor);
  }

  /** `vtd_iotlb_cc_update`: the context entry of a device, as QEMU has just read it. */
  contextCached(cursor: BatchCursor): void {
    const bdf = (cursor.u32(at.ccUpdate.bus) << 8) | cursor.u32(at.ccUpdate.devfn);
    const space = this.#machine.attribution.known(bdf);
    if (space === undefined) return;
    space.rootPage = cursor.page(at.ccUpdate.lo);
    space.isRootKnown = true;
    space.domain = (cursor.low(at.ccUpdate.hi) >>> 8) & 0xffff;
    space.isDomainKnown = true;
  }

  /** An IOTLB invalidation; the walks that follow say more of it, where they are traced. */
  #invalidate(cursor: BatchCursor, operation: 'all-walks' | 'domain', scope?: Scope): void {
    this.#begin(cursor, operation, null, scope);
    if (this.#machine.isTraced('vtd_page_walk_level')) return;
    this.#stale.walked(null, 0, Number.MAX_SAFE_INTEGER, cursor);
  }

  #begin(
    cursor: BatchCursor,
    operation: Exclude<Operation, 'replay'>,
    space: DeviceSpace | null = null,
    scope?: Scope,
  ): void {
    this.#machine.commanded(cursor);
    this.#machine.attribution.begin(operation, space, scope);
    this.#machine.losses.reportHole(cursor);
    this.#drift.replayEnded();
    this.#stale.walkEnded();
    this.#listener.forget();
  }

  /** Devices that VFIO has nothing to do with need no space; without listener lines, one may. */
  #deviceOf(bdf: number): DeviceSpace | null {
    const { attribution } = this.#machine;
    const known = attribution.likely(bdf);
    if (known !== undefined) return known;
    const isTraced = this.#machine.isTraced('vfio_listener_region_add_iommu');
    return isTraced || attribution.spaces.length > 1 ? null : attribution.named(bdf);
  }
}

import type { Place } from '../base/place.ts';
import type { EventName } from '../events/catalogue/index.ts';
import type { Attribution } from './attribution.ts';
import type { SeenEvents } from './seen-events.ts';

/** A guest that uses its IOMMU makes QEMU print some of them. */
const OF_USE: readonly EventName[] = [
  'vtd_dmar_enable',
  'vtd_reg_dmar_root',
  'vtd_inv_desc_cc_global',
  'vtd_inv_desc_cc_device',
  'vtd_inv_desc_cc_devices',
  'vtd_inv_desc_iotlb_global',
  'vtd_inv_desc_iotlb_domain',
  'vtd_inv_desc_iotlb_pages',
];

/**
 * Whether QEMU had anything to notify VFIO of: where it had not, a trace without notifications lacks
 * none.
 */
export class DueNotifications {
  readonly #seen: SeenEvents;
  readonly #attribution: Attribution;
  /** Devices that were ever switched to translation, VFIO's and others, by bus << 8 | devfn. */
  readonly #translated = new Set<number>();
  #wasDue = false;
  #unexplainedSwitch: Place | null = null;

  constructor(seen: SeenEvents, attribution: Attribution) {
    this.#seen = seen;
    this.#attribution = attribution;
  }

  /** A walk found what concerns a notifier, or the whole space of a device of VFIO was unmapped. */
  due(): void {
    this.#wasDue = true;
  }

  /** A device, VFIO's or another, is switched to translation. */
  translated(bdf: number): void {
    this.#translated.add(bdf);
  }

  /** A device of VFIO is switched to translation by a command that is not in the trace. */
  switchedWithoutCommand(place: Place): void {
    this.#unexplainedSwitch ??= place;
  }

  /** Where that was first. */
  get unexplainedSwitch(): Place | null {
    return this.#unexplainedSwitch;
  }

  /** The listener's lines are in the trace, and nothing that makes QEMU notify VFIO. */
  get wereNone(): boolean {
    const seen = this.#seen;
    const isListenerTraced =
      seen.isTraced('vfio_listener_region_add_ram') ||
      seen.isTraced('vfio_listener_region_add_iommu');
    if (!isListenerTraced || this.#wasDue) return false;
    // Once the guest uses its IOMMU, only the switches show that no device is translated.
    const isUsed = OF_USE.some((name) => seen.isTraced(name));
    return !isUsed || (seen.isTraced('vtd_switch_address_space') && !this.#wasAnyTranslated);
  }

  /** A device that may be VFIO's was switched to translation. */
  get #wasAnyTranslated(): boolean {
    const owners = this.#attribution.spaces.filter(({ container }) => container !== null);
    if (owners.length === 0) return this.#translated.size > 0;
    return owners.some(({ bdf }) => bdf === null || this.#translated.has(bdf));
  }
}

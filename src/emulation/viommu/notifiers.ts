import { U64_MAX } from '../../base/address.ts';
import type { AddressRange } from './viommu.ts';

/**
 * The two ranges that VFIO registers around the interrupt range 0xfee00000..0xfeefffff of a PC, which
 * `vtd_find_add_as` and `amdvi_host_dma_iommu` lay over the device's region and
 * `vfio_listener_region_add` skips.
 */
export const LOW_NOTIFIER: AddressRange = { start: 0x0n, end: 0xfedf_ffffn };
export const HIGH_NOTIFIER: AddressRange = { start: 0xfef0_0000n, end: U64_MAX };

/** Both, in the order in which QEMU visits them: each is put at the head of the list, the lower one first. */
export const PC_NOTIFIERS: readonly AddressRange[] = [HIGH_NOTIFIER, LOW_NOTIFIER];

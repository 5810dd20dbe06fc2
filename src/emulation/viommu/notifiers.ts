import { U64_MAX } from '../../base/address.ts';
import type { AddressRange } from './viommu.ts';

/**
 * The two ranges that VFIO registers around the interrupt range 0xfee00000..0xfeefffff of a PC, which
 * `vtd_find_add_as` (hw/i386/intel_iommu.c) and `amdvi_host_dma_iommu` (hw/i386/amd_iommu.c) lay over
 * the device's region, and `vfio_listener_region_add` (hw/vfio/common.c, from 10.1 on
 * hw/vfio/listener.c) skips.
 */
export const LOW_NOTIFIER: AddressRange = { start: 0x0n, end: 0xfedf_ffffn };
export const HIGH_NOTIFIER: AddressRange = { start: 0xfef0_0000n, end: U64_MAX };

/**
 * Both, in the order in which QEMU visits them: `memory_region_register_iommu_notifier`
 * (softmmu/memory.c, system/memory.c) puts each at the head of the list, the lower one first.
 */
export const PC_NOTIFIERS: readonly AddressRange[] = [HIGH_NOTIFIER, LOW_NOTIFIER];

import { pageOf, U64_MAX } from '../../../base/address.ts';
import type { AddressRange, Viommu } from '../viommu.ts';
import { vtdAddressSpaceUnmap } from './unmap.ts';

/**
 * The two ranges that VFIO registers around the interrupt range 0xfee00000..0xfeefffff
 * (`vtd_find_add_as` lays it over the device's region; `vfio_listener_region_add` skips it).
 */
export const LOW_NOTIFIER: AddressRange = { start: 0x0n, end: 0xfedf_ffffn };
export const HIGH_NOTIFIER: AddressRange = { start: 0xfef0_0000n, end: U64_MAX };

/** `intel-iommu`: hw/i386/intel_iommu.c. */
export const intelIommu: Viommu = {
  name: 'intel-iommu',
  // Each is put at the head of the list, the lower one first.
  notifierRanges: [HIGH_NOTIFIER, LOW_NOTIFIER],
  unmapWholeSpace(range, shadow, { profile, isInMigration, awBits }, sent) {
    if (isInMigration && profile.unmapInMigration !== null) {
      profile.unmapInMigration.unmap(range, shadow, sent);
      return;
    }
    sent.clear();
    for (const { iova, size } of vtdAddressSpaceUnmap(range, awBits).pieces) {
      sent.add(pageOf(iova), pageOf(iova + size - 1n), 0);
    }
  },
};

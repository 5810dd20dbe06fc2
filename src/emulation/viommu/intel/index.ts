import { pageOf } from '../../../base/address.ts';
import { PC_NOTIFIERS } from '../notifiers.ts';
import type { Viommu } from '../viommu.ts';
import { vtdAddressSpaceUnmap } from './unmap.ts';

/** `intel-iommu`: hw/i386/intel_iommu.c. */
export const intelIommu: Viommu = {
  name: 'intel-iommu',
  widestBits: 57,
  hasWidth: true,
  notifierRanges: PC_NOTIFIERS,
  unmapsByNode: true,
  announcesWholeUnmaps: true,
  replayServesDirtySync: true,
  syncForgets: false,
  commandsComeBehind: false,
  printsGuestAddresses: true,
  replayUnmapsFirst: ({ replayClearsShadow }) => !replayClearsShadow,
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

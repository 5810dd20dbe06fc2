import { type Profile, versionNumber } from './profile.ts';
import { qemu7_2 } from './qemu-7.2.ts';

/**
 * QEMU 8.1, by the dates of patches: VT-d's of June and July 2023 make `vtd_iommu_replay` empty the
 * shadow and `vtd_address_space_unmap` remove what it unmaps; a vIOMMU blocks migration.
 */
export const qemu8_1: Profile = {
  ...qemu7_2,
  id: '8.1',
  version: versionNumber(8, 1),
  known: 'inferred',
  replayClearsShadow: true,
  removesOneByteMore: false,
  legacyTracking: 'started',
  migration: 'blocked',
};

import { unmapByNode } from '../viommu/intel/unmap-in-migration.ts';
import { type Profile, versionNumber } from './profile.ts';
import { qemu10_2 } from './qemu-10.2.ts';

/**
 * QEMU 11.0, as the series that was merged in January 2026 (commit cac33cb5533a and those around it)
 * and logs of 11.1's binary have it: `vtd_address_space_unmap_in_dirty_tracking` looks at the flag
 * word of dirty tracking; iommufd asks before it unmaps.
 */
export const qemu11_0: Profile = {
  ...qemu10_2,
  id: '11.0',
  version: versionNumber(11, 0),
  known: 'source',
  unmapInMigration: unmapByNode('global-dirty', 'node'),
  iommufdQuery: 'before',
  regionDelEntry: true,
  migration: 'without-device-tracking',
};

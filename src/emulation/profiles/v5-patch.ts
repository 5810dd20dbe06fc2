import { unmapByNode } from '../viommu/intel/unmap-in-migration.ts';
import type { Profile } from './profile.ts';
import { qemu10_2 } from './qemu-10.2.ts';

/**
 * QEMU 10.2 with version 5 of the series (November 2025): `vtd_address_space_unmap_in_migration`
 * takes each mapping's own address, and looks at `migration_is_running()`.
 */
export const v5Patch: Profile = {
  ...qemu10_2,
  id: 'v5-patch',
  known: 'unmerged',
  unmapInMigration: unmapByNode('migration-running', 'node'),
  iommufdQuery: 'before',
  regionDelEntry: true,
  migration: 'without-device-tracking',
};

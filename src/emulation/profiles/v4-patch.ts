import { unmapByNode } from '../viommu/intel/unmap-in-migration.ts';
import type { Profile } from './profile.ts';
import { v5Patch } from './v5-patch.ts';

/** QEMU 10.2 with version 4 of the series (October 2025), whose UNMAPs of mappings still carry 0. */
export const v4Patch: Profile = {
  ...v5Patch,
  id: 'v4-patch',
  unmapInMigration: unmapByNode('migration-running', 'zero'),
};

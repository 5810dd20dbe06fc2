import { permission } from '../emulation/viommu/iova-tree.ts';

/** Bits beside the permissions that mappings carry here: a map of ranges has room for 8 in all. */
export const mappingFlag = {
  /** Permissions and guest address were not in the trace. */
  unknown: 4,
  /** A RAM section that the memory listener mapped, not a translation. */
  ram: 8,
  /** An unmap should have removed it and did not. */
  stale: 16,
  /** The guest address is not known. */
  addressUnknown: 32,
  /** An unmap that concerned it failed, or QEMU may have forgotten it in a replay. */
  kept: 64,
  /** Its MAP or its UNMAP failed, which has a report of its own. */
  failed: 128,
} as const;

/** True where two mappings let the device write, or both do not, as far as is known of them. */
export function isSameAccess(flags: number, others: number): boolean {
  const isUnknown = ((flags | others) & mappingFlag.unknown) !== 0;
  return isUnknown || ((flags ^ others) & permission.write) === 0;
}

import { type IovaTree, permission } from '../iova-tree.ts';

/** What `vtd_page_walk_one` does with an entry of the guest's tables; each has a line of its own. */
export type WalkStep =
  /** Nothing was mapped there: `vtd_page_walk_one_skip_unmap`. */
  | 'skip-unmap'
  /** All that is mapped there goes from the shadow, and an UNMAP is sent. */
  | 'unmap'
  /** The shadow has this mapping already: `vtd_page_walk_one_skip_map`. */
  | 'skip-map'
  /** It goes into the shadow, and a MAP is sent. */
  | 'map'
  /** An UNMAP first, which carries the new address, and then the MAP. */
  | 'change';

/**
 * `vtd_page_walk_one` (hw/i386/intel_iommu.c; the same in 7.2, 10.0, 10.2 and 11.0) for an entry of
 * the pages `first .. last` that leads to `gpa`, with the permissions of all levels; none: the entry
 * is not present. `shadow` is `as->iova_tree` before it.
 */
export function vtdPageWalkOne(
  shadow: IovaTree,
  first: number,
  last: number,
  gpa: number,
  permissions: number,
): WalkStep {
  const isMapped = shadow.overlaps(first, last);
  if (permissions === permission.none) return isMapped ? 'unmap' : 'skip-unmap';
  if (!isMapped) return 'map';
  const flags = shadow.flagsOf(first, last, gpa);
  const access = flags & (permission.read | permission.write);
  return flags >= 0 && access === permissions ? 'skip-map' : 'change';
}

/** Pages of the interrupt range, 0xfee00000 .. 0xfeefffff, which no notifier of VFIO covers. */
const INTERRUPT_RANGE = { first: 0xf_ee00, last: 0xf_eeff } as const;

/**
 * True where an event holds some of the interrupt range, and reaches beyond it, as
 * `memory_region_notify_iommu_one` (softmmu/memory.c, system/memory.c) up to 10.1 asserts it does not.
 */
export function crossesInterruptRange(first: number, last: number): boolean {
  const meets = first <= INTERRUPT_RANGE.last && last >= INTERRUPT_RANGE.first;
  return meets && (first < INTERRUPT_RANGE.first || last > INTERRUPT_RANGE.last);
}

import { pageOf } from '../base/address.ts';
import type { SentUnmaps } from './viommu/sent.ts';
import type { AddressRange } from './viommu/viommu.ts';

/**
 * True where a notifier is concerned by an event of the pages `first .. last`: what
 * `memory_region_notify_iommu_one` (softmmu/memory.c in 7.2, system/memory.c later) asks first.
 */
export function concernsNotifier(
  { start, end }: AddressRange,
  first: number,
  last: number,
): boolean {
  return first <= pageOf(end) && last >= pageOf(start);
}

/**
 * What the notifier of `n` gets of an UNMAP of the pages `first .. last`, added to `sent`:
 * `memory_region_notify_iommu_one` (softmmu/memory.c, system/memory.c) as of 10.2, which cuts the
 * event to the notifier and leaves the address as it was. Up to 10.1 an event that reaches beyond
 * fails an assertion.
 */
export function cropToNotifier(
  n: AddressRange,
  first: number,
  last: number,
  carried: number,
  sent: SentUnmaps,
): void {
  cropToPages(pageOf(n.start), pageOf(n.end), first, last, carried, sent);
}

/** The same of a notifier of the pages `start .. end`: what it has in addresses takes longer than all else. */
export function cropToPages(
  start: number,
  end: number,
  first: number,
  last: number,
  carried: number,
  sent: SentUnmaps,
): void {
  if (first > end || last < start) return;
  sent.add(Math.max(first, start), Math.min(last, end), carried);
}

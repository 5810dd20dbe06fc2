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
  if (!concernsNotifier(n, first, last)) return;
  sent.add(Math.max(first, pageOf(n.start)), Math.min(last, pageOf(n.end)), carried);
}

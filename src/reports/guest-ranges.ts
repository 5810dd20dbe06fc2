import { addressOfPage, PAGE_BYTES } from '../base/address.ts';
import { PageRangeSet } from '../base/page-range-set.ts';
import type { GuestRange } from '../result/types.ts';

/** Bytes `first .. last` of guest-physical space. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** What was read of lists of ranges: reports ask for the same ones several times, and they can be long. */
const known = new WeakMap<readonly GuestRange[], PageRangeSet>();

function pagesOf(ranges: readonly GuestRange[]): PageRangeSet {
  let pages = known.get(ranges);
  if (pages !== undefined) return pages;
  pages = new PageRangeSet();
  for (const { gpa, size } of ranges) {
    // A multiple of 4096 below 2^64 is a number without loss.
    const first = Number(gpa) / PAGE_BYTES;
    pages.add(first, first + Number(size) / PAGE_BYTES - 1);
  }
  known.set(ranges, pages);
  return pages;
}

/** The guest pages in any of the lists. */
export function union(lists: Iterable<readonly GuestRange[]>): PageRangeSet {
  const all = new PageRangeSet();
  for (const ranges of lists) all.addAll(pagesOf(ranges));
  return all;
}

/** Bytes of all of the pages. */
export function bytesIn(memory: PageRangeSet): number {
  return memory.pages * PAGE_BYTES;
}

/** The lowest `most` ranges, none touching the next. */
export function lowest(memory: PageRangeSet, most: number): readonly Span[] {
  const spans: Span[] = [];
  for (const { first, last } of memory) {
    if (spans.length >= most) break;
    spans.push({ first: addressOfPage(first), last: addressOfPage(last + 1) - 1n });
  }
  return spans;
}

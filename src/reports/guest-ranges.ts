import type { GuestRange } from '../result/types.ts';

/** Bytes `first .. end - 1` of guest-physical space. */
export interface Span {
  readonly first: bigint;
  readonly end: bigint;
}

/** The union of ranges: in order, none touching the next. */
export function union(ranges: Iterable<GuestRange>): readonly Span[] {
  const spans: Span[] = [];
  for (const { gpa, size } of ranges) {
    const first = BigInt(gpa);
    spans.push({ first, end: first + BigInt(size) });
  }
  spans.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const joined: { first: bigint; end: bigint }[] = [];
  for (const { first, end } of spans) {
    const last = joined.at(-1);
    if (last === undefined || first > last.end) joined.push({ first, end });
    else if (end > last.end) last.end = end;
  }
  return joined;
}

/** Bytes in all of them. */
export function bytesIn(spans: readonly Span[]): bigint {
  return spans.reduce((bytes, { first, end }) => bytes + (end - first), 0n);
}

import type { PageRangeMap } from '../../base/page-range-map.ts';

/** Bits beside the permissions that host mappings have here. */
export const hostFlag = {
  /** A section of RAM, and no translation. */
  ram: 8,
  /** The unmap of a whole space has left it. */
  stale: 16,
} as const;

/** A map of QEMU's or of the host's. */
type Held = Pick<PageRangeMap, 'flagsOf' | 'insert' | 'remove'>;

/** Takes what is in `common` in the pages `first .. last` out of it, and puts it into each of `own`. */
export function part(common: Held, own: readonly Held[], first: number, last: number): void {
  const taken = common.remove(first, last);
  for (let index = 0; index < taken.count; index += 1) {
    for (const map of own) {
      map.insert(taken.first(index), taken.last(index), taken.value(index), taken.flags(index));
    }
  }
}

/**
 * Takes what is in each of `own` in the pages `first .. last` out of them, and puts it into `common`;
 * but for what is stale: of a mapping in `common` nobody has to ask whether it is.
 */
export function unite(common: Held, own: readonly Held[], first: number, last: number): void {
  const [one, ...others] = own;
  if (one === undefined) return;
  const taken = one.remove(first, last);
  for (let index = 0; index < taken.count; index += 1) {
    const from = taken.first(index);
    const to = taken.last(index);
    const value = taken.value(index);
    const flags = taken.flags(index);
    const isInAll = others.every((map) => map.flagsOf(from, to, value) === flags);
    if (!isInAll || (flags & hostFlag.stale) !== 0) {
      one.insert(from, to, value, flags);
      continue;
    }
    for (const map of others) map.remove(from, to);
    common.insert(from, to, value, flags);
  }
}

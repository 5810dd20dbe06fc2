import { addressOfPage, pageOf } from '../base/address.ts';
import { alignedPow2Mask, type VtdAddressSpace } from './vtd-address-space.ts';

/** Widest address that chunks are checked against; the clamp to the real width only cuts the list off. */
const WIDEST = 57;

/** A whole unmap of one notifier. */
export interface Group {
  readonly firstPage: number;
  /** The notifier's end, before the clamp to the address width. */
  readonly end: bigint;
  /** Page that the next chunk begins with. */
  next: number;
  /** Its chunks among the held unmaps: from this index to the one before `to`. */
  readonly from: number;
  to: number;
  /** The device, once it is known or given up. */
  space: VtdAddressSpace | null;
  isResolved: boolean;
  /** By its closing line. */
  isClosed: boolean;
}

/** Whose a whole unmap is. */
export interface Owner {
  readonly space: VtdAddressSpace | null;
  /** Beyond doubt. */
  readonly isSure: boolean;
  /** By name, in the lines of the unmap. */
  readonly isNamed: boolean;
}

/** True where `first .. last` is one mapping of the device, cut to one of its notifiers. */
export function isNodeOfNotifier(space: VtdAddressSpace, first: number, last: number): boolean {
  const nodes = space.shadow.overlapping(first, last);
  if (nodes.count !== 1) return false;
  return space.effectiveNotifiers.some(
    ({ start, end }) =>
      Math.max(nodes.first(0), pageOf(start)) === first &&
      Math.min(nodes.last(0), pageOf(end)) === last,
  );
}

/** True where `first .. last` is the chunk that a whole unmap up to `end` sends from there. */
export function isChunk(first: number, last: number, end: bigint): boolean {
  const start = addressOfPage(first);
  if (start > end) return false;
  return pageOf(start + alignedPow2Mask(start, end, WIDEST)) === last;
}

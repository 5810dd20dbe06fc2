import { addressOfPage, pageOf } from '../base/address.ts';
import { isEndOfSpace, type Known } from './parameters.ts';
import {
  alignedPow2Mask,
  HIGH_NOTIFIER,
  LOW_NOTIFIER,
  type VtdAddressSpace,
} from './vtd-address-space.ts';

/** Widest address that chunks are checked against; the clamp to the real width only cuts the list off. */
const WIDEST = 57;

/** Where no line registers notifiers, those that VFIO always registers. */
export const ANY_NOTIFIER = [HIGH_NOTIFIER, LOW_NOTIFIER] as const;

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

/**
 * An UNMAP alone that looks like the first chunk of a whole unmap, and that no line closes. It can as
 * well be what a notifier gets of an entry that crosses the interrupt range, whose walk is not in the
 * trace.
 */
export function isLoneChunk(unit: readonly Group[]): boolean {
  const [group] = unit;
  if (unit.length !== 1 || group === undefined) return false;
  return !group.isResolved && group.to - group.from === 1;
}

/** Whether the chunks go up to the end of the notifier, or of the address space. */
export function isComplete(
  { next }: Group,
  end: bigint,
  { value, source }: Known<number | null>,
): boolean {
  const last = pageOf(end);
  if (next === last + 1) return true;
  return value !== null && source !== 'assumed' && next === 2 ** (value - 12);
}

/** Whether the chunks end where no whole unmap does, as far as that is known. */
export function isCut(group: Group, end: bigint, awBits: Known<number | null>): boolean {
  if (group.isClosed || isComplete(group, end, awBits)) return false;
  return awBits.source !== 'assumed' || !isEndOfSpace(group.next);
}

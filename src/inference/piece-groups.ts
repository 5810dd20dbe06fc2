import { pageOf } from '../base/address.ts';
import { IovaTree } from '../emulation/viommu/iova-tree.ts';
import { SentUnmaps } from '../emulation/viommu/sent.ts';
import type { AddressRange, Viommu } from '../emulation/viommu/viommu.ts';
import type { DeviceSpace } from './device-space.ts';
import { isEndOfSpace, type Known } from './parameters.ts';

/** The pieces that a whole unmap of each notifier sends, by the emulation of the VM's IOMMU. */
export class PiecePredictions {
  #viommu: Viommu | null = null;
  #known = new WeakMap<AddressRange, SentUnmaps>();
  /** Pieces do not depend on what is mapped. */
  readonly #nothing = new IovaTree();

  of(notifier: AddressRange, viommu: Viommu): SentUnmaps {
    if (viommu !== this.#viommu) this.#known = new WeakMap();
    this.#viommu = viommu;
    const known = this.#known.get(notifier);
    if (known !== undefined) return known;
    const pieces = new SentUnmaps();
    viommu.unmapWholeSpace(
      notifier,
      this.#nothing,
      { profile: { unmapInMigration: null }, isInMigration: false, awBits: viommu.widestBits },
      pieces,
    );
    this.#known.set(notifier, pieces);
    return pieces;
  }
}

/** True where piece number `index` of a prediction is the UNMAP of `first .. last`. */
export function isPiece(
  predicted: SentUnmaps,
  index: number,
  first: number,
  last: number,
): boolean {
  return (
    index < predicted.count && predicted.first(index) === first && predicted.last(index) === last
  );
}

/** A whole unmap of one notifier, as far as its pieces have come. */
export class PieceGroup {
  readonly notifier: AddressRange;
  #predicted: SentUnmaps;
  /** Its pieces among the held unmaps: from this index to the one before `to`. */
  readonly from: number;
  to: number;
  /** The device, once it is known or given up. */
  space: DeviceSpace | null = null;
  isResolved = false;
  /** By its closing line. */
  isClosed = false;

  constructor(notifier: AddressRange, predicted: SentUnmaps, from: number) {
    this.notifier = notifier;
    this.#predicted = predicted;
    this.from = from;
    this.to = from;
  }

  get firstPage(): number {
    return pageOf(this.notifier.start);
  }

  /** Page that the next piece begins with. */
  get next(): number {
    const count = this.to - this.from;
    return count === 0 ? this.firstPage : this.#predicted.last(count - 1) + 1;
  }

  /** The pieces are those of another IOMMU, which begin alike. */
  foresee(predicted: SentUnmaps): void {
    this.#predicted = predicted;
  }

  /** True where the UNMAP of `first .. last` is the next of its pieces. */
  continuesWith(first: number, last: number): boolean {
    return isPiece(this.#predicted, this.to - this.from, first, last);
  }

  /** Whether the pieces go up to `end` of the notifier, or of the address space. */
  isComplete(end: bigint, { value, source }: Known<number | null>): boolean {
    const { next } = this;
    if (next === pageOf(end) + 1) return true;
    return value !== null && source !== 'assumed' && next === 2 ** (value - 12);
  }

  /** Whether the pieces end where no whole unmap does, as far as that is known. */
  isCut(end: bigint, awBits: Known<number | null>): boolean {
    if (this.isClosed || this.isComplete(end, awBits)) return false;
    return awBits.source !== 'assumed' || !isEndOfSpace(this.next);
  }
}

/** Whose a whole unmap is. */
export interface Owner {
  readonly space: DeviceSpace | null;
  /** Beyond doubt. */
  readonly isSure: boolean;
  /** By name, in the lines of the unmap. */
  readonly isNamed: boolean;
}

/**
 * An UNMAP alone that looks like the first piece of a whole unmap, and that no line closes. It can as
 * well be what a notifier gets of an entry that crosses the interrupt range, whose walk is not in the
 * trace.
 */
export function isLonePiece(unit: readonly PieceGroup[]): boolean {
  const [group] = unit;
  if (unit.length !== 1 || group === undefined) return false;
  return !group.isResolved && group.to - group.from === 1;
}

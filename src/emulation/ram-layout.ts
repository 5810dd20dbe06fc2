/** Pages below 4 GiB. */
const FOUR_GIB = 2 ** 20;
/** Pages of RAM from which on q35 puts no more than `SPLIT` below 4 GiB: 2.75 GiB. */
const LARGE = 0xb_0000;
const SPLIT = 0x8_0000;

/** Where guest-physical RAM lies in QEMU's `ram_addr` space. All in pages. */
export interface RamLayout {
  /** Pages of RAM in all. */
  readonly totalPages: number;
  /** The page of `ram_addr` that a guest page has. */
  ramPage(guestPage: number): number;
  /**
   * The first page of `ram_addr` of a range of guest pages; NaN, which equals no page, where the range
   * is not wholly in one piece of RAM: then no place is right for its bits.
   */
  ramPageOf(firstGuestPage: number, lastGuestPage: number): number;
}

/** Pages of RAM that a q35 machine of `totalPages` puts below 4 GiB: `pc_q35_init` (hw/i386/pc_q35.c; 7.2, 10.0, 10.2). */
export function standardBelow(totalPages: number): number {
  return totalPages >= LARGE ? SPLIT : totalPages;
}

/**
 * The layout of a q35 machine with its main RAM at ram_addr 0: `pc_memory_init` (hw/i386/pc.c; 7.2,
 * 10.0, 10.2) maps it one to one below the hole under 4 GiB, and moved up by the hole's size above
 * it. Dirty bits are set by `ram_addr`, so an unmap that carries a guest-physical address above the
 * hole sets the wrong ones.
 */
export class PcRamLayout implements RamLayout {
  readonly totalPages: number;
  readonly belowPages: number;

  constructor(totalPages: number, belowPages = standardBelow(totalPages)) {
    this.totalPages = totalPages;
    this.belowPages = belowPages;
  }

  ramPage(guestPage: number): number {
    return guestPage < FOUR_GIB ? guestPage : guestPage - FOUR_GIB + this.belowPages;
  }

  ramPageOf(firstGuestPage: number, lastGuestPage: number): number {
    const isBelow = lastGuestPage < FOUR_GIB;
    const end = isBelow ? this.belowPages : this.totalPages - this.belowPages + FOUR_GIB;
    const isCut = firstGuestPage < FOUR_GIB && !isBelow;
    return isCut || lastGuestPage >= end ? Number.NaN : this.ramPage(firstGuestPage);
  }
}

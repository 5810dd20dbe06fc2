/** Pages below 4 GiB. */
const FOUR_GIB = 2 ** 20;
/** Pages of the first megabyte. */
const FIRST_MEGABYTE = 256;
/** First page of the part of it that holds option ROMs and firmware, or the RAM that shadows them. */
const ROMS_FROM = 0xc0;

/** Whether pages `first .. last` lie where a PC has ROMs in the first megabyte. */
export function mayBeRom(first: number, last: number): boolean {
  return first >= ROMS_FROM && last < FIRST_MEGABYTE;
}

/**
 * Where guest-physical RAM lies in QEMU's `ram_addr` space, for a q35 machine with its main RAM at
 * ram_addr 0: one to one below the hole under 4 GiB, and moved down by the hole's size above it.
 * Dirty bits are set by `ram_addr`, so an unmap that carries a guest-physical address above the
 * hole sets the wrong ones.
 */
export class RamLayout {
  /** Pages of RAM below 4 GiB; -1 while unknown. */
  #below = -1;
  /** Pages of RAM in all; -1 while unknown. */
  #total = -1;
  #source: 'option' | 'derived' | 'assumed' = 'assumed';
  #from = 'not in the trace; --ram-size and --below-4g would tell';
  /** Pages of RAM seen above 4 GiB. */
  #above = 0;

  /** From the command line, both in pages; `belowPages` -1: QEMU's default for this size. */
  static fromOptions(totalPages: number, belowPages: number): RamLayout {
    const layout = new RamLayout();
    layout.#total = totalPages;
    // pc_q35: 2 GiB below the hole once RAM reaches 0xb0000000, else all of it.
    const standard = totalPages >= 0xb0000 ? 0x80000 : totalPages;
    layout.#below = belowPages >= 0 ? belowPages : standard;
    layout.#source = 'option';
    layout.#from = belowPages >= 0 ? '--ram-size and --below-4g' : '--ram-size';
    return layout;
  }

  /**
   * A RAM section that the memory listener mapped while a device was not translated. Only those of
   * main RAM count: below the hole it begins at 0 or, once the chipset has cut the first megabyte
   * into pieces, behind that; above it at 4 GiB. Firmware and devices may lie right beside it.
   */
  addSection(firstPage: number, lastPage: number, line: number): void {
    if (this.#source === 'option') return;
    const isBelow = firstPage === 0 || firstPage === FIRST_MEGABYTE;
    if (isBelow && lastPage >= FIRST_MEGABYTE) this.#below = Math.min(lastPage + 1, FOUR_GIB);
    else if (firstPage === FOUR_GIB) this.#above = lastPage + 1 - FOUR_GIB;
    else return;
    if (this.#below < 0) return;
    this.#total = this.#below + this.#above;
    this.#source = 'derived';
    this.#from = `RAM sections mapped up to line ${line} (vfio_listener_region_add_ram)`;
  }

  /** True where a section is none of the main RAM, if that is known: firmware under 4 GiB. */
  isOutside(firstPage: number): boolean {
    return this.#below >= 0 && firstPage >= this.#below && firstPage < FOUR_GIB;
  }

  /** True where guest pages `first .. last` are all RAM, if the layout is known. */
  isInside(first: number, last: number): boolean {
    if (this.#below < 0) return false;
    return last < this.#below || (first >= FOUR_GIB && last < this.#total - this.#below + FOUR_GIB);
  }

  /** True where nothing tells yet whether a section under 4 GiB is main RAM or firmware. */
  mayBeOutside(firstPage: number): boolean {
    return this.#below < 0 && firstPage > FIRST_MEGABYTE && firstPage < FOUR_GIB;
  }

  /** Pages of RAM in all, or -1. */
  get totalPages(): number {
    return this.#total;
  }

  /** Pages of RAM below 4 GiB, or -1. */
  get belowPages(): number {
    return this.#below;
  }

  get source(): 'option' | 'derived' | 'assumed' {
    return this.#source;
  }

  get from(): string {
    return this.#from;
  }

  /**
   * The page of `ram_addr` that a guest page has; NaN above 4 GiB while the hole's size is unknown,
   * which equals no page, as it should: no layout makes it equal to the guest page.
   */
  ramPage(guestPage: number): number {
    if (guestPage < FOUR_GIB) return guestPage;
    return this.#below < 0 ? Number.NaN : guestPage - FOUR_GIB + this.#below;
  }

  /**
   * The first page of `ram_addr` of a range of guest pages; NaN also where the layout is known and
   * the range is not wholly in one piece of RAM: then no place is right for its bits.
   */
  ramPageOf(firstGuestPage: number, lastGuestPage: number): number {
    if (this.#below >= 0) {
      const end = lastGuestPage < FOUR_GIB ? this.#below : this.#total - this.#below + FOUR_GIB;
      if (lastGuestPage >= end) return Number.NaN;
    }
    if (firstGuestPage < FOUR_GIB && lastGuestPage >= FOUR_GIB) return Number.NaN;
    return this.ramPage(firstGuestPage);
  }
}

import { PageRangeSet } from '../base/page-range-set.ts';

/** Pages below 4 GiB. */
const FOUR_GIB = 2 ** 20;

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
  readonly #sections = new PageRangeSet();

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

  /** A RAM section that the memory listener mapped while a device was not translated. */
  addSection(firstPage: number, lastPage: number, line: number): void {
    if (this.#source === 'option') return;
    this.#sections.add(firstPage, lastPage);
    let below = 0;
    let above = 0;
    for (const { first, last } of this.#sections) {
      if (first === 0) below = Math.min(last + 1, FOUR_GIB);
      else if (first === FOUR_GIB) above = last + 1 - FOUR_GIB;
    }
    if (below === 0) return;
    this.#below = below;
    this.#total = below + above;
    this.#source = 'derived';
    this.#from = `RAM sections mapped up to line ${line} (vfio_listener_region_add_ram)`;
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
}

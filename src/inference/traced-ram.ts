import { PcRamLayout, type RamLayout } from '../emulation/ram-layout.ts';

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

/** Where the guest's RAM lies, as far as the user or the trace tells it. */
export class TracedRam implements RamLayout {
  /** Null while it is not known. */
  #layout: PcRamLayout | null = null;
  #source: 'option' | 'derived' | 'assumed' = 'assumed';
  #from = 'not in the trace; --ram-size and --below-4g would tell';
  /** Pages of RAM seen below and above 4 GiB; -1 and 0 before. */
  #below = -1;
  #above = 0;
  /** Where it lies in QEMU's memory from guest address 0 on; null while that is not known. */
  #mainAt: bigint | null = null;

  /** `options`: from the command line, in pages; `below` -1: QEMU's default for this size; null: the trace tells. */
  constructor(options: { readonly total: number; readonly below: number } | null = null) {
    if (options === null) return;
    const { below, total } = options;
    this.#layout = below >= 0 ? new PcRamLayout(total, below) : new PcRamLayout(total);
    this.#source = 'option';
    this.#from = below >= 0 ? '--ram-size and --below-4g' : '--ram-size';
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
    this.#layout = new PcRamLayout(this.#below + this.#above, this.#below);
    this.#source = 'derived';
    this.#from = `RAM sections mapped up to line ${line} (vfio_listener_region_add_ram)`;
  }

  /** The section that begins at guest address `start` lies at `vaddr` in QEMU's memory. */
  placeSection(start: bigint, vaddr: bigint): void {
    if (start === 0n) this.#mainAt = vaddr;
  }

  /** Whether it is known where main RAM lies in QEMU's memory. */
  get isPlaceKnown(): boolean {
    return this.#mainAt !== null;
  }

  /**
   * True of a section in the first megabyte that lies elsewhere in QEMU's memory than main RAM does
   * from page 0 on: option ROMs and firmware of q35, which are mapped read-only.
   */
  isRom(first: number, last: number, start: bigint, vaddr: bigint): boolean {
    return this.#mainAt !== null && mayBeRom(first, last) && vaddr - start !== this.#mainAt;
  }

  /** True where a section is none of the main RAM, if that is known: firmware under 4 GiB. */
  isOutside(firstPage: number): boolean {
    return this.#layout !== null && firstPage >= this.#layout.belowPages && firstPage < FOUR_GIB;
  }

  /** True where guest pages `first .. last` are all RAM, if the layout is known. */
  isInside(first: number, last: number): boolean {
    if (this.#layout === null) return false;
    const { belowPages, totalPages } = this.#layout;
    return last < belowPages || (first >= FOUR_GIB && last < totalPages - belowPages + FOUR_GIB);
  }

  /** True where nothing tells yet whether a section under 4 GiB is main RAM or firmware. */
  mayBeOutside(firstPage: number): boolean {
    return this.#layout === null && firstPage > FIRST_MEGABYTE && firstPage < FOUR_GIB;
  }

  /** Infinite while it is not known: nothing is past the end of it. */
  get totalPages(): number {
    return this.#layout?.totalPages ?? Number.POSITIVE_INFINITY;
  }

  /** Pages of RAM in all and below 4 GiB; null while they are not known. */
  get sizes(): { readonly totalPages: number; readonly belowPages: number } | null {
    return this.#layout;
  }

  get source(): 'option' | 'derived' | 'assumed' {
    return this.#source;
  }

  get from(): string {
    return this.#from;
  }

  /** NaN above 4 GiB while the hole's size is not known: no layout makes it equal to the guest page. */
  ramPage(guestPage: number): number {
    if (this.#layout !== null) return this.#layout.ramPage(guestPage);
    return guestPage < FOUR_GIB ? guestPage : Number.NaN;
  }

  ramPageOf(firstGuestPage: number, lastGuestPage: number): number {
    if (this.#layout !== null) return this.#layout.ramPageOf(firstGuestPage, lastGuestPage);
    return lastGuestPage < FOUR_GIB ? firstGuestPage : Number.NaN;
  }
}

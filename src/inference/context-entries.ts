/** In the place of a device: the command makes QEMU switch all of them. */
export const EVERY_DEVICE = -1;
/** In the place of a device: the command makes QEMU switch none, or does not tell which. */
export const NO_DEVICE = -2;

/**
 * Which devices have translations, as the switches of their address spaces show it: a switch looks
 * the device's context entry up, and `vtd_ce_not_present` says where there is none. QEMU walks the
 * tables of no other device, so that where only one has an entry, each walk is of its tables.
 *
 * Other look-ups print the same line, of an invalidation for one. So the line counts only where
 * nothing but a switch can have made it: before the first switch to translation, or right behind a
 * command that switches the device. Everywhere else a device is taken to have an entry.
 */
export class ContextEntries {
  /** Devices that are translated (bus << 8 | devfn). */
  readonly #translated = new Set<number>();
  /** Those of them that have an entry. */
  readonly #present = new Set<number>();
  /** Devices that have an entry, or have had one. */
  readonly #everPresent = new Set<number>();
  /** Devices that some line has switched. */
  readonly #known = new Set<number>();
  /** Looked up in vain since the newest command, or since their newest switch. */
  readonly #absent = new Set<number>();
  /** Switched by the newest command. */
  readonly #switched = new Set<number>();
  /** Whom the newest command makes QEMU switch. */
  #commanded = NO_DEVICE;
  /** QEMU makes devices without translation: the first switch of one that says otherwise shows that lines are missing. */
  #isWhole = true;
  /** Asked for at each notification. */
  #single: number | null = null;

  /** A command begins that makes QEMU switch a device, EVERY_DEVICE or NO_DEVICE. */
  command(bdf: number): void {
    this.#commanded = bdf;
    // Clearing a set makes a new table, even of an empty one.
    if (this.#absent.size > 0) this.#absent.clear();
    if (this.#switched.size > 0) this.#switched.clear();
  }

  /** `vtd_ce_not_present` of a device. */
  absent(bdf: number): void {
    this.#absent.add(bdf);
  }

  /** `vtd_switch_address_space` of a device. */
  switched(bdf: number, on: boolean): void {
    const isMissed = this.#absent.delete(bdf);
    const isFirst = !this.#translated.has(bdf);
    const isCommanded = this.#commanded === bdf || this.#commanded === EVERY_DEVICE;
    const isAsked = isFirst || (isCommanded && !this.#switched.has(bdf));
    const isPresent = on && !(isMissed && isAsked);
    if (isPresent) this.#everPresent.add(bdf);
    if (on) this.#translated.add(bdf);
    else this.#translated.delete(bdf);
    if (isPresent) this.#present.add(bdf);
    else this.#present.delete(bdf);
    if (on && !this.#known.has(bdf)) this.#isWhole = false;
    this.#known.add(bdf);
    this.#switched.add(bdf);
    const [single = null] = this.#present;
    this.#single = this.#present.size === 1 ? single : null;
  }

  /** The only device that has an entry; null where several have one, none, or lines are missing. */
  get singlePresent(): number | null {
    return this.#isWhole ? this.#single : null;
  }

  /** No other device than the only one has ever had an entry, so that none has left mappings behind. */
  get isSingleEver(): boolean {
    return this.#everPresent.size === 1;
  }

  /** Several devices have had one. */
  get hadSeveral(): boolean {
    return this.#everPresent.size > 1;
  }
}

import type { DeviceSpace } from './device-space.ts';

/**
 * Commands of AMD-Vi for a device that is translated, which nothing came of: it may have gone to another
 * domain, and then what it had mapped is still in the host (`amdvi_inval_devtab_entry`, hw/i386/amd_iommu.c; 10.2, 11.1).
 */
export class UnseenMoves {
  /** Line of the newest, while something may still come of it; or 0. */
  #open = 0;
  #first = 0;

  /** The entry of a device may have changed at this line; `mayMapMore`: than what it is known to map. */
  asked({ notifiers, shadow }: DeviceSpace, line: number, mayMapMore: boolean): void {
    const isTranslated = notifiers.length > 0 && (shadow.size > 0 || mayMapMore);
    this.#open = isTranslated ? line : 0;
  }

  /** An UNMAP of a whole space has come, which leaves nothing mapped. */
  unmappedWhole(): void {
    this.#open = 0;
  }

  /** Another command: nothing more comes of the one before. */
  settle(): void {
    this.#first = this.atLine;
    this.#open = 0;
  }

  /** Line of the first of them; 0 where there is none. */
  get atLine(): number {
    return this.#first > 0 ? this.#first : this.#open;
  }
}

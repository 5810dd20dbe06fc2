import type { DeviceSpace } from './device-space.ts';

/**
 * Commands of AMD-Vi for a device that is translated, which nothing came of: it may have gone to another
 * domain, and then what it had mapped is still in the host (`amdvi_inval_devtab_entry`, hw/i386/amd_iommu.c; 10.2, 11.1).
 */
export class UnseenMoves {
  #open: { readonly space: DeviceSpace; readonly line: number } | null = null;
  #first = 0;

  /** The entry of a device may have changed at this line. */
  asked(space: DeviceSpace, line: number): void {
    const isTranslated = space.notifiers.length > 0 && space.shadow.size > 0;
    this.#open = isTranslated ? { space, line } : null;
  }

  /** Another command: nothing more comes of the one before. */
  settle(): void {
    this.#first = this.atLine;
    this.#open = null;
  }

  /** Line of the first of them; 0 where there is none. A whole unmap leaves nothing mapped. */
  get atLine(): number {
    if (this.#first > 0 || this.#open === null) return this.#first;
    const { line, space } = this.#open;
    return space.shadow.size > 0 ? line : 0;
  }
}

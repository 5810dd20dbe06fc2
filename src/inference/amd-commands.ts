import { amdIommu } from '../emulation/viommu/amd/index.ts';
import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { bdfOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { VfioListener } from './sections.ts';

const at = {
  device: offsetsOf('amdvi_devtab_inval'),
  pages: offsetsOf('amdvi_pages_inval'),
} as const;

/**
 * The guest's commands to AMD-Vi. The line of a device's comes before what it brings: the whole unmap
 * of a device that is blocked or let through, the regions and MAPs of one that is translated now, or
 * nothing, where the device goes from one domain to another. The lines of other commands come behind
 * the MAPs and UNMAPs that they bring.
 */
export class AmdCommands {
  readonly #machine: Machine;
  readonly #listener: VfioListener;

  /** The machine is being reset, and its IOMMU has not been yet. */
  isReset = false;

  constructor(machine: Machine, listener: VfioListener) {
    this.#machine = machine;
    this.#listener = listener;
  }

  /** `amdvi_devtab_inval`: all that comes before the next command is of this device. */
  deviceInvalidated(cursor: BatchCursor): void {
    const bdf = bdfOf(cursor, at.device);
    this.isReset = false;
    this.#machine.unseenMoves.settle();
    this.#machine.showsViommu(amdIommu);
    this.#listener.concerns(bdf);
    const { attribution } = this.#machine;
    const isTraced = this.#machine.isTraced('vfio_listener_region_add_iommu');
    // Devices that VFIO has nothing to do with need no space.
    const mayBeNew = !isTraced && attribution.spaces.length === 0;
    const space = attribution.likely(bdf) ?? (mayBeNew ? attribution.named(bdf) : null);
    attribution.begin('device', space);
    const { unowned, unseenMoves } = this.#machine;
    if (space !== null) unseenMoves.asked(space, cursor.line, unowned.isAny);
  }

  /** `amdvi_pages_inval`: the MAPs and UNMAPs before it were of devices in this domain. */
  pagesInvalidated(cursor: BatchCursor): void {
    this.commandEnded();
    const { singleDevice } = this.#machine.attribution;
    if (singleDevice === null) return;
    singleDevice.domain = cursor.u32(at.pages.domain);
  }

  /** `vfio_device_reset_handler`: before the reset of the IOMMU. */
  resetBegins(): void {
    this.isReset = true;
  }

  /** Any other line: what comes now is of no device more than another. */
  commandEnded(): void {
    this.isReset = false;
    this.#machine.unseenMoves.settle();
    this.#machine.showsViommu(amdIommu);
    this.#machine.attribution.begin('idle');
    this.#listener.concernsAny();
  }
}

import type { ShadowNode } from './at-risk.ts';
import type { Layout } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import type { RangeMap } from './range-map.ts';
import type { VfioListener } from './vfio-listener.ts';

/** One assigned device behind an emulated IOMMU. */
export interface AssignedSpace {
  /** `bb:ss.f` */
  readonly device: string;
  /** null: an emulated device */
  readonly listener: VfioListener | null;
  /** what QEMU takes to be mapped */
  readonly shadow: RangeMap<ShadowNode>;
  readonly peakShadow: number;
  /** its region is the IOMMU's, not system memory */
  readonly enabled: boolean;
  /** A dirty sync of its mappings. */
  syncDirty(): void;
}

/** Where in the first reset of a machine an IOMMU has its turn. */
export type ResetMoment = 'before-devices' | 'after-handler' | 'after-memory';

/** An emulated IOMMU, as far as the boot, the monitor and the truth see it. */
export interface EmulatedIommu {
  /** assigned devices, by index */
  readonly assigned: readonly AssignedSpace[];
  /** The chipset's view of the first megabyte settles at the first reset. */
  layout: Layout;
  /** Lines before the devices are made. */
  powerOn(): void;
  /** Lines as an assigned device is made. */
  announce(device: string): void;
  /** Lines of the devices that are made behind the assigned ones. */
  announceOthers(): void;
  /** The first reset of the machine. */
  resetAtBoot(moment: ResetMoment): void;
  syncDirtyPages(): void;
}

/**
 * A dirty sync of each container, and the line of each listener.
 * Source: `vfio_listener_log_sync`, `memory_region_sync_dirty_bitmap`.
 */
export function syncDirtyPages(
  { options, writer }: Machine,
  spaces: readonly AssignedSpace[],
  layout: Layout,
): void {
  for (const space of spaces) {
    if (space.listener?.container.syncsDirtyPages) {
      if (space.enabled) space.syncDirty();
      else space.listener.syncRam(layout);
    }
    writer.trace('memory_region_sync_dirty', "mr '(all)' listener 'vfio' synced (global=0)");
  }
  if (!options.kvm) return;
  for (const listener of ['kvm-memory', 'kvm-smram']) {
    const args = `mr '(all)' listener '${listener}' synced (global=0)`;
    writer.trace('memory_region_sync_dirty', args);
  }
}

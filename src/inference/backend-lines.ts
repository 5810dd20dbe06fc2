import type { Backend } from '../base/vocabulary.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import { eventNames, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Machine } from './machine.ts';
import type { PageWalks } from './page-walks.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import type { VfioListener } from './sections.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  ioas: offsetsOf('iommufd_cdev_alloc_ioas'),
  hwpt: offsetsOf('iommufd_backend_alloc_hwpt'),
  map: offsetsOf('iommufd_backend_map_dma'),
  unmap: offsetsOf('iommufd_backend_unmap_dma'),
  userMap: offsetsOf('vfio_user_dma_map'),
} as const;

/** IOMMU_HWPT_ALLOC_DIRTY_TRACKING: the host's IOMMU can track dirty pages. */
const HWPT_DIRTY_TRACKING = 2;

/** Lines of iommufd and vfio-user: which kind of container there is, and what the host answered. */
export class BackendLines {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #walks: PageWalks;
  readonly #listener: VfioListener;

  constructor(machine: Machine, pending: PendingUnmaps, walks: PageWalks, listener: VfioListener) {
    this.#machine = machine;
    this.#pending = pending;
    this.#walks = walks;
    this.#listener = listener;
  }

  /** `iommufd_cdev_alloc_ioas`: a new container. */
  allocatedIoas(cursor: BatchCursor): void {
    const { containers } = this.#machine;
    const container =
      this.#listener.attachedUnseen() ??
      this.#listener.container ??
      containers.newest ??
      containers.make();
    container.ioas = cursor.u32(at.ioas.ioas);
    this.#is(container, 'iommufd', cursor);
  }

  /** `iommufd_backend_alloc_hwpt`: whether dirty tracking was asked for. */
  allocatedHwpt(cursor: BatchCursor): void {
    const { containers } = this.#machine;
    const container =
      containers.ofIoas(cursor.u32(at.hwpt.pt)) ?? this.#listener.container ?? containers.newest;
    if (container === null) return;
    this.#is(container, 'iommufd', cursor);
    container.isTrackingTold = true;
    container.canTrack = (cursor.u32(at.hwpt.flags) & HWPT_DIRTY_TRACKING) !== 0;
  }

  /** `iommufd_backend_map_dma` and `..._map_file_dma`. */
  mapped(cursor: BatchCursor): void {
    const { map } = this.#walks;
    const container = map.active
      ? map.container
      : this.#machine.containers.ofIoas(cursor.u32(at.map.ioas));
    if (container === null) return;
    container.ioas = cursor.u32(at.map.ioas);
    this.#is(container, 'iommufd', cursor);
    if (!map.active) {
      const [first, pages] = [cursor.page(at.map.iova), cursor.page(at.map.size)];
      this.#listener.sectionMapped(first, pages, cursor.u32(at.map.readonly) === 0);
      return;
    }
    if (cursor.i32(at.map.result) === 0) return;
    // The line has the ioctl's -1; which errno that was shows in QEMU's message, or by emulation.
    map.isRefused = true;
  }

  /** `iommufd_backend_unmap_dma` and `..._non_exist`. */
  unmapped(cursor: BatchCursor): void {
    const ioas = cursor.u32(at.unmap.ioas);
    const container =
      this.#pending.single?.container.value ?? this.#machine.containers.ofIoas(ioas);
    if (container === null) return;
    container.ioas = ioas;
    this.#is(container, 'iommufd', cursor);
  }

  /** `vfio_user_version`: a device is attached; the lines of its address space follow. */
  vfioUserVersion(cursor: BatchCursor): void {
    this.#is(this.#listener.attaching(), 'vfio-user', cursor);
  }

  /** `vfio_user_dma_map`. */
  vfioUserMapped(cursor: BatchCursor): void {
    this.#vfioUser(cursor);
    if (this.#walks.map.active) return;
    const [first, pages] = [cursor.page(at.userMap.iova), cursor.page(at.userMap.size)];
    const isWritable = (cursor.u32(at.userMap.flags) & permission.write) !== 0;
    this.#listener.sectionMapped(first, pages, isWritable);
  }

  /** `vfio_user_dma_unmap`. */
  vfioUserUnmapped(cursor: BatchCursor): void {
    this.#vfioUser(cursor);
  }

  #vfioUser(cursor: BatchCursor): void {
    const { map } = this.#walks;
    const { containers } = this.#machine;
    const container =
      (map.active ? map.container : null) ??
      this.#listener.container ??
      (containers.all.length === 0 ? containers.make() : containers.single);
    if (container !== null) this.#is(container, 'vfio-user', cursor);
  }

  #is(container: VfioContainer, backend: Backend, cursor: BatchCursor): void {
    if (container.backend === backend && container.backendSource === 'trace') return;
    container.setBackend(backend, 'trace', `${eventNames[cursor.kind]} at line ${cursor.line}`);
  }
}

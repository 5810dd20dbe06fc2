import { permission } from '../emulation/viommu/iova-tree.ts';
import { SentUnmaps } from '../emulation/viommu/sent.ts';
import { virtioIommu, virtioIommuNotify } from '../emulation/viommu/virtio/index.ts';
import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Machine } from './machine.ts';
import type { PageWalks } from './page-walks.ts';
import type { VfioListener } from './sections.ts';

const at = {
  attach: offsetsOf('virtio_iommu_attach'),
  map: offsetsOf('virtio_iommu_notify_map'),
  unmap: offsetsOf('virtio_iommu_notify_unmap'),
} as const;

/** Without that of a device's own memory, of which no MAP comes. */
const READ_WRITE = permission.read | permission.write;

/**
 * The guest's requests to virtio-iommu, and what each device is told of them. Every mapping and unmap
 * names its device, and mappings their guest address, so that nothing has to be inferred.
 */
export class VirtioRequests {
  readonly #machine: Machine;
  readonly #listener: VfioListener;
  readonly #walks: PageWalks;
  /** By bus << 8 | devfn. */
  readonly #domains = new Map<number, number>();
  /** A replay's line has come, and what it maps again has not. */
  #isReplayed = false;
  readonly #pieces = new SentUnmaps();

  constructor(machine: Machine, listener: VfioListener, walks: PageWalks) {
    this.#machine = machine;
    this.#listener = listener;
    this.#walks = walks;
  }

  /** A device's region is made, or any other line that tells no more than that there is one. */
  shown(): void {
    this.#machine.showsViommu(virtioIommu);
    this.#isReplayed = false;
  }

  /** `virtio_iommu_attach`. */
  attached(cursor: BatchCursor): void {
    this.requested();
    const bdf = cursor.u32(at.attach.endpoint);
    this.#machine.bounds.check('switched-devices', this.#domains.size);
    this.#domains.set(bdf, cursor.u32(at.attach.domain));
  }

  /** A request begins: what comes now is about other devices. */
  requested(): void {
    this.shown();
    this.#listener.forget();
    this.#machine.attribution.begin('idle');
  }

  /** `virtio_iommu_remap`: a region was registered, or dirty pages are being synced. */
  replayed(): void {
    this.shown();
    this.#isReplayed = true;
  }

  /** `virtio_iommu_notify_map`: MAPs of these pages follow, for each aligned part of them. */
  mapped(cursor: BatchCursor): void {
    const isReplay = this.#isReplayed;
    this.shown();
    const space = this.#listener.spaceOfRegion(cursor.text(at.map.region));
    if (space === null) return;
    space.domain = this.#domains.get(space.bdf ?? -1) ?? space.domain;
    // What the guest maps itself comes behind the replay of a registration.
    if (!isReplay) this.#machine.registering = null;
    const first = cursor.page(at.map.start);
    const last = cursor.page(at.map.end);
    this.#pieces.clear();
    virtioIommuNotify(first, last, cursor.page(at.map.gpa), this.#pieces);
    const permissions = cursor.u32(at.map.flags) & READ_WRITE;
    this.#walks.mapsPieces(cursor, space, first, last, this.#pieces, permissions, isReplay);
  }

  /** `virtio_iommu_notify_unmap`: UNMAPs follow, which carry address 0. */
  unmapped(cursor: BatchCursor): void {
    this.shown();
    const space = this.#listener.spaceOfRegion(cursor.text(at.unmap.region));
    if (space === null) return;
    const [first, last] = [cursor.page(at.unmap.start), cursor.page(at.unmap.end)];
    this.#walks.unmapsPieces(cursor, space, first, last);
  }
}

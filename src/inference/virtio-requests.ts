import { PageRangeMap } from '../base/page-range-map.ts';
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
  made: offsetsOf('virtio_iommu_init_iommu_mr'),
  free: offsetsOf('virtio_iommu_put_domain'),
  request: offsetsOf('virtio_iommu_map'),
  map: offsetsOf('virtio_iommu_notify_map'),
  unmap: offsetsOf('virtio_iommu_notify_unmap'),
  done: offsetsOf('virtio_iommu_unmap_done'),
} as const;

/** Without that of a device's registers, of which no MAP comes. */
const READ_WRITE = permission.read | permission.write;
/** `VIRTIO_IOMMU_MAP_F_MMIO`. */
const REGISTERS = 4;

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
  /** Of each domain, what leads to registers of devices: devices are told of its unmaps, and not of its mappings. */
  readonly #registers = new Map<number, PageRangeMap>();
  /** The domain out of which a device is taken that has just been attached to another one; null: none. */
  #left: { readonly bdf: number; readonly domain: number } | null = null;
  /** A replay's line has come, and what it maps again has not. */
  #isReplayed = false;
  readonly #pieces = new SentUnmaps();

  constructor(machine: Machine, listener: VfioListener, walks: PageWalks) {
    this.#machine = machine;
    this.#listener = listener;
    this.#walks = walks;
  }

  /** `virtio_iommu_init_iommu_mr`: the switch of its device comes next. */
  made(cursor: BatchCursor): void {
    this.shown();
    this.#listener.regionMade(cursor.text(at.made.name));
  }

  /** Any line that tells no more than that there is one. */
  shown(): void {
    this.#machine.showsViommu(virtioIommu);
    this.#isReplayed = false;
  }

  /** `virtio_iommu_attach`. */
  attached(cursor: BatchCursor): void {
    this.requested();
    const bdf = cursor.u32(at.attach.endpoint);
    const before = this.#domains.get(bdf);
    if (before !== undefined) this.#left = { bdf, domain: before };
    this.#machine.bounds.check('switched-devices', this.#domains.size);
    this.#domains.set(bdf, cursor.u32(at.attach.domain));
  }

  /** `virtio_iommu_map`. */
  mapRequested(cursor: BatchCursor): void {
    this.requested();
    if ((cursor.u32(at.request.flags) & REGISTERS) === 0) return;
    const domain = cursor.u32(at.request.domain);
    const ranges = this.#registers.get(domain) ?? new PageRangeMap();
    this.#registers.set(domain, ranges);
    ranges.insert(cursor.page(at.request.start), cursor.page(at.request.end), 0, 0);
    this.#machine.bounds.check('mappings', ranges.size);
    this.#machine.bounds.check('devices', this.#registers.size);
  }

  /** `virtio_iommu_unmap_done`: all devices of the domain have been told, and what was mapped there is gone. */
  unmapDone(cursor: BatchCursor): void {
    const ranges = this.#registers.get(cursor.u32(at.done.domain));
    ranges?.remove(cursor.page(at.done.start), cursor.page(at.done.end));
  }

  /** `virtio_iommu_put_domain`: it goes, with all that it maps. */
  freed(cursor: BatchCursor): void {
    this.requested();
    this.#registers.delete(cursor.u32(at.free.domain));
  }

  /** A request begins: what comes now is about other devices. */
  requested(): void {
    this.shown();
    this.#left = null;
    this.#listener.concernsAny();
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
    const bdf = space.bdf ?? -1;
    const domain = this.#left?.bdf === bdf ? this.#left.domain : this.#domains.get(bdf);
    const isOfRegisters = this.#registers.get(domain ?? -1)?.has(first, last) ?? false;
    this.#walks.unmapsPieces(cursor, space, first, last, isOfRegisters);
  }
}

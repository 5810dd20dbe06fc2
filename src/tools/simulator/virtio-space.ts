import { ADDRESS_MAX, alignedBlockMask, type GpaRange, hex } from './addresses.ts';
import type { ShadowNode } from './at-risk.ts';
import type { Layout } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import type { Permission } from './page-table.ts';
import { RangeMap } from './range-map.ts';
import type { VfioListener } from './vfio-listener.ts';
import type { AssignedSpace } from './viommu.ts';

/** A mapping of a domain, as the guest asked for it. */
export interface DomainMapping {
  readonly iova: bigint;
  readonly last: bigint;
  readonly gpa: bigint;
  /** 1 readable, 2 writable, 4 registers of a device, of which nobody is told */
  readonly flags: number;
}

export const MMIO_FLAG = 4;
const ADDRESS_BITS = 64;

/**
 * virtio-iommu's view of one assigned device: bypassed, or behind one notifier of all 64 bits. Sources: `IOMMUDevice`,
 * `virtio_iommu_switch_address_space`, `virtio_iommu_notify_map_unmap`, `virtio_iommu_replay`.
 */
export class VirtioSpace implements AssignedSpace {
  readonly device: string;
  /** bus << 8 | slot * 8 + function, as requests name it */
  readonly endpoint: number;
  readonly listener: VfioListener;
  /** the pieces in which its mappings were notified */
  readonly shadow = new RangeMap<ShadowNode>();
  peakShadow = 0;
  readonly #machine: Machine;
  readonly #region: string;
  /** of its domain, as a replay finds them */
  #mappings: RangeMap<DomainMapping> | null = null;

  constructor(machine: Machine, listener: VfioListener, index: number) {
    this.#machine = machine;
    this.listener = listener;
    this.device = listener.container.device;
    const bus = Number.parseInt(this.device.slice(0, 2), 16);
    this.endpoint = (bus << 8) | devfnOf(this.device);
    this.#region = regionName(this.device, index);
  }

  get enabled(): boolean {
    return this.#mappings !== null;
  }

  /** The device has joined a domain. */
  enable(layout: Layout, mappings: RangeMap<DomainMapping>): void {
    const { options, profile, writer } = this.#machine;
    this.#mappings = mappings;
    this.#traceSwitch();
    this.listener.deleteLayout(layout);
    const name = profile.namesRegion ? `${this.#region} ` : '';
    const range = `${hex(0n)} - ${hex(ADDRESS_MAX)}`;
    writer.trace('vfio_listener_region_add_iommu', `region_add [iommu] ${name}${range}`);
    if (options.qemu === '7.2') {
      const masks = 'old_mask=0xfffffffffffff000 new_mask=0x40201000';
      writer.trace('virtio_iommu_set_page_size_mask', `mr=${this.#region} ${masks}`);
    }
    writer.trace('virtio_iommu_notify_flag_add', `add notifier to mr ${this.#region}`);
    this.#replay();
    this.listener.container.sections = [{ start: 0n, end: ADDRESS_MAX }];
  }

  /** The device has left its domain, and nothing of it is mapped. */
  disable(layout: Layout): void {
    const { profile, writer } = this.#machine;
    this.#mappings = null;
    this.#traceSwitch();
    if (profile.namesRegion) {
      writer.trace('vfio_listener_region_del_iommu', `region_del [iommu] ${this.#region}`);
    }
    writer.trace('virtio_iommu_notify_flag_del', `del notifier from mr ${this.#region}`);
    this.listener.deleteIommuSection(0n, ADDRESS_MAX, []);
    this.listener.addLayout(layout);
  }

  map(mapping: DomainMapping): void {
    const { iova, last, gpa, flags } = mapping;
    if ((flags & MMIO_FLAG) !== 0) return;
    this.#machine.writer.trace(
      'virtio_iommu_notify_map',
      `mr=${this.#region} ${rangeText(mapping)} flags=${flags}`,
    );
    for (const piece of piecesOf(iova, last)) {
      const node = {
        iova: piece.iova,
        last: piece.iova + piece.size - 1n,
        gpa: gpa + (piece.iova - iova),
        permission: flags as Permission,
      };
      this.shadow.insert(node);
      this.peakShadow = Math.max(this.peakShadow, this.shadow.size);
      this.listener.notifyMap(piece.iova, piece.size, node.gpa, node.permission);
    }
  }

  /** Each piece carries address 0. */
  unmap({ iova, last }: DomainMapping): void {
    this.#machine.writer.trace(
      'virtio_iommu_notify_unmap',
      `mr=${this.#region} ${boundsText(iova, last)}`,
    );
    for (const piece of piecesOf(iova, last)) {
      const nodes = this.shadow.removeOverlapping(piece.iova, piece.iova + piece.size - 1n);
      const { size } = piece;
      const unmap = { iova: piece.iova, size, address: 0n, cause: 'request', nodes } as const;
      this.listener.notifyUnmap({ ...unmap, group: null });
    }
  }

  /**
   * A dirty sync: every mapping is mapped again by way of VFIO's ordinary notifier. The one that asks, which would fetch
   * the dirty bits, is not told of any.
   */
  syncDirty(): void {
    const { truth, writer } = this.#machine;
    const { container } = this.listener;
    const afterLine = writer.line;
    const atRisk = [...this.shadow]
      .filter((node) => (node.permission & 2) !== 0 && container.holds(node))
      .map(({ gpa, iova, last }): GpaRange => [gpa, last - iova + 1n]);
    this.#replay();
    if (atRisk.length === 0 || !container.tracked) return;
    const { device } = this;
    const lastLine = writer.line;
    truth.unsyncedRound({ device, container: container.index, afterLine, lastLine, atRisk });
  }

  #replay(): void {
    for (const mapping of this.#mappings ?? []) {
      if ((mapping.flags & MMIO_FLAG) !== 0) continue;
      const { writer } = this.#machine;
      writer.trace('virtio_iommu_remap', `mr=${this.#region} ${rangeText(mapping)}`);
      this.map(mapping);
    }
  }

  #traceSwitch(): void {
    const args = `Device ${this.device} switching address space (iommu enabled=${this.enabled ? 1 : 0})`;
    this.#machine.writer.trace('virtio_iommu_switch_address_space', args);
  }
}

/** Aligned powers of two. */
function piecesOf(iova: bigint, last: bigint): { iova: bigint; size: bigint }[] {
  const pieces: { iova: bigint; size: bigint }[] = [];
  for (let at = iova; at <= last; ) {
    const size = alignedBlockMask(at, last, ADDRESS_BITS) + 1n;
    pieces.push({ iova: at, size });
    at += size;
  }
  return pieces;
}

/** As requests and notifications print a range. */
export function boundsText(iova: bigint, last: bigint): string {
  return `virt_start=${hex(iova)} virt_end=${hex(last)}`;
}

/** The same with where it leads. */
export function rangeText({ iova, last, gpa }: DomainMapping): string {
  return `${boundsText(iova, last)} phys_start=${hex(gpa)}`;
}

/** The bus is missing in the name. @param index of the region, in the order in which they are made */
export function regionName(device: string, index: number): string {
  return `virtio-iommu-memory-region-${index}-${devfnOf(device)}`;
}

function devfnOf(device: string): number {
  const [, slot = '', fn = ''] = device.split(/[:.]/);
  return Number.parseInt(slot, 16) * 8 + Number.parseInt(fn, 16);
}

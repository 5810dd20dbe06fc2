import { VFIO_RANGES } from './address-space.ts';
import { ADDRESS_MAX, hex, maximum, minimum, wholeUnmapChunks } from './addresses.ts';
import type { DeviceEntry } from './amd-iommu.ts';
import type { ShadowNode } from './at-risk.ts';
import { INTERRUPT_HOLE, type Layout } from './guest-memory.ts';
import { type Machine, QemuDied } from './machine.ts';
import { entrySize, type PageTable, type Permission } from './page-table.ts';
import { RangeMap } from './range-map.ts';
import type { HostMapping } from './vfio-container.ts';
import type { VfioListener } from './vfio-listener.ts';
import type { AssignedSpace } from './viommu.ts';

type Range = (typeof VFIO_RANGES)[number];

/** One step of a walk: a page, or an absent entry of any level, whose size is the step's. */
interface Step {
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
  readonly permission: Permission;
}

/** What an address space asks of its IOMMU. */
interface DeviceTable {
  entry(device: string): DeviceEntry;
}

/** Notifiers cover all 64 bits: nothing clamps them to a width. */
const ADDRESS_BITS = 64;
const [LOW, HIGH] = VFIO_RANGES as readonly [Range, Range];

/**
 * AMD-Vi's view of one assigned device. Its region is the IOMMU's from the first translation to pass-through, blocked or
 * not. Sources: `AMDVIAddressSpace`, `amdvi_address_space_unmap`, `amdvi_sync_shadow_page_table_range`,
 * `amdvi_notify_iommu`, `amdvi_iommu_replay`.
 */
export class AmdSpace implements AssignedSpace {
  readonly device: string;
  readonly listener: VfioListener;
  readonly shadow = new RangeMap<ShadowNode>();
  peakShadow = 0;
  readonly #machine: Machine;
  readonly #table: DeviceTable;
  /** The newest is told first: the upper one. */
  #notifiers: readonly Range[] = [];
  #enabled = false;

  constructor(machine: Machine, table: DeviceTable, listener: VfioListener) {
    this.#machine = machine;
    this.#table = table;
    this.listener = listener;
    this.device = listener.container.device;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /**
   * The device's entry translates. From pass-through its region is made the IOMMU's, with a replay of each notifier; where
   * that has been so all along nothing is done, whatever domain it was in.
   */
  translate(layout: Layout): void {
    if (this.#enabled) {
      // To another domain, or to the one that it is in: what the guest's tables lack now stays.
      this.#markUnknown('moved');
      return;
    }
    this.#enabled = true;
    const { listener } = this;
    listener.deleteLayout(layout);
    for (const range of [LOW, HIGH]) {
      if (range === HIGH) listener.skip('region_add', INTERRUPT_HOLE);
      this.#machine.writer.trace(
        'vfio_listener_region_add_iommu',
        `region_add [iommu] amd_iommu ${hex(range.start)} - ${hex(range.end)}`,
      );
      this.#notifiers = [range, ...this.#notifiers];
      this.#unmapWhole(range);
      this.#walk(range.start, range.end, (step) => this.#found(step, false));
    }
    listener.container.sections = VFIO_RANGES;
  }

  /** System memory again: no mapping is left, or those whose unmap failed. */
  passThrough(layout: Layout): void {
    if (!this.#enabled) return;
    this.#enabled = false;
    const { listener } = this;
    for (const { start, end } of [LOW, HIGH]) {
      if (start === HIGH.start) listener.skip('region_del', INTERRUPT_HOLE);
      const args = 'region_del [iommu] amd_iommu';
      this.#machine.writer.trace('vfio_listener_region_del_iommu', args);
      this.#notifiers = this.#notifiers.filter((notifier) => notifier.start !== start);
      listener.deleteIommuSection(start, end, this.shadow.overlapping(start, end));
    }
    listener.addLayout(layout);
  }

  /** One whole unmap per notifier, whatever is mapped and whether dirty pages are tracked or not. */
  unmapAll(): void {
    for (const notifier of this.#notifiers) this.#unmapWhole(notifier);
  }

  /** The shadow is brought in line with the guest's tables, from `start` to `last`. */
  sync(start: bigint, last: bigint): void {
    if (this.#notifiers.length > 0) this.#walk(start, last, (step) => this.#found(step, true));
  }

  /** False where that would abort QEMU, and the options leave such commands out. */
  canSync(start: bigint, last: bigint): boolean {
    if (this.#notifiers.length === 0) return true;
    let can = true;
    this.#walk(start, last, (step) => {
      if (step.permission !== 0) return;
      const node = this.shadow.firstOverlap(step.iova, step.iova + step.size - 1n);
      if (node === undefined) return;
      const isLarger = node.last - node.iova + 1n >= step.size;
      // Where a walk begins or goes on inside a larger page is not known well enough.
      if (isLarger ? node.iova !== step.iova : this.#machine.options.tableLoss === 'avoided') {
        can = false;
      }
    });
    return can;
  }

  /**
   * A dirty sync: the shadow of each range is dropped, and its mappings are mapped again by way of VFIO's ordinary
   * notifiers. The one that asks, which would fetch the dirty bits, is not among them.
   */
  syncDirty(): void {
    const { container } = this.listener;
    const { truth, writer } = this.#machine;
    const afterLine = writer.line;
    const repeated: HostMapping[] = [];
    for (const { start, end } of [LOW, HIGH]) {
      this.shadow.removeOverlapping(start, end);
      this.#walk(start, end, (step) => {
        if (step.permission === 0) return;
        const { iova, last } = nodeOf(step);
        const held = container.host.firstOverlap(iova, last);
        if (held?.iova === iova && held.last === last && held.permission === 3) repeated.push(held);
        this.#found(step, false);
      });
    }
    this.#markUnknown('forgotten');
    if (repeated.length === 0 || !container.tracked) return;
    truth.unsyncedRound({
      device: this.device,
      container: container.index,
      afterLine,
      lastLine: writer.line,
      atRisk: repeated.map(({ gpa, iova, last }) => [gpa, last - iova + 1n]),
    });
  }

  #unmapWhole({ start, end }: Range): void {
    const { container } = this.listener;
    const { tracking, truth, writer } = this.#machine;
    const group = truth.nextGroup;
    truth.group({
      kind: 'whole-unmap',
      device: this.device,
      container: container.index,
      start,
      end,
      underTracking: tracking.flags !== 0,
      afterLine: writer.line,
      line: null,
      whatIfDrain: null,
      survivors: [],
    });
    for (const { iova, size } of wholeUnmapChunks(start, end, ADDRESS_BITS).chunks) {
      const nodes = this.shadow.overlapping(iova, iova + size - 1n);
      const cause = 'whole-unmap';
      this.listener.notifyUnmap({ iova, size, address: 0n, cause, nodes, group });
    }
    this.shadow.removeOverlapping(start, end);
  }

  // walks

  /** Calls `found` for each step from `start` to `last`, in ascending order. */
  #walk(start: bigint, last: bigint, found: (step: Step) => void): void {
    const entry = this.#table.entry(this.device);
    if (entry.kind !== 'domain') return;
    const end = minimum(last, entry.tables.limit - 1n);
    if (start <= end) walkTable(entry.tables.root, 0n, start, end, found);
  }

  #found(step: Step, notifiesUnmaps: boolean): void {
    if (step.permission !== 0) this.#map(nodeOf(step));
    else if (notifiesUnmaps) this.#unmap(step);
  }

  /** A page of the guest's tables. One that is known to lead elsewhere is not unmapped: the shadow keeps it. */
  #map(node: ShadowNode): void {
    const known = this.shadow.firstOverlap(node.iova, node.last);
    if (known !== undefined && isSame(known, node)) return;
    if (known === undefined) {
      this.shadow.insert(node);
      this.peakShadow = Math.max(this.peakShadow, this.shadow.size);
    } else {
      this.#machine.writer.error(
        'Found conflicting translation. This could be due to an incorrect or missing invalidation command',
      );
    }
    for (const notifier of this.#notifiers) {
      const part = cut(node.iova, node.last, notifier);
      if (part === null) continue;
      const { gpa, permission } = node;
      this.listener.notifyMap(part.iova, part.last - part.iova + 1n, gpa, permission);
    }
    if (known !== undefined) this.#markUnknown('changed', node);
    this.listener.confirm(node);
  }

  /** An absent entry: the page that the shadow has there goes, with the size that it has there. */
  #unmap({ iova, size, gpa }: Step): void {
    const node = this.shadow.firstOverlap(iova, iova + size - 1n);
    if (node === undefined) return;
    const known = node.last - node.iova + 1n;
    if (known < size) {
      this.#machine.writer.error(
        "hw/i386/amd_iommu.c:900: amdvi_notify_iommu: Assertion `mapped->size > target.size' failed.",
      );
      throw new QemuDied('abort', 'a smaller page was recorded than the walk steps over');
    }
    const last = iova + known - 1n;
    const nodes = this.shadow.removeOverlapping(iova, last);
    for (const notifier of this.#notifiers) {
      const part = cut(iova, last, notifier);
      if (part === null) continue;
      this.listener.notifyUnmap({
        iova: part.iova,
        size: part.last - part.iova + 1n,
        address: gpa,
        cause: 'page-walk',
        nodes,
        group: null,
      });
    }
  }

  // truth

  /** Marks what the host holds and the guest's tables have no longer, in the range of `within`. */
  #markUnknown(
    how: 'changed' | 'moved' | 'forgotten',
    within: { readonly iova: bigint; readonly last: bigint } = { iova: 0n, last: ADDRESS_MAX },
  ): void {
    const { container } = this.listener;
    const current = new RangeMap<ShadowNode>();
    this.#walk(0n, ADDRESS_MAX, (step) => {
      if (step.permission !== 0) current.insert(nodeOf(step));
    });
    for (const mapping of container.host.overlapping(within.iova, within.last)) {
      const real = current.firstOverlap(mapping.iova, mapping.last);
      if (mapping.stale === null && (real === undefined || real.gpa !== mapping.gpa)) {
        this.listener.markStale(mapping.iova, mapping.last, how, this.#machine.writer.line);
      }
    }
  }
}

function walkTable(
  table: PageTable,
  base: bigint,
  start: bigint,
  last: bigint,
  found: (step: Step) => void,
): void {
  const size = entrySize(table.level);
  const from = maximum(start, base);
  let index = Number((from - base) / size);
  for (; index < table.entries.length; index++) {
    const iova = base + BigInt(index) * size;
    if (iova > last) return;
    const entry = table.entries[index];
    if (entry?.kind === 'table' && entry.permission !== 0) {
      walkTable(entry.table, iova, start, last, found);
    } else if (entry?.kind === 'page') {
      found({ iova, size, gpa: entry.gpa, permission: entry.permission });
    } else found({ iova, size, gpa: 0n, permission: 0 });
  }
}

function nodeOf({ iova, size, gpa, permission }: Step): ShadowNode {
  return { iova, last: iova + size - 1n, gpa, permission };
}

function isSame(a: ShadowNode, b: ShadowNode): boolean {
  return a.iova === b.iova && a.last === b.last && a.gpa === b.gpa && a.permission === b.permission;
}

/** The part of an event that a notifier gets; null: none. */
function cut(iova: bigint, last: bigint, { start, end }: Range) {
  if (iova > end || last < start) return null;
  return { iova: maximum(iova, start), last: minimum(last, end) };
}

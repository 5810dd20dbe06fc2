import {
  ADDRESS_MAX,
  hex,
  maximum,
  minimum,
  unionOfRanges,
  wholeUnmapChunks,
  wrap64,
} from './addresses.ts';
import type { ShadowNode } from './at-risk.ts';
import { INTERRUPT_HOLE, type Layout } from './guest-memory.ts';
import { type Machine, QemuDied } from './machine.ts';
import { type DomainTables, entrySize } from './page-table.ts';
import { PageWalk, type WalkSink } from './page-walk.ts';
import { RangeMap } from './range-map.ts';
import type { DrainedNode, DrainOutcome, GroupTruth, MappingRange } from './truth.ts';
import type { VfioListener } from './vfio-listener.ts';

/** A context entry as the guest wrote it; undefined: not present. */
export type ContextEntry =
  | { readonly kind: 'domain'; readonly tables: DomainTables }
  | { readonly kind: 'pass-through' }
  | undefined;

/** A registered IOMMU notifier: VFIO's, the MAP-only one of a dirty sync, or vhost's. */
interface Notifier {
  readonly start: bigint;
  readonly end: bigint;
  readonly kind: 'vfio' | 'dirty-sync' | 'vhost';
}

/** The two ranges around the interrupt hole that VFIO registers, ascending. */
export const VFIO_RANGES: readonly { readonly start: bigint; readonly end: bigint }[] = [
  { start: 0n, end: INTERRUPT_HOLE.start - 1n },
  { start: INTERRUPT_HOLE.end + 1n, end: ADDRESS_MAX },
];

/** What an address space asks of the IOMMU that it belongs to. */
export interface IommuView {
  contextEntry(device: string): ContextEntry;
  /** its first notifier came, or its last one went */
  registered(space: AddressSpace, on: boolean): void;
}

/**
 * The emulated IOMMU's view of one device: its notifiers, its shadow of the guest's tables, its region on or off.
 * Sources: `VTDAddressSpace`, `vtd_address_space_unmap`, `vtd_address_space_unmap_in_dirty_tracking`,
 * `vtd_iommu_replay`, `vtd_address_space_sync`, `memory_region_notify_iommu_one`.
 */
export class AddressSpace implements WalkSink {
  /** `bb:ss.f` */
  readonly device: string;
  readonly bus: number;
  /** slot * 8 + function */
  readonly devfn: number;
  readonly shadow = new RangeMap<ShadowNode>();
  /** null: an emulated device */
  readonly listener: VfioListener | null;
  peakShadow = 0;
  readonly #machine: Machine;
  readonly #iommu: IommuView;
  readonly #vhost: boolean;
  /** newest first */
  #notifiers: readonly Notifier[] = [];
  /** the only notifier that a replay tells; null: all of them */
  #only: Notifier | null = null;
  #enabled = false;

  constructor(
    machine: Machine,
    iommu: IommuView,
    device: string,
    listener: VfioListener | null,
    vhost = false,
  ) {
    this.#machine = machine;
    this.#iommu = iommu;
    this.device = device;
    this.listener = listener;
    this.#vhost = vhost;
    const [bus = '', slot = '', fn = ''] = device.split(/[:.]/);
    this.bus = Number.parseInt(bus, 16);
    this.devfn = Number.parseInt(slot, 16) * 8 + Number.parseInt(fn, 16);
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** `bb:ss.ff`, as some events print it. */
  get longName(): string {
    return `${this.device.slice(0, -1)}0${this.device.slice(-1)}`;
  }

  get hasVfioNotifiers(): boolean {
    return this.#notifiers.some(({ kind }) => kind === 'vfio');
  }

  /** Reads the context entry as `vtd_dev_to_context_entry` does: an absent one leaves a line. */
  lookUp(): ContextEntry {
    const entry = this.#iommu.contextEntry(this.device);
    if (entry === undefined) {
      this.#machine.writer.trace(
        'vtd_ce_not_present',
        `Context entry bus ${this.bus} devfn ${this.devfn} not present`,
      );
    }
    return entry;
  }

  /** Switches between the IOMMU region and system memory; VFIO's listener follows. */
  setEnabled(on: boolean, layout: Layout): void {
    if (on === this.#enabled) return;
    this.#enabled = on;
    if (this.#vhost) {
      this.#notifiers = on ? [{ start: 0n, end: ADDRESS_MAX, kind: 'vhost' }] : [];
      this.#iommu.registered(this, on);
    } else if (this.listener !== null) {
      if (on) this.#addIommuSections(this.listener, layout);
      else this.#deleteIommuSections(this.listener, layout);
    }
  }

  /** One whole unmap per notifier, or what replaces it (`vtd_address_space_unmap` over all notifiers). */
  unmapAll(): void {
    for (const notifier of this.#notifiers) this.#unmap(notifier);
  }

  /** Brings the shadow in line with the guest's tables (`vtd_address_space_sync`). */
  sync(): void {
    if (!this.hasVfioNotifiers) return;
    const entry = this.lookUp();
    if (entry === undefined) this.unmapAll();
    else if (entry.kind === 'domain') this.walk(entry.tables);
  }

  /** Walks [start, end) of the guest's tables and tells every notifier. */
  walk(tables: DomainTables, start?: bigint, end?: bigint): void {
    this.#walk(tables, true, null, start, end);
  }

  /** Whether a walk of these tables would send an event across the interrupt hole, of which QEMU before 10.2 dies. */
  wouldCrossHole(tables: DomainTables): boolean {
    const { entry, level } = tables.path(INTERRUPT_HOLE.start);
    if (level === 1 || entry?.kind === 'reserved' || !this.hasVfioNotifiers) return false;
    if (entry?.kind === 'page' && entry.permission !== 0) return true;
    const size = entrySize(level);
    const start = INTERRUPT_HOLE.start - (INTERRUPT_HOLE.start % size);
    return this.shadow.overlaps(start, start + size - 1n);
  }

  /** A dirty sync: replays both ranges to a notifier that wants maps only. */
  syncDirty(): void {
    for (const range of VFIO_RANGES) this.#replay({ ...range, kind: 'dirty-sync' });
  }

  // WalkSink

  get watchesSkips(): boolean {
    return this.listener?.container.drifted ?? false;
  }

  map(node: ShadowNode): void {
    this.peakShadow = Math.max(this.peakShadow, this.shadow.size);
    const { listener } = this;
    if (listener === null) return;
    for (const notifier of this.#told()) {
      const part = this.#cut(node.iova, node.last, notifier);
      if (part === null) continue;
      const size = part.last - part.iova + 1n;
      // the address is not moved when the front is cut off
      if (notifier.kind === 'vfio') listener.notifyMap(part.iova, size, node.gpa, node.permission);
      else listener.notifyDirty(part.iova, size, node.gpa, node.permission);
    }
  }

  unmap(
    iova: bigint,
    last: bigint,
    address: bigint,
    cause: 'page-walk' | 'changed-translation',
    nodes: readonly ShadowNode[],
  ): void {
    for (const notifier of this.#told()) {
      this.#deliver(notifier, iova, last, address, cause, nodes, null);
    }
  }

  skippedUnmap(iova: bigint, last: bigint): void {
    this.listener?.markStale(iova, last, 'skipped', this.#machine.writer.line);
  }

  unchanged(node: ShadowNode): void {
    this.listener?.confirm(node);
  }

  // notifiers

  #told(): readonly Notifier[] {
    return this.#only === null ? this.#notifiers : [this.#only];
  }

  #addIommuSections(listener: VfioListener, layout: Layout): void {
    listener.deleteLayout(layout);
    VFIO_RANGES.forEach((range, i) => {
      if (i > 0) listener.skip('region_add', INTERRUPT_HOLE);
      const name = this.#machine.profile.namesRegion ? `${this.#regionName} ` : '';
      this.#machine.writer.trace(
        'vfio_listener_region_add_iommu',
        `region_add [iommu] ${name}${hex(range.start)} - ${hex(range.end)}`,
      );
      const notifier: Notifier = { ...range, kind: 'vfio' };
      if (this.#notifiers.length === 0) this.#iommu.registered(this, true);
      this.#notifiers = [notifier, ...this.#notifiers];
      this.#replay(notifier);
    });
    listener.container.sections = VFIO_RANGES;
  }

  #deleteIommuSections(listener: VfioListener, layout: Layout): void {
    VFIO_RANGES.forEach(({ start, end }, i) => {
      if (i > 0) listener.skip('region_del', INTERRUPT_HOLE);
      if (this.#machine.profile.namesRegion) {
        this.#machine.writer.trace(
          'vfio_listener_region_del_iommu',
          `region_del [iommu] ${this.#regionName}`,
        );
      }
      this.#notifiers = this.#notifiers.filter((notifier) => notifier.start !== start);
      listener.deleteIommuSection(start, end, this.shadow.overlapping(start, end));
    });
    this.#iommu.registered(this, false);
    listener.addLayout(layout);
  }

  /** The bus is missing in the name. */
  get #regionName(): string {
    return `vtd-${this.device.slice(3)}-dmar`;
  }

  /** The part of an event that a notifier gets; null: none. Before 10.2 QEMU aborts on a partial overlap. */
  #cut(
    iova: bigint,
    last: bigint,
    { start, end }: Notifier,
  ): { iova: bigint; last: bigint } | null {
    if (iova > end || last < start) return null;
    if (iova >= start && last <= end) return { iova, last };
    if (!this.#machine.profile.cropsEvents) {
      throw new QemuDied('abort', 'an event crosses the edge of a notifier');
    }
    return { iova: maximum(iova, start), last: minimum(last, end) };
  }

  #deliver(
    notifier: Notifier,
    iova: bigint,
    last: bigint,
    address: bigint,
    cause: 'page-walk' | 'changed-translation' | 'whole-unmap' | 'drain',
    nodes: readonly ShadowNode[],
    group: number | null,
  ): void {
    const part = this.#cut(iova, last, notifier);
    if (part === null || notifier.kind !== 'vfio' || this.listener === null) return;
    this.listener.notifyUnmap({
      iova: part.iova,
      size: part.last - part.iova + 1n,
      address,
      cause,
      nodes: nodes.filter((node) => node.iova <= part.last && node.last >= part.iova),
      group,
      noWhatIf: cause === 'whole-unmap' && this.#machine.profile.drainsUnderTracking,
    });
  }

  // whole unmaps

  #unmap(notifier: Notifier): void {
    const { profile, tracking } = this.#machine;
    if (profile.drainsUnderTracking && tracking.flags !== 0) this.#drain(notifier);
    else this.#unmapWhole(notifier);
  }

  #unmapWhole(notifier: Notifier): void {
    const { options, profile, truth, writer } = this.#machine;
    const { chunks, total } = wholeUnmapChunks(notifier.start, notifier.end, options.awBits);
    const group = truth.nextGroup;
    const record = this.#openGroup('whole-unmap', notifier);
    for (const { iova, size } of chunks) {
      const last = iova + size - 1n;
      const nodes = this.shadow.overlapping(iova, last);
      this.#deliver(notifier, iova, last, 0n, 'whole-unmap', nodes, group);
    }
    const line = writer.trace(
      'vtd_as_unmap_whole',
      `Device ${this.device} start ${hex(notifier.start)} size ${hex(total)}`,
    );
    if (record !== null) record.line = line;
    const lastOffset = profile.wholeUnmapClearsOneByteMore ? total : total - 1n;
    this.shadow.removeOverlapping(notifier.start, notifier.start + lastOffset);
  }

  /** One unmap per shadow node that the search finds; the rest stays, without a line. */
  #drain(notifier: Notifier): void {
    if (notifier.kind !== 'vfio') return;
    const { options, truth, writer } = this.#machine;
    const group = truth.nextGroup;
    const record = this.#openGroup('drain', notifier);
    for (const node of this.#drained(notifier)) {
      this.#deliver(notifier, node.iova, node.last, node.gpa, 'drain', [node], group);
      this.shadow.removeOverlapping(node.iova, node.last);
    }
    const last = minimum(notifier.end, (1n << BigInt(options.awBits)) - 1n);
    this.listener?.markStale(notifier.start, last, 'not-drained', writer.line);
    if (record !== null) record.survivors = this.#nodesWithin(notifier);
  }

  /**
   * The nodes that the drain's search finds, in the order of a balanced tree's roots. The search range begins at the
   * notifier's start and its end is start + END, which wraps for the upper notifier: a range that ends below its start and
   * that only a node across the hole can match.
   */
  #drained({ start, end }: Notifier): ShadowNode[] {
    const searchEnd = wrap64(start + end);
    const found = this.shadow
      .overlapping(minimum(start, searchEnd), maximum(start, searchEnd))
      .filter((node) => node.iova <= searchEnd && node.last >= start);
    return inTreeOrder(found);
  }

  #nodesWithin({ start, end }: Notifier): MappingRange[] {
    return this.shadow
      .overlapping(start, end)
      .map(({ iova, last, gpa }) => ({ iova, size: last - iova + 1n, gpa }));
  }

  #openGroup(kind: GroupTruth['kind'], notifier: Notifier): OpenGroup | null {
    if (notifier.kind !== 'vfio' || this.listener === null) return null;
    const { profile, tracking, truth, writer } = this.#machine;
    const record: OpenGroup = {
      kind,
      device: this.device,
      container: this.listener.container.index,
      start: notifier.start,
      end: notifier.end,
      underTracking: tracking.flags !== 0,
      afterLine: writer.line,
      line: null,
      whatIfDrain:
        profile.drainsUnderTracking && kind === 'whole-unmap'
          ? this.#drainUnderTracking(notifier, this.listener)
          : null,
      survivors: [],
    };
    truth.group(record);
    return record;
  }

  /** The drain that tracking would have made of a whole unmap. */
  #drainUnderTracking(notifier: Notifier, listener: VfioListener): DrainOutcome {
    const found = this.#drained(notifier);
    const delivered = found.flatMap((node): DrainedNode[] => {
      const part = this.#cut(node.iova, node.last, notifier);
      if (part === null) return [];
      const size = part.last - part.iova + 1n;
      const request = { iova: part.iova, size, address: node.gpa, of: 'dma', line: null } as const;
      const { errno, atRisk } = listener.outcomeUnderTracking(request, [node]);
      return [{ iova: part.iova, size, carriedAddress: node.gpa, errno, atRisk }];
    });
    const gone = new Set(found.map(({ iova }) => iova));
    return {
      delivered,
      survivors: this.#nodesWithin(notifier).filter(({ iova }) => !gone.has(iova)),
      atRisk: unionOfRanges(delivered.flatMap(({ atRisk }) => atRisk)),
    };
  }

  // walks and replays

  #walk(
    tables: DomainTables,
    notifiesUnmaps: boolean,
    only: Notifier | null,
    start?: bigint,
    end?: bigint,
  ): void {
    const { options, writer } = this.#machine;
    this.#only = only;
    new PageWalk(writer, this, tables, options.awBits, notifiesUnmaps).run(start, end);
    this.#only = null;
  }

  /** Source: `vtd_iommu_replay`: at region_add and, per range, at each dirty sync. */
  #replay(notifier: Notifier): void {
    const { profile, writer } = this.#machine;
    if (profile.replayUnmaps) this.#unmapWhole(notifier);
    else this.shadow.clear();
    const entry = this.lookUp();
    if (entry?.kind !== 'domain') {
      writer.trace('vtd_replay_ce_invalid', `replay invalid context device ${this.longName}`);
    } else {
      const { id, levels, root } = entry.tables;
      // address width field: 1 = three levels, 2 = four
      const high = (id << 8) | (levels - 2);
      writer.trace(
        'vtd_replay_ce_valid',
        `legacy mode: replay valid context device ${this.longName} domain ${hex(id)} hi ${hex(high)} lo ${hex(root.base | 1n)}`,
      );
      this.#walk(entry.tables, false, notifier);
    }
    this.#noticeDrift();
  }

  /** After a replay the shadow may have lost mappings that the host still holds. */
  #noticeDrift(): void {
    if (this.listener === null) return;
    const { container } = this.listener;
    for (const mapping of container.host) {
      if (!this.shadow.overlaps(mapping.iova, mapping.last)) container.drifted = true;
    }
  }
}

/** A group whose last facts are known only at its end. */
type OpenGroup = { -readonly [K in keyof GroupTruth]: GroupTruth[K] };

/** Root first, then left and right half: how a balanced tree is emptied from its root. */
function inTreeOrder<T>(sorted: readonly T[]): T[] {
  if (sorted.length === 0) return [];
  const middle = sorted.length >> 1;
  return [
    ...sorted.slice(middle, middle + 1),
    ...inTreeOrder(sorted.slice(0, middle)),
    ...inTreeOrder(sorted.slice(middle + 1)),
  ];
}

import { dirtyBitmapBytes, type GpaRange, hex } from './addresses.ts';
import type { DirtyLogListener } from './dirty-tracking.ts';
import { type Machine, QemuDied } from './machine.ts';
import { type Ranged, RangeMap } from './range-map.ts';
import type { DirtyQuery, StaleTruth, UnmapErrno } from './truth.ts';

/** One mapping that the host really holds. */
export interface HostMapping extends Ranged {
  readonly gpa: bigint;
  /** read-only or read and write */
  readonly permission: 1 | 3;
  readonly of: 'dma' | 'ram';
  /** set once an unmap should have removed it and did not */
  stale: StaleTruth | null;
}

export interface MapRequest {
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
  readonly permission: 1 | 3;
  readonly of: 'dma' | 'ram';
  /** host virtual address */
  readonly pointer: bigint;
}

export interface UnmapRequest {
  readonly iova: bigint;
  readonly size: bigint;
  /** translated address of the iotlb entry; null: there is none */
  readonly address: bigint | null;
  readonly of: 'dma' | 'ram';
  /** line of the event, for the truth */
  readonly line: number | null;
}

/** How an unmap ends and whether it takes mappings away. */
export interface UnmapVerdict {
  readonly query: DirtyQuery;
  readonly errno: UnmapErrno;
  readonly removes: boolean;
}

/** How a dirty query ended, with the message of a failure. */
export interface QueryResult {
  readonly errno: 0 | -12 | -22;
  readonly message: string;
}

/** QEMU's dirty bitmap is allocated in blocks of 2^21 pages. */
const DIRTY_BLOCK_BYTES = 1n << 33n;

/** Memory of ROMs and devices that follows main RAM in RAM block space: a little is always there. */
const OTHER_BLOCKS_BYTES = 1n << 28n;

/** A VFIO container: what QEMU does with a mapping, and what the host then holds. One device each. */
export abstract class VfioContainer implements DirtyLogListener {
  readonly index: number;
  /** guest address `bb:ss.f` of its device */
  readonly device: string;
  /** host address of its device, as VFIO's lines print it */
  readonly hostDevice: string;
  /** what `%p` prints for it */
  readonly pointer: string;
  readonly host = new RangeMap<HostMapping>();
  /** host and shadow may disagree: mappings may be left that no walk knows */
  drifted = false;
  peak = 0;
  /** sections that the listener knows now, for device tracking's ranges */
  sections: readonly { readonly start: bigint; readonly end: bigint }[] = [];
  protected readonly machine: Machine;
  #trackingStarted = false;

  constructor(machine: Machine, index: number, device: string) {
    this.machine = machine;
    this.index = index;
    this.device = device;
    this.hostDevice = `0000:00:0${5 + index}.0`;
    this.pointer = hex(
      0x5500_0000_0000n + BigInt(machine.random.below(1 << 28)) * 0x1000n + 0x430n,
    );
  }

  /** Lines of the attachment, at boot. */
  abstract attachLines(): void;
  protected abstract startLines(): boolean;
  protected abstract stopLines(): void;
  /** What an unmap would return, without doing it.
   *  @param enoughMemory every bitmap can be allocated: nobody can foresee that one could not */
  abstract judge(request: UnmapRequest, tracked: boolean, enoughMemory?: boolean): UnmapVerdict;
  protected abstract mapHost(request: MapRequest): -17 | -28 | null;
  protected abstract unmapHost(request: UnmapRequest, verdict: UnmapVerdict): void;
  /** The back end's part of a dirty query. @returns 0 or -22 */
  protected abstract queryHost(iova: bigint, size: bigint, flag: number): 0 | -22;

  /** Dirty tracking is on for this container. */
  get tracked(): boolean {
    const { profile, tracking } = this.machine;
    return profile.tracksByMigrationStatus ? tracking.savesWhileRunning : this.#trackingStarted;
  }

  get tracksItself(): boolean {
    return this.machine.options.deviceTracking;
  }

  /** A dirty sync walks this container: tracking is on (7.2: a migration is) and its device has migration support. */
  get syncsDirtyPages(): boolean {
    const { options, profile, tracking } = this.machine;
    const on = profile.tracksByMigrationStatus ? tracking.setupOrActive : this.#trackingStarted;
    return on && options.migratable;
  }

  startDirtyLog(): void {
    this.#trackingStarted = this.tracksItself ? this.#startDeviceLog() : this.startLines();
  }

  stopDirtyLog(): void {
    if (this.#trackingStarted && !this.tracksItself) this.stopLines();
    this.#trackingStarted = false;
  }

  /** Maps, or says why not. @returns null on success */
  map(request: MapRequest): -17 | -28 | null {
    const error = this.mapHost(request);
    if (error === null) this.peak = Math.max(this.peak, this.host.size);
    return error;
  }

  /** Whether the host has exactly this mapping. */
  holds({ iova, last, gpa }: Pick<HostMapping, 'iova' | 'last' | 'gpa'>): boolean {
    const held = this.host.firstOverlap(iova, last);
    return held?.iova === iova && held.last === last && held.gpa === gpa;
  }

  /** Carries out an unmap that was judged. */
  unmap(request: UnmapRequest, verdict: UnmapVerdict): void {
    this.unmapHost(request, verdict);
    // iommufd's success may leave a mapping that the range cuts through
    const isLeft = this.host.overlaps(request.iova, request.iova + request.size - 1n);
    if (verdict.errno !== 0 || isLeft) this.drifted = true;
    if (this.host.size === 0) this.drifted = false;
  }

  /** The dirty query of one mapping in a sync: its bits go where they belong. */
  syncDirty(iova: bigint, size: bigint, address: bigint): QueryResult {
    return this.query({ iova, size, address, of: 'dma', line: null }, 0, null);
  }

  /**
   * Queries and marks the dirty pages of a range. QEMU marks before it writes the line.
   * Source: `vfio_get_dirty_bitmap`, `vfio_container_query_dirty_bitmap`.
   * @param flag the back end's flag: 1 = do not clear
   * @param unmapped the mappings that an unmap is about to take or has taken; null in a sync
   */
  protected query(
    request: UnmapRequest & { readonly address: bigint },
    flag: number,
    unmapped: readonly HostMapping[] | null,
  ): QueryResult {
    const { iova, size } = request;
    const bytes = this.bitmapBytes(size);
    if (this.lacksMemoryFor(bytes)) {
      const message = 'Failed to allocate dirty tracking bitmap: Cannot allocate memory';
      return { errno: -12, message };
    }
    if (!this.tracksItself && this.queryHost(iova, size, flag) !== 0) {
      return { errno: -22, message: this.queryFailure(iova, size) };
    }
    const mappings = unmapped ?? this.host.overlapping(iova, iova + size - 1n);
    const written = mappings.filter((mapping) => this.#isDirty(mapping));
    if (unmapped !== null) this.mark(request, unmapped, written);
    this.#traceQuery(request, bytes, flag, this.#pagesOf(written));
    return { errno: 0, message: '' };
  }

  bitmapBytes(size: bigint): bigint {
    return dirtyBitmapBytes(size, this.machine.options.hostPageSize);
  }

  lacksMemoryFor(bitmapBytes: bigint): boolean {
    const { bitmapMemoryBytes } = this.machine.options;
    return bitmapMemoryBytes !== null && bitmapBytes >= bitmapMemoryBytes;
  }

  protected abstract queryFailure(iova: bigint, size: bigint): string;
  /** Every mapped page counts as dirty (type1 without pinned pages), or only those that were written. */
  protected abstract get reportsAllMapped(): boolean;

  protected put(request: MapRequest): void {
    const { iova, size, gpa, permission, of } = request;
    this.host.insert({ iova, last: iova + size - 1n, gpa, permission, of, stale: null });
  }

  protected remove(iova: bigint, last: bigint, line: number | null): HostMapping[] {
    const removed = this.host.removeOverlapping(iova, last);
    for (const { stale } of removed)
      if (stale !== null) stale.gone = line ?? this.machine.writer.line;
    return removed;
  }

  /**
   * Bits of these mappings under an unmap: bit k of the bitmap is page `address` + k pages of RAM block space.
   * Records those that go past the end of RAM; kills QEMU if a dirty one goes far past it.
   * @param written the mappings that really are dirty
   */
  protected mark(
    { address, iova, size, line }: UnmapRequest,
    mappings: readonly HostMapping[],
    written: readonly HostMapping[],
  ): void {
    if (address === null) return;
    const { memory, options, tracking, truth } = this.machine;
    const place = (m: HostMapping): GpaRange => [address + (m.iova - iova), m.last - m.iova + 1n];
    const marks = mappings
      .filter((mapping) => this.reportsAllMapped || mapping.permission === 3)
      .map(place)
      .filter(([at, length]) => at + length > memory.ramSize);
    if (marks.length === 0) return;
    const blocks = (memory.ramSize + OTHER_BLOCKS_BYTES) / DIRTY_BLOCK_BYTES + 1n;
    const end = blocks * DIRTY_BLOCK_BYTES;
    const far = written.map(place).some(([at, length]) => at + length > end);
    const fatal = options.pastRam === 'dies' && far;
    if (!tracking.isHandedOver) {
      truth.marksPastRam({ line, device: this.device, iova, size, marks, fatal });
    }
    if (fatal) throw new QemuDied('sigsegv', 'dirty bits marked past the end of the bitmap');
  }

  #isDirty({ permission }: HostMapping): boolean {
    return this.reportsAllMapped || (permission === 3 && this.machine.random.chance(0.6));
  }

  #pagesOf(mappings: readonly HostMapping[]): number {
    const page = BigInt(this.machine.options.hostPageSize);
    return mappings.reduce((sum, { iova, last }) => sum + Number((last - iova + 1n) / page), 0);
  }

  #traceQuery(
    { iova, size, address }: UnmapRequest & { readonly address: bigint },
    bytes: bigint,
    flag: number,
    dirty: number,
  ): void {
    const { profile, writer } = this.machine;
    const range = `iova=${hex(iova)} size=`;
    const bitmap = `bitmap_size=${hex(bytes)}`;
    if (profile.dirtyQueryEvent === '7.2') {
      const args = `container fd=${20 + this.index}, ${range} ${hex(size)} ${bitmap} start=${hex(address)}`;
      writer.trace('vfio_get_dirty_bitmap', args);
    } else if (profile.dirtyQueryEvent === '10.0') {
      const args = `${range} ${hex(size)} ${bitmap} start=${hex(address)} dirty_pages=${dirty}`;
      writer.trace('vfio_get_dirty_bitmap', args);
    } else {
      const eleven = profile.dirtyQueryEvent === '11';
      const sized = eleven ? `${hex(size)} backend_flag=${hex(flag)}` : ` ${hex(size)}`;
      const args = `${range}${sized} ${bitmap} gpa=${hex(address)} dirty_pages=${dirty}`;
      writer.trace('vfio_container_query_dirty_bitmap', args);
    }
  }

  /** Lines of `vfio_devices_dma_logging_start`: one per section, then the ranges that the device is told. */
  #startDeviceLog(): boolean {
    const { writer } = this.machine;
    const limit = 0xffff_ffffn;
    let [min32, max32, min64, max64] = [limit, 0n, (1n << 64n) - 1n, 0n];
    for (const { start, end } of this.sections) {
      if (end <= limit) {
        [min32, max32] = [start < min32 ? start : min32, end > max32 ? end : max32];
        this.#sectionLine(start, end, min32, max32);
      } else {
        [min64, max64] = [start < min64 ? start : min64, end > max64 ? end : max64];
        this.#sectionLine(start, end, min64, max64);
      }
    }
    const ranges = (max32 === 0n ? 0 : 1) + (max64 === 0n ? 0 : 1);
    writer.trace(
      'vfio_device_dirty_tracking_start',
      `nr_ranges ${ranges} 32:[${hex(min32)} - ${hex(max32)}], 64:[${hex(min64)} - ${hex(max64)}], pci64:[0xffffffffffffffff - 0x0]`,
    );
    return true;
  }

  #sectionLine(start: bigint, end: bigint, min: bigint, max: bigint): void {
    const args = `section ${hex(start)} - ${hex(end)} -> update [${hex(min)} - ${hex(max)}]`;
    this.machine.writer.trace('vfio_device_dirty_tracking_update', args);
  }
}

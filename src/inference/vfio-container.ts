import { type PageRange, PageRangeMap, type RangeScratch } from '../base/page-range-map.ts';
import type { Backend } from '../base/vocabulary.ts';
import type { ContainerBackend } from '../emulation/vfio/container-backend.ts';
import { iommufdBackend } from '../emulation/vfio/iommufd.ts';
import { legacyBackend } from '../emulation/vfio/legacy.ts';
import { vfioUserBackend } from '../emulation/vfio/vfio-user.ts';
import { isSameAccess, mappingFlag } from './mapping-flags.ts';

const backends: Readonly<Record<Backend, ContainerBackend>> = {
  legacy: legacyBackend,
  iommufd: iommufdBackend,
  'vfio-user': vfioUserBackend,
};

/** A VFIO container: what the host really maps for the devices in it. */
export class VfioContainer {
  readonly id: string;
  readonly host = new PageRangeMap();
  /** Names of its devices on the host, where lines told them. */
  readonly hostNames = new Set<string>();
  /** Which of them log their own DMA, by name, where lines told it. */
  readonly dmaLogs = new Map<string, boolean>();
  /** QEMU has asked the IOMMU for dirty bits, as it does not where all devices log their own DMA. */
  isIommuAsked = false;
  backend: Backend = 'legacy';
  /** How the backend is known. */
  backendSource: 'option' | 'trace' | 'derived' | 'assumed' = 'assumed';
  backendFrom = 'no line of iommufd or vfio-user; --backend would settle it';
  /** False where the host's IOMMU is known not to track dirty pages. */
  canTrack = true;
  /** A line has told whether it can. */
  isTrackingTold = false;
  /** The pointer QEMU prints in errors, in hex, once one was seen. */
  pointer = '';
  /** iommufd's number of the address space, or -1. */
  ioas = -1;
  peak = 0;
  /** Host mappings that an unmap should have removed and did not. */
  staleCount = 0;
  /** First pages of what the host took where QEMU knew another translation, which it keeps (AMD-Vi). */
  readonly #changed = new Set<number>();
  readonly #found: PageRange = { first: 0, last: 0, value: 0, flags: 0 };

  constructor(id: string) {
    this.id = id;
  }

  get behaviour(): ContainerBackend {
    return backends[this.backend];
  }

  /**
   * Whether all its devices log their own DMA (`vfio_devices_all_device_dirty_tracking`), so that an
   * unmap needs no bitmap from the IOMMU; null where lines do not tell it of all.
   */
  get devicesLogDma(): boolean | null {
    if (this.isIommuAsked) return false;
    // Asked of every unmap: no list is made of them.
    for (const logs of this.dmaLogs.values()) if (!logs) return false;
    return this.dmaLogs.size > 0 && this.dmaLogs.size >= this.hostNames.size ? true : null;
  }

  setBackend(
    backend: Backend,
    source: 'option' | 'trace' | 'derived' | 'assumed',
    from: string,
  ): void {
    if (this.backendSource === 'option' && source !== 'option') return;
    if (this.backendSource === 'trace' && source !== 'trace') return;
    this.backend = backend;
    this.backendSource = source;
    this.backendFrom = from;
  }

  /** Nothing changes where it holds something in that range already. */
  map(first: number, last: number, gpa: number, flags: number): void {
    this.host.insert(first, last, gpa, flags);
    if (this.host.size > this.peak) this.peak = this.host.size;
  }

  /** Takes out a mapping that turned out not to exist, or one that was reported removed. */
  forget(first: number, last: number): void {
    this.#drop(this.host.remove(first, last));
  }

  /** Removes what an unmap that returned `result` removes. */
  unmap(first: number, last: number, result: number): void {
    const removed = this.behaviour.applyUnmap(this.host, first, last, result);
    if (removed !== null) this.#drop(removed);
  }

  /** Marks the mappings in a range as stale, but for those that have one of the flags `but`. */
  markStale(first: number, last: number, but: number): void {
    const held = this.host.collect(first, last);
    for (let index = 0; index < held.count; index += 1) {
      if ((held.flags(index) & (mappingFlag.stale | but)) !== 0) continue;
      this.host.setFlags(held.first(index), held.first(index), 0, mappingFlag.stale);
      this.staleCount += 1;
    }
  }

  /** The guest's tables hold this translation again: if it was stale, it no longer is. */
  useAgain(first: number, last: number, gpa: number): void {
    if (this.staleCount === 0 || !this.holdsExactly(first, last)) return;
    if (this.#found.value !== gpa || (this.#found.flags & mappingFlag.stale) === 0) return;
    this.host.setFlags(first, last, mappingFlag.stale, 0);
    this.staleCount -= 1;
  }

  /** True where it holds something in a range that has one of these flags. */
  holdsMarked(first: number, last: number, marks: number): boolean {
    const held = this.host.collect(first, last);
    for (let index = 0; index < held.count; index += 1) {
      if ((held.flags(index) & marks) !== 0) return true;
    }
    return false;
  }

  /** The newest mapping, from page `first` on, came where QEMU knows another translation. */
  takeChanged(first: number): void {
    this.#changed.add(first);
  }

  /** True where one host mapping covers exactly this range, and came where QEMU knows another translation. */
  holdsChanged(first: number, last: number): boolean {
    return this.#changed.has(first) && this.holdsExactly(first, last);
  }

  /** True where one host mapping covers exactly this range. */
  holdsExactly(first: number, last: number): boolean {
    const found = this.#found;
    return this.host.find(first, last, found) && found.first === first && found.last === last;
  }

  /** True where one host mapping leads exactly this range to this guest page, and as writable as `flags` say. */
  holds(first: number, last: number, gpa: number, flags: number): boolean {
    if (!this.holdsExactly(first, last) || this.#found.value !== gpa) return false;
    return isSameAccess(this.#found.flags, flags);
  }

  /** What is known of mappings beside what the map holds goes with them. */
  #drop(removed: RangeScratch): void {
    if (this.staleCount === 0 && this.#changed.size === 0) return;
    for (let index = 0; index < removed.count; index += 1) {
      if ((removed.flags(index) & mappingFlag.stale) !== 0) this.staleCount -= 1;
      this.#changed.delete(removed.first(index));
    }
  }
}

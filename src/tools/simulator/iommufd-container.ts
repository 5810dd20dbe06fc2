import { hex } from './addresses.ts';
import {
  type HostMapping,
  type MapRequest,
  type UnmapRequest,
  type UnmapVerdict,
  VfioContainer,
} from './vfio-container.ts';

/**
 * The iommufd container. Up to 10.2 an unmap asks for no dirty bits at all; in 11.x it asks before unmapping, and the kernel
 * wants the range covered without holes. Sources: `iommufd_cdev_unmap`, `iommufd_backend_*`, Linux
 * `iopt_unmap_iova_range`, `__iommu_read_and_clear_dirty`.
 */
export class IommufdContainer extends VfioContainer {
  readonly #fd = 12;
  readonly #ioas = 2 + this.index * 4;
  readonly #hwpt = 3 + this.index * 4;

  override attachLines(): void {
    const { options, profile, writer } = this.machine;
    const fd = this.#fd;
    const deviceFd = 14 + this.index;
    writer.trace('iommufd_cdev_getfd', ` /dev/vfio/devices/vfio${this.index} (fd=${deviceFd})`);
    writer.trace('iommufd_backend_connect', `fd=${fd} owned=1 users=${1 + this.index}`);
    writer.trace(
      'iommufd_cdev_connect_and_bind',
      ` [iommufd=${fd}] Successfully bound device ${this.hostDevice} (fd=${deviceFd}): output devid=${1 + this.index}`,
    );
    writer.trace('iommufd_backend_alloc_ioas', ` iommufd=${fd} ioas=${this.#ioas}`);
    writer.trace(
      'iommufd_cdev_alloc_ioas',
      ` [iommufd=${fd}] new IOMMUFD container with ioasid=${this.#ioas}`,
    );
    const flags = options.iommuDirtyTracking ? 2 : 0;
    writer.trace(
      'iommufd_backend_alloc_hwpt',
      ` iommufd=${fd} dev_id=${1 + this.index} pt_id=${this.#ioas} flags=${hex(flags)} hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=${this.#hwpt} (0)`,
    );
    const attached = `Successfully attached device ${this.hostDevice} (${deviceFd})`;
    if (profile.drainsUnderTracking) {
      writer.trace(
        'iommufd_cdev_pasid_attach_ioas_hwpt',
        ` [iommufd=${fd}] ${attached} pasid 0 to id=${this.#hwpt}`,
      );
    } else {
      writer.trace(
        'iommufd_cdev_attach_ioas_hwpt',
        ` [iommufd=${fd}] ${attached} to id=${this.#hwpt}`,
      );
    }
  }

  protected override startLines(): boolean {
    if (!this.machine.options.iommuDirtyTracking) return false;
    this.#setDirty(1);
    return true;
  }

  protected override stopLines(): void {
    this.#setDirty(0);
  }

  override judge(request: UnmapRequest, tracked: boolean, enoughMemory = false): UnmapVerdict {
    const asks = this.machine.profile.iommufdQuery === 'before' && tracked;
    if (!asks || request.address === null) return { query: 'none', errno: 0, removes: true };
    const noMemory = !enoughMemory && this.lacksMemoryFor(this.bitmapBytes(request.size));
    if (this.tracksItself) return { query: 'after', errno: noMemory ? -12 : 0, removes: true };
    const errno = noMemory ? -12 : this.#covers(request.iova, request.size) ? 0 : -22;
    return { query: 'before', errno, removes: true };
  }

  protected override mapHost(request: MapRequest): -17 | null {
    const { iova, size } = request;
    const taken = this.host.overlaps(iova, iova + size - 1n);
    this.#traceMap(request, taken ? -1 : 0);
    if (taken) {
      this.machine.writer.error('IOMMU_IOAS_MAP failed: File exists');
      return -17;
    }
    this.put(request);
    return null;
  }

  protected override unmapHost(request: UnmapRequest, verdict: UnmapVerdict): void {
    const { iova, size } = request;
    if (verdict.query === 'before')
      this.#ask(request, this.host.overlapping(iova, iova + size - 1n));
    const removed = this.#removeWhole(request);
    const range = `iommufd=${this.#fd} ioas=${this.#ioas} iova=${hex(iova)} size=${hex(size)}`;
    if (removed.length > 0) {
      this.machine.writer.trace('iommufd_backend_unmap_dma', ` ${range} (0)`);
    } else {
      this.machine.writer.trace(
        'iommufd_backend_unmap_dma_non_exist',
        ` Unmap nonexistent mapping: ${range} (-1)`,
      );
    }
    if (verdict.query === 'after') this.#ask(request, removed);
  }

  protected override queryHost(iova: bigint, size: bigint, flag: number): 0 | -22 {
    const { options, profile, writer } = this.machine;
    const covered = this.#covers(iova, size);
    const flags = profile.dirtyQueryEvent === '11' ? `flags=${hex(flag)} ` : '';
    writer.trace(
      'iommufd_backend_get_dirty_bitmap',
      ` iommufd=${this.#fd} hwpt=${this.#hwpt} iova=${hex(iova)} size=${hex(size)} ${flags}page_size=${hex(options.hostPageSize)} (${covered ? 0 : 22})`,
    );
    return covered ? 0 : -22;
  }

  protected override queryFailure(iova: bigint, size: bigint): string {
    return `IOMMU_HWPT_GET_DIRTY_BITMAP (iova: ${hex(iova)} size: ${hex(size)}) failed: Invalid argument`;
  }

  protected override get reportsAllMapped(): boolean {
    return false;
  }

  #ask(request: UnmapRequest, mappings: readonly HostMapping[]): void {
    const { address } = request;
    if (address === null) return;
    const flag = this.tracksItself ? 0 : 1;
    const { errno, message } = this.query({ ...request, address }, flag, mappings);
    if (errno !== 0) this.machine.writer.error(message);
  }

  /** The kernel removes mappings in ascending order and stops at one that reaches out of the range. */
  #removeWhole({ iova, size, line }: UnmapRequest): HostMapping[] {
    const last = iova + size - 1n;
    const removed: HostMapping[] = [];
    for (const mapping of this.host.overlapping(iova, last)) {
      if (mapping.iova < iova || mapping.last > last) break;
      removed.push(...this.remove(mapping.iova, mapping.last, line));
    }
    return removed;
  }

  #covers(iova: bigint, size: bigint): boolean {
    let next = iova;
    for (const mapping of this.host.overlapping(iova, iova + size - 1n)) {
      if (mapping.iova > next) return false;
      next = mapping.last + 1n;
    }
    return next >= iova + size;
  }

  #traceMap({ iova, size, gpa, pointer, permission, of }: MapRequest, result: number): void {
    const { memory, options, writer } = this.machine;
    const range = ` iommufd=${this.#fd} ioas=${this.#ioas} iova=${hex(iova)} size=${hex(size)}`;
    const readOnly = permission === 1 ? 1 : 0;
    const ramAddress = memory.ramAddress(gpa, size);
    const isRam = of === 'dma' || permission === 3;
    if (options.ramIsFile && isRam && ramAddress !== null) {
      const args = `${range} fd=11 start=${ramAddress} readonly=${readOnly} (${result})`;
      writer.trace('iommufd_backend_map_file_dma', args);
    } else {
      const args = `${range} addr=${hex(pointer)} readonly=${readOnly} (${result})`;
      writer.trace('iommufd_backend_map_dma', args);
    }
  }

  #setDirty(enable: 0 | 1): void {
    const args = ` iommufd=${this.#fd} hwpt=${this.#hwpt} enable=${enable} (0)`;
    this.machine.writer.trace('iommufd_backend_set_dirty', args);
  }
}

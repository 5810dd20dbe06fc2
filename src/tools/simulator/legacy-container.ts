import { hex } from './addresses.ts';
import {
  type MapRequest,
  type UnmapRequest,
  type UnmapVerdict,
  VfioContainer,
} from './vfio-container.ts';

/**
 * The type1 container: one mapping per MAP, a limit of entries, no bisecting, and an unmap that can fetch its dirty bitmap.
 * Sources: `vfio_dma_unmap` (7.2), `vfio_legacy_dma_unmap` (10.0 and later), Linux `vfio_dma_do_map`,
 * `vfio_dma_do_unmap`.
 */
export class LegacyContainer extends VfioContainer {
  override attachLines(): void {
    const { profile, writer } = this.machine;
    const event = {
      '7.2': 'vfio_realize',
      '10.0': 'vfio_attach_device',
      '10.2': 'vfio_device_attach',
    };
    writer.trace(event[profile.bootNames], ` (${this.hostDevice}) group ${3 + this.index}`);
  }

  /** type1 prints nothing when tracking starts or stops. */
  protected override startLines(): boolean {
    return true;
  }

  protected override stopLines(): void {}

  override judge(request: UnmapRequest, tracked: boolean, enoughMemory = false): UnmapVerdict {
    const asks = tracked && request.address !== null;
    const noMemory = !enoughMemory && this.lacksMemoryFor(this.bitmapBytes(request.size));
    if (asks && !this.tracksItself) return this.#judgeBitmap(request, noMemory);
    if (this.#bisects(request)) return { query: 'none', errno: -22, removes: false };
    if (!asks) return { query: 'none', errno: 0, removes: true };
    return { query: 'after', errno: noMemory ? -12 : 0, removes: true };
  }

  protected override mapHost(request: MapRequest): -17 | -28 | null {
    if (this.host.overlaps(request.iova, request.iova + request.size - 1n)) return -17;
    if (this.host.size >= this.machine.options.dmaEntryLimit) return -28;
    this.put(request);
    return null;
  }

  protected override unmapHost(request: UnmapRequest, verdict: UnmapVerdict): void {
    const { writer, profile } = this.machine;
    const { iova, size, address, line } = request;
    if (verdict.errno === -7) {
      writer.error(`UNMAP: Size of bitmap too big ${hex(this.bitmapBytes(size))}`);
    } else if (verdict.errno === -1) {
      writer.error('VFIO_UNMAP_DMA with DIRTY_BITMAP : Invalid argument');
    } else if (verdict.errno === -22 && profile.reportsPlainIoctlErrors) {
      writer.error('VFIO_UNMAP_DMA failed: Invalid argument');
    }
    if (!verdict.removes) return;
    const removed = this.remove(iova, iova + size - 1n, line);
    if (verdict.query === 'bitmap') this.mark(request, removed, removed);
    if (verdict.query !== 'after' || address === null) return;
    const { errno, message } = this.query({ ...request, address }, 0, removed);
    if (errno !== 0) writer.error(message);
  }

  protected override queryHost(iova: bigint): 0 | -22 {
    const first = this.host.firstOverlap(iova, iova);
    return first === undefined || first.iova === iova ? 0 : -22;
  }

  protected override queryFailure(iova: bigint, size: bigint): string {
    const range = `iova: ${hex(iova)} size: ${hex(size)}`;
    return this.machine.profile.dirtyQueryEvent === '7.2'
      ? `Failed to get dirty bitmap for ${range} err: 22`
      : `Failed to get dirty bitmap for ${range}: Invalid argument`;
  }

  protected override get reportsAllMapped(): boolean {
    return !this.tracksItself;
  }

  #judgeBitmap(request: UnmapRequest, noMemory: boolean): UnmapVerdict {
    const { options, profile } = this.machine;
    const tooBig = this.bitmapBytes(request.size) > options.maxDirtyBitmapBytes;
    const refused = (errno: -1 | -7 | -12): UnmapVerdict => ({
      query: 'bitmap',
      errno,
      removes: false,
    });
    if (noMemory && (profile.allocatesBeforeCheck || !tooBig)) return refused(-12);
    if (tooBig) return refused(-7);
    if (this.#bisects(request)) return refused(-1);
    return { query: 'bitmap', errno: 0, removes: true };
  }

  /** type1 v2 refuses an unmap that cuts a mapping at either end. */
  #bisects({ iova, size }: UnmapRequest): boolean {
    const last = iova + size - 1n;
    const first = this.host.firstOverlap(iova, iova);
    const end = this.host.firstOverlap(last, last);
    return (first !== undefined && first.iova !== iova) || (end !== undefined && end.last !== last);
  }
}

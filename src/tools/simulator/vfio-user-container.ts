import { hex } from './addresses.ts';
import {
  type MapRequest,
  type UnmapRequest,
  type UnmapVerdict,
  VfioContainer,
} from './vfio-container.ts';

/**
 * A device on a vfio-user socket (10.1 and later): every MAP and UNMAP is a message, nothing tracks, nothing is queried.
 * The server here takes every map, putting it in the place of what overlaps, and removes what an unmap
 * covers; what a real one answers is not in a trace.
 */
export class VfioUserContainer extends VfioContainer {
  override attachLines(): void {
    const { writer } = this.machine;
    // one line for what QEMU offers, one for what the server answers
    for (const descriptors of [16, 8]) {
      const capabilities = `{"max_msg_fds":${descriptors},"max_data_xfer_size":1048576,"pgsizes":4096}`;
      const version = `{"capabilities":${capabilities}}`;
      writer.trace('vfio_user_version', ` major 0 minor 0 caps: ${version}`);
    }
  }

  protected override startLines(): boolean {
    return false;
  }

  protected override stopLines(): void {}

  override judge(_request: UnmapRequest, _tracked: boolean): UnmapVerdict {
    return { query: 'none', errno: 0, removes: true };
  }

  protected override mapHost(request: MapRequest): null {
    const { iova, size, permission, of } = request;
    this.remove(iova, iova + size - 1n, null);
    this.put(request);
    this.machine.writer.trace(
      'vfio_user_dma_map',
      ` iova ${hex(iova)} size ${hex(size)} off 0x0 flags ${hex(permission)} async_ops ${of === 'ram' ? 1 : 0}`,
    );
    return null;
  }

  protected override unmapHost(
    { iova, size, of, line }: UnmapRequest,
    _verdict: UnmapVerdict,
  ): void {
    this.machine.writer.trace(
      'vfio_user_dma_unmap',
      ` iova ${hex(iova)} size ${hex(size)} flags 0x0 async_ops ${of === 'ram' ? 1 : 0}`,
    );
    this.remove(iova, iova + size - 1n, line);
  }

  protected override queryHost(): 0 {
    return 0;
  }

  protected override queryFailure(): string {
    return 'Not supported';
  }

  protected override get reportsAllMapped(): boolean {
    return false;
  }
}

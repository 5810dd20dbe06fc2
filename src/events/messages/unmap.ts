import type { MessageText } from './message-text.ts';

/** UNMAPs that failed, beside the line with the range, which has a reader of its own. */
export const unmapTexts: readonly MessageText[] = [
  {
    id: 'unmap-bitmap-ioctl',
    operation: 'unmap',
    part: 'ioctl',
    pattern: /\bVFIO_UNMAP_DMA with DIRTY_BITMAP ?: (?<why>[^"\\]+)/,
    provesTracking: true,
    source:
      'vfio_dma_unmap_bitmap, vfio_ram_block_discard_disable (hw/vfio/common.c, hw/vfio/container.c), 5.2 to 11.0',
  },
  {
    id: 'unmap-ioctl-num',
    operation: 'unmap',
    part: 'ioctl',
    pattern: /\bVFIO_UNMAP_DMA: (?<errno>-\d+)\b/,
    source: 'vfio_dma_unmap (hw/vfio/common.c), 2.9 to 4.2',
  },
  {
    id: 'unmap-ioctl-text',
    operation: 'unmap',
    part: 'ioctl',
    pattern: /\bVFIO_UNMAP_DMA failed: (?<why>[^"\\]+)/,
    source:
      'vfio_dma_unmap, vfio_legacy_dma_unmap (hw/vfio/common.c, hw/vfio/container.c), 5.0 to 9.2',
  },
  {
    id: 'unmap-ioas',
    operation: 'unmap',
    part: 'ioctl',
    pattern: /\bIOMMU_IOAS_UNMAP failed: (?<why>[^"\\]+)/,
    backend: 'iommufd',
    source: 'iommufd_backend_unmap_dma (backends/iommufd.c), 9.0 to 9.2',
  },
  {
    id: 'unmap-discard',
    operation: 'unmap',
    part: 'whole',
    pattern:
      /\bvfio_ram_discard_notify_discard: vfio_(?:container_)?dma_unmap\(\) failed: (?<why>[^"\\]+)/,
    source: 'vfio_ram_discard_notify_discard (hw/vfio/common.c, hw/vfio/listener.c), 6.1 to 11.0',
  },
  {
    id: 'unmap-missing-window',
    operation: 'crash',
    part: 'whole',
    pattern: /\bCannot delete missing window at\b/,
    isVague: true,
    source:
      'vfio_listener_region_del, vfio_container_del_section_window, vfio_spapr_create_window (hw/vfio/common.c, hw/vfio/spapr.c), 2.9 to 11.0',
  },
  {
    id: 'unmap-discard-listener',
    operation: 'crash',
    part: 'whole',
    pattern: /\bvfio: Trying to (?:unregister|sync) missing RAM discard listener\b/,
    source:
      'vfio_unregister_ram_discard_listener, vfio_ram_discard_unregister_listener, vfio_sync_ram_discard_listener_dirty_bitmap (hw/vfio/common.c, hw/vfio/listener.c), 6.1 to 11.0',
  },
  {
    id: 'unmap-call',
    operation: 'unmap',
    part: 'frame',
    pattern: /\bvfio_(?:container_)?dma_unmap ?\([^)\n]{0,160}\) ?=(?:3D)? ?(?<errno>-\d{1,3})\b/,
    source: 'as dma_unmap of any version, quoted without its arguments',
  },
  {
    id: 'unmap-vaddr',
    operation: 'note',
    part: 'whole',
    pattern: /\bvfio_dma_unmap_vaddr_all\b/,
    source: 'vfio_dma_unmap_vaddr_all (hw/vfio/cpr-legacy.c), 10.1 to 11.0',
  },
];

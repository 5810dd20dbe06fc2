import type { MessageText } from './message-text.ts';

/** Dirty tracking that did not start or stop, and dirty bits that could not be fetched. */
export const trackingTexts: readonly MessageText[] = [
  {
    id: 'track-flag',
    operation: 'tracking-start',
    part: 'ioctl',
    pattern: /\bFailed to set dirty tracking flag 0x1\b(?: errno: (?<plus>\d+)|: (?<why>[^"\\]+))?/,
    isVague: true,
    source:
      'vfio_set_dirty_page_tracking, vfio_legacy_dma_map (hw/vfio/migration.c, hw/vfio/common.c), 5.2 to 11.0',
  },
  {
    id: 'track-flag-stop',
    operation: 'tracking-stop',
    part: 'ioctl',
    pattern:
      /\bFailed to set dirty tracking flag\b(?:[^:]* errno: (?<plus>\d+)|[^:]*: (?<why>[^"\\]+))?/,
    isVague: true,
    source: 'vfio_listener_log_global_stop (hw/vfio/common.c, hw/vfio/listener.c), 9.1 to 11.0',
  },
  {
    id: 'track-start',
    operation: 'tracking-start',
    part: 'frame',
    pattern:
      /\bvfio: Could not start dirty page tracking(?:, err: (?<errno>-?\d+)| - (?<why>[^"\\]+))?/,
    source:
      'vfio_listener_log_global_start, vfio_devices_dma_logging_start, iommufd_backend_set_dirty_tracking (hw/vfio/common.c, hw/vfio/listener.c), 8.0 to 11.0',
  },
  {
    id: 'track-start-any',
    operation: 'tracking-start',
    part: 'frame',
    pattern: /\bCould not start dirty page tracking\b/,
    source: 'vfio_listener_log_global_start (hw/vfio/common.c, listener.c), 8.0 to 11.0',
  },
  {
    id: 'track-dma-log-start',
    operation: 'tracking-start',
    part: 'ioctl',
    pattern: /\bFailed to start DMA logging(?:, err (?<errno>-?\d+)|: (?<why>[^"\\]+))?/,
    source: 'vfio_devices_dma_logging_start (hw/vfio/common.c, hw/vfio/listener.c), 8.0 to 11.0',
  },
  {
    id: 'track-dma-log-prepare',
    operation: 'tracking-start',
    part: 'ioctl',
    pattern: /\bFailed to prepare DMA logging\b/,
    source: 'vfio_devices_dma_logging_start (hw/vfio/common.c), 9.1 to 11.0',
  },
  {
    id: 'track-hwpt',
    operation: 'tracking-start',
    part: 'ioctl',
    pattern: /\bIOMMU_HWPT_SET_DIRTY_TRACKING\b[^:]*failed: (?<why>[^"\\]+)/,
    backend: 'iommufd',
    source: 'iommufd_backend_set_dirty_page_tracking (backends/iommufd.c), 9.1 to 11.0',
  },
  {
    id: 'track-stop',
    operation: 'tracking-stop',
    part: 'frame',
    pattern: /\bCould not stop dirty page tracking\b(?:, err: (?<errno>-?\d+)| - (?<why>[^"\\]+))?/,
    source: 'vfio_listener_log_global_stop (hw/vfio/common.c), 8.0 to 9.0',
  },
  {
    id: 'track-dma-log-stop',
    operation: 'note',
    part: 'whole',
    pattern: /\bFailed to stop DMA logging\b/,
    source: 'vfio_devices_dma_logging_stop (hw/vfio/common.c, hw/vfio/listener.c), 8.0 to 11.0',
  },
  {
    id: 'track-no-iommu-dirty',
    operation: 'note',
    part: 'whole',
    pattern: /\bIOMMU instance for device \S+ doesn't support dirty tracking\b/,
    source: 'iommufd_cdev_autodomains_get (hw/vfio/iommufd.c), 9.1 to 11.0',
  },
  {
    id: 'query-hwpt',
    operation: 'dirty-query',
    part: 'ioctl',
    pattern:
      /\bIOMMU_HWPT_GET_DIRTY_BITMAP \(iova: (?<iova>0x[0-9a-f]{1,16}) size: 0x[0-9a-f]{1,16}\) failed: (?<why>[^"\\]+)/,
    backend: 'iommufd',
    source: 'iommufd_backend_get_dirty_bitmap (backends/iommufd.c), 9.1 to 11.0',
  },
  {
    id: 'query-alloc',
    operation: 'bitmap-allocation',
    part: 'ioctl',
    pattern: /\bFailed to allocate dirty tracking bitmap\b(?:: (?<why>[^"\\]+))?/,
    isVague: true,
    source:
      'vfio_get_dirty_bitmap, vfio_container_query_dirty_bitmap (hw/vfio/common.c, hw/vfio/container-base.c), 9.1 to 11.0',
  },
  {
    id: 'query-report',
    operation: 'dirty-query',
    part: 'ioctl',
    pattern: /\bFailed to get DMA logging report, iova: (?<iova>0x[0-9a-f]{1,16})\b/,
    source:
      'vfio_devices_query_dirty_bitmap, vfio_container_devices_query_dirty_bitmap (hw/vfio/common.c, hw/vfio/container-base.c), 8.0 to 11.0',
  },
  {
    id: 'query-bitmap',
    operation: 'dirty-query',
    part: 'ioctl',
    pattern:
      /\bFailed to get dirty bitmap for iova: (?<iova>0x[0-9a-f]{1,16}) size: 0x[0-9a-f]{1,16}(?: err: (?<plus>\d+)|: (?<why>[^"\\]+))?/,
    source:
      'vfio_get_dirty_bitmap, vfio_query_dirty_bitmap, vfio_legacy_query_dirty_bitmap (hw/vfio/common.c, hw/vfio/container.c), 5.2 to 11.0',
  },
  {
    id: 'query-notify',
    operation: 'dirty-query',
    part: 'frame',
    pattern:
      /\bvfio_iommu_map_dirty_notify\((?:0x[0-9a-f]+|\(nil\)), (?<iova>0x[0-9a-f]{1,16}), 0x[0-9a-f]{1,16}\) (?:= (?<errno>-?\d+)|failed)/,
    source: 'vfio_iommu_map_dirty_notify (hw/vfio/common.c, listener.c), 5.2 to 11.0',
  },
  {
    id: 'query-sync',
    operation: 'dirty-query',
    part: 'frame',
    pattern: /\bFailed to sync dirty bitmap\b(?:, err: (?<errno>-?\d+))?/,
    source:
      'vfio_listener_log_sync, vfio_sync_dirty_bitmap (hw/vfio/common.c, hw/vfio/listener.c), 8.0 to 11.0',
  },
  {
    id: 'query-get-cap',
    operation: 'dirty-query',
    part: 'whole',
    pattern: /\bvfio: Failed to get (?:dirty|migration) (?:bitmap|capability)\b/,
    source: 'as posted',
  },
];

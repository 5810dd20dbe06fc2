import { type Declarations, deviceName, type Families, range } from './declaration.ts';

/** Events of VFIO: what reached the host, by its containers or a vfio-user server. */
export const vfio = {
  vfio_iommu_map_notify: {
    args: { op: 'u32', ...range },
    shapes: [{ text: 'iommu {op:UNMAP|MAP} @ 0x{start:x} - 0x{end:x}' }],
  },
  vfio_iommu_map_dirty_notify: {
    args: range,
    shapes: [{ text: 'iommu dirty @ 0x{start:x} - 0x{end:x}' }],
  },
  vfio_iommu_map_dirty_notify_skip_ro: {
    args: range,
    shapes: [{ text: 'iommu dirty @ 0x{start:x} - 0x{end:x}', versions: '11.0+' }],
  },
  vfio_listener_region_add_iommu: {
    args: { name: 'text', ...range },
    shapes: [
      { text: 'region_add [iommu] 0x{start:x} - 0x{end:x}', versions: '7.2' },
      { text: 'region_add [iommu] {name:s} 0x{start:x} - 0x{end:x}', versions: '10.0+' },
    ],
  },
  vfio_listener_region_del_iommu: {
    args: deviceName,
    shapes: [{ text: 'region_del [iommu] {name:s}', versions: '10.0+' }],
  },
  vfio_listener_region_add_ram: {
    args: { ...range, vaddr: 'u64' },
    shapes: [{ text: 'region_add [ram] 0x{start:x} - 0x{end:x} [{vaddr:p}]' }],
  },
  vfio_listener_region_del: {
    args: range,
    shapes: [{ text: 'region_del 0x{start:x} - 0x{end:x}' }],
  },
  // A section of RAM that is not mapped after all.
  vfio_listener_region_skip_dma_map: {
    args: { start: 'u64', size: 'u64' },
    shapes: [
      {
        text: 'Region "{_:s}" 0x{start:x} size=0x{size:x} marked to skip IOMMU mapping',
        versions: '11.0+',
      },
    ],
  },
  vfio_realize: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '7.2' }],
  },
  vfio_attach_device: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.0' }],
  },
  vfio_device_attach: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.2+' }],
  },
  vfio_detach_device: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.0' }],
  },
  vfio_device_detach: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.2+' }],
  },
  vfio_get_dirty_bitmap: {
    args: { iova: 'u64', size: 'u64', bitmap: 'u64', ram: 'u64', old: 'u32' },
    shapes: [
      {
        text: 'container fd={_:d}, iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} start=0x{ram:x}',
        versions: '7.2',
        sets: { old: 1 },
      },
      {
        text: 'iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} start=0x{ram:x} dirty_pages={_:d}',
        versions: '10.0',
      },
    ],
  },
  vfio_container_query_dirty_bitmap: {
    args: { iova: 'u64', size: 'u64', flags: 'u64', bitmap: 'u64', ram: 'u64', flagged: 'u32' },
    shapes: [
      {
        text: 'iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} gpa=0x{ram:x} dirty_pages={_:d}',
        versions: '10.2',
      },
      {
        text: 'iova=0x{iova:x} size=0x{size:x} backend_flag=0x{flags:x} bitmap_size=0x{bitmap:x} gpa=0x{ram:x} dirty_pages={_:d}',
        versions: '11.0+',
        sets: { flagged: 1 },
      },
    ],
  },
  vfio_device_dirty_tracking_start: {
    args: {},
    shapes: [{ text: 'nr_ranges {_:s}', versions: '10.0+' }],
  },
  vfio_known_safe_misalignment: {
    args: { pageSize: 'u64' },
    shapes: [
      {
        text: 'Region "{_:s}" iova=0x{_:x} offset_within_region=0x{_:x} qemu_real_host_page_size=0x{pageSize:x}',
      },
    ],
  },
  vfio_save_setup: {
    args: deviceName,
    shapes: [
      { text: ' ({name:s}) data buffer size {_:d}', versions: '10.0+' },
      { text: ' ({name:s})', versions: '7.2' },
    ],
  },
  vfio_save_cleanup: { args: deviceName, shapes: [{ text: ' ({name:s})' }] },
  vfio_vmstate_change: {
    args: { name: 'text', running: 'i32' },
    shapes: [{ text: ' ({name:s}) running {running:d} reason {_:s}' }],
  },
  // Renamed between versions: only their names matter.
  vfio_get_device: { args: {}, shapes: [{ text: '{_:s}', versions: '7.2, 10.0' }] },
  vfio_device_get: { args: {}, shapes: [{ text: '{_:s}', versions: '10.2+' }] },
  vfio_reset_handler: { args: {}, shapes: [{ text: '{_:s}', versions: '10.0' }] },
  vfio_device_reset_handler: { args: {}, shapes: [{ text: '{_:s}', versions: '10.2+' }] },
  vfio_listener_region_add_skip: { args: {}, shapes: [{ text: '{_:s}', versions: '7.2' }] },
  iommufd_cdev_attach_ioas_hwpt: { args: {}, shapes: [{ text: '{_:s}', versions: '10.0, 10.2' }] },
  vfio_migration_init: {
    args: { name: 'text', logsDma: 'u32' },
    shapes: [
      {
        text: ' ({name:s}) mig_flags 0x{_:x}, precopy_info_v2_used {_:d}, dirty_pages_supported {logsDma:d}',
        versions: '11.0+',
      },
    ],
  },
  vfio_query_stop_copy_size: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },
  vfio_state_pending: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },
  vfio_region_dmabuf: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },

  // A vfio-user server in the place of the host.
  vfio_user_version: { args: {}, shapes: [{ text: ' {_:s}', versions: '10.1+' }] },
  vfio_user_dma_map: {
    args: { iova: 'u64', size: 'u64', flags: 'u32' },
    shapes: [
      {
        text: ' iova 0x{iova:x} size 0x{size:x} off 0x{_:x} flags 0x{flags:x} async_ops {_:d}',
        versions: '10.1+',
      },
    ],
  },
  vfio_user_dma_unmap: {
    args: { iova: 'u64', size: 'u64' },
    shapes: [
      {
        text: ' iova 0x{iova:x} size 0x{size:x} flags 0x{_:x} async_ops {_:d}',
        versions: '10.1+',
      },
    ],
  },
} as const satisfies Declarations;

export const vfioFamilies: Families = ['vfio'];

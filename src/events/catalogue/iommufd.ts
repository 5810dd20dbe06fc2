import { type Declarations, deviceName, type Families } from './declaration.ts';

/** Events of the iommufd backend. */
export const iommufd = {
  iommufd_backend_alloc_ioas: {
    args: { ioas: 'u32' },
    shapes: [{ text: ' iommufd={_:d} ioas={ioas:d}', versions: '10.0+' }],
  },
  iommufd_backend_alloc_hwpt: {
    args: { pt: 'u32', flags: 'u32', hwpt: 'u32' },
    shapes: [
      {
        text: ' iommufd={_:d} dev_id={_:d} pt_id={pt:d} flags=0x{flags:x} hwpt_type={_:d} len={_:d} data_ptr=0x{_:x} out_hwpt={hwpt:d} ({_:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_connect_and_bind: {
    args: deviceName,
    shapes: [
      {
        text: ' [iommufd={_:d}] Successfully bound device {name:s} (fd={_:d}): output devid={_:d}',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_alloc_ioas: {
    args: { ioas: 'u32' },
    shapes: [
      {
        text: ' [iommufd={_:d}] new IOMMUFD container with ioasid={ioas:d}',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_pasid_attach_ioas_hwpt: {
    args: {},
    shapes: [{ text: '{_:s}', versions: '11.0+' }],
  },
  iommufd_backend_map_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', readonly: 'u32', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} addr={_:p} readonly={readonly:d} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_map_file_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', readonly: 'u32', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} fd={_:d} start={_:d} readonly={readonly:d} ({result:d})',
        versions: '10.2+',
      },
    ],
  },
  iommufd_backend_unmap_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_unmap_dma_non_exist: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', result: 'i32' },
    shapes: [
      {
        text: ' Unmap nonexistent mapping: iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_set_dirty: {
    args: { enable: 'u32', result: 'i32' },
    shapes: [
      { text: ' iommufd={_:d} hwpt={_:d} enable={enable:d} ({result:d})', versions: '10.0+' },
    ],
  },
  iommufd_backend_get_dirty_bitmap: {
    args: {
      iova: 'u64',
      size: 'u64',
      flags: 'u64',
      pageSize: 'u64',
      result: 'i32',
      flagged: 'u32',
    },
    shapes: [
      {
        text: ' iommufd={_:d} hwpt={_:d} iova=0x{iova:x} size=0x{size:x} page_size=0x{pageSize:x} ({result:d})',
        versions: '10.0, 10.2',
      },
      {
        text: ' iommufd={_:d} hwpt={_:d} iova=0x{iova:x} size=0x{size:x} flags=0x{flags:x} page_size=0x{pageSize:x} ({result:d})',
        versions: '11.0+',
        sets: { flagged: 1 },
      },
    ],
  },
} as const satisfies Declarations;

export const iommufdFamilies: Families = ['iommufd'];

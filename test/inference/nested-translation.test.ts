import { expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';

/** What QEMU 11.x prints with `x-flts=on` where a device of iommufd gets its first-stage tables. */
const LINES = [
  'vtd_switch_address_space Device 00:00.0 switching address space (iommu enabled=0)',
  'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
  'iommufd_cdev_connect_and_bind  [iommufd=24] Successfully bound device 0000:00:05.0 (fd=30): output devid=1',
  'vfio_listener_region_add_ram region_add [ram] 0x0 - 0x3fffffff [0x7f5483e00000]',
  'iommufd_backend_map_dma  iommufd=24 ioas=2 iova=0x0 size=0x40000000 addr=0x7f5483e00000 readonly=0 (0)',
  'vtd_reg_dmar_root addr 0x1000000 scalable 1',
  'vtd_dmar_enable enable 1',
  'vtd_switch_address_space Device 00:00.0 switching address space (iommu enabled=1)',
  'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
  'vtd_inv_desc_pasid_cache_psi PASID selective PC invalidation domain 0x1 pasid 0x0',
  'vtd_device_attach_hwpt dev_id 1 pasid 0 hwpt_id 5, ret: 0',
  'vtd_inv_desc_iotlb_pasid_pages iotlb invalidate domain 0x1 addr 0x2000 mask 0x0 pasid 0x0',
] as const;

it('says where the host walks the guest’s tables itself, and guesses no shadow', async () => {
  const { session, unmaps, mappings } = await analyzeLines(LINES);
  const [container] = session.containers;
  expect(container?.backend.value).toBe('iommufd');
  expect(container?.backend.from).toContain(
    'nested translation (vtd_device_attach_hwpt at line 11)',
  );
  expect(unmaps).toEqual([]);
  expect(mappings.map(({ iova, in: where }) => [iova, where])).toEqual([['0x0', 'host']]);
});

it('says nothing of it elsewhere', async () => {
  const { session } = await analyzeLines(LINES.filter((line) => !line.includes('hwpt')));
  expect(session.containers[0]?.backend.from).not.toContain('nested');
});

import { bdf, type Declarations, type Families, range } from './declaration.ts';

const endpoint = { domain: 'u32', endpoint: 'u32' } as const;

/** Events of virtio-iommu. */
export const virtioIommu = {
  // Devices and domains.
  virtio_iommu_init_iommu_mr: { args: { name: 'text' }, shapes: [{ text: 'init {name:s}' }] },
  virtio_iommu_switch_address_space: {
    args: { ...bdf, on: 'u32' },
    shapes: [
      { text: 'Device {bus:x}:{slot:x}.{fn:x} switching address space (iommu enabled={on:d})' },
    ],
  },
  virtio_iommu_attach: {
    args: endpoint,
    shapes: [{ text: 'domain={domain:d} endpoint={endpoint:d}' }],
  },
  virtio_iommu_detach: {
    args: endpoint,
    shapes: [{ text: 'domain={domain:d} endpoint={endpoint:d}' }],
  },
  virtio_iommu_detach_endpoint_from_domain: {
    args: endpoint,
    shapes: [{ text: 'domain={domain:d} endpoint={endpoint:d}', versions: '10.0+' }],
  },
  virtio_iommu_put_domain: {
    args: { domain: 'u32' },
    shapes: [{ text: 'Free domain={domain:d}' }],
  },
  virtio_iommu_system_reset: { args: {}, shapes: [{ text: 'system reset!' }] },
  virtio_iommu_device_reset: { args: {}, shapes: [{ text: 'reset!', versions: '7.2' }] },
  virtio_iommu_device_reset_exit: { args: {}, shapes: [{ text: 'reset!', versions: '10.0+' }] },

  // What the guest asks for.
  virtio_iommu_map: {
    args: { domain: 'u32', ...range, gpa: 'u64', flags: 'u32' },
    shapes: [
      {
        text: 'domain={domain:d} virt_start=0x{start:x} virt_end=0x{end:x} phys_start=0x{gpa:x} flags={flags:d}',
      },
    ],
  },
  virtio_iommu_unmap: {
    args: { domain: 'u32', ...range },
    shapes: [{ text: 'domain={domain:d} virt_start=0x{start:x} virt_end=0x{end:x}' }],
  },
  virtio_iommu_unmap_done: {
    args: { domain: 'u32', ...range },
    shapes: [{ text: 'domain={domain:d} virt_start=0x{start:x} virt_end=0x{end:x}' }],
  },

  // What each device is told of it; the events of VFIO follow.
  virtio_iommu_notify_map: {
    args: { region: 'text', ...range, gpa: 'u64', flags: 'u32' },
    shapes: [
      {
        text: 'mr={region:s} virt_start=0x{start:x} virt_end=0x{end:x} phys_start=0x{gpa:x} flags={flags:d}',
      },
    ],
  },
  virtio_iommu_notify_unmap: {
    args: { region: 'text', ...range },
    shapes: [{ text: 'mr={region:s} virt_start=0x{start:x} virt_end=0x{end:x}' }],
  },
  // Before the `virtio_iommu_notify_map` of a replay.
  virtio_iommu_remap: {
    args: { region: 'text', ...range, gpa: 'u64' },
    shapes: [
      { text: 'mr={region:s} virt_start=0x{start:x} virt_end=0x{end:x} phys_start=0x{gpa:x}' },
    ],
  },
} as const satisfies Declarations;

export const virtioIommuFamilies: Families = ['virtio_iommu'];

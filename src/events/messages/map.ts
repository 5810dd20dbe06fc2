import type { MessageText } from './message-text.ts';

/** MAPs that failed, and what QEMU and the kernel print around them. */
export const mapTexts: readonly MessageText[] = [
  {
    id: 'map-ioctl-num',
    operation: 'map',
    part: 'ioctl',
    pattern: /\bVFIO_MAP_DMA: (?<errno>-\d+)\b/,
    source: 'vfio_dma_map, vfio_listener_region_add (hw/vfio/common.c), 2.9 to 4.2',
  },
  {
    id: 'map-ioctl-text',
    operation: 'map',
    part: 'ioctl',
    pattern: /\bVFIO_MAP_DMA failed: (?<why>[^"\\]+)/,
    source:
      'vfio_dma_map, vfio_legacy_dma_map, vfio_listener_region_add (hw/vfio/common.c, hw/vfio/container.c), 2.9 to 11.0',
  },
  {
    id: 'map-ioas-bar',
    operation: 'map',
    part: 'ioctl',
    pattern: /\bIOMMU_IOAS_MAP failed: (?<why>[^"\\]+?), PCI BAR\?/,
    memory: 'bar',
    backend: 'iommufd',
    source: 'iommufd_backend_map_dma (backends/iommufd.c), 9.0 to 11.0',
  },
  {
    id: 'map-ioas-file',
    operation: 'map',
    part: 'ioctl',
    pattern: /\bIOMMU_IOAS_MAP_FILE failed: (?<why>[^"\\,]+)(?:, PCI BAR\?)?/,
    backend: 'iommufd',
    source: 'iommufd_backend_map_file_dma (backends/iommufd.c), 10.1 to 11.0',
  },
  {
    id: 'map-ioas',
    operation: 'map',
    part: 'ioctl',
    pattern: /\bIOMMU_IOAS_MAP failed: (?<why>[^"\\,]+)/,
    backend: 'iommufd',
    source: 'iommufd_backend_map_dma (backends/iommufd.c), 9.0 to 10.0',
  },
  {
    id: 'map-p2p-old',
    operation: 'map',
    part: 'hint',
    pattern: /\bfailed to vfio_dma_map\. pci p2p may not work\b/,
    memory: 'bar',
    source: 'vfio_listener_region_add (hw/vfio/common.c), 2.12 to 8.1',
  },
  {
    id: 'map-p2p-hint',
    operation: 'map',
    part: 'hint',
    pattern: /\bPCI peer-to-peer transactions on BARs are not supported\b/,
    memory: 'bar',
    source: 'vfio_device_error_append (hw/vfio/common.c, hw/vfio/listener.c), 10.0 to 11.0',
  },
  {
    id: 'map-hw-error',
    operation: 'map',
    part: 'end',
    pattern: /\bvfio: DMA mapping failed, unable to continue\b/,
    source:
      'vfio_listener_region_add, vfio_container_region_add (hw/vfio/common.c, hw/vfio/listener.c), 2.9 to 11.0',
  },
  {
    id: 'map-cant-map',
    operation: 'attach',
    part: 'frame',
    pattern:
      /\b(?:vfio: IOMMU c|C)ontainer 0x[0-9a-f]+ can't map guest IOVA region (?<range>0x[0-9a-f]+\.\.0x[0-9a-f]+)/,
    says: 'A region of guest memory lies outside what the host IOMMU can address.',
    source:
      'vfio_listener_region_add, vfio_container_add_section_window, vfio_spapr_create_window (hw/vfio/common.c, hw/vfio/spapr.c), 4.2 to 11.0',
  },
  {
    id: 'map-granularity',
    operation: 'map-dropped',
    part: 'whole',
    pattern: /\biommu has granularity incompatible with target AS\b/,
    source:
      'vfio_get_vaddr, vfio_get_xlat_addr, memory_get_xlat_addr (hw/vfio/common.c, softmmu/memory.c), 2.9 to 11.0',
  },
  {
    id: 'map-non-memory',
    operation: 'map-dropped',
    part: 'whole',
    pattern: /\biommu map to non memory area\b/,
    source:
      'vfio_get_vaddr, vfio_get_xlat_addr, memory_get_xlat_addr (hw/vfio/common.c, softmmu/memory.c), 2.9 to 11.0',
  },
  {
    id: 'map-discarded',
    operation: 'map-dropped',
    part: 'whole',
    pattern: /\biommu map to discarded memory\b/,
    source:
      'vfio_get_xlat_addr, memory_get_xlat_addr, memory_translate_iotlb (hw/vfio/common.c, softmmu/memory.c), 6.1 to 11.0',
  },
  {
    id: 'map-wrong-as',
    operation: 'map-dropped',
    part: 'whole',
    pattern: /\bWrong target AS\b/,
    isVague: true,
    source:
      'vfio_iommu_map_notify, vfio_iommu_map_dirty_notify (hw/vfio/common.c, hw/vfio/listener.c), 2.9 to 11.0',
  },
  {
    id: 'map-unaligned',
    operation: 'note',
    part: 'whole',
    pattern: /\breceived unaligned region\b/,
    isVague: true,
    source:
      'vfio_listener_region_add, vfio_listener_region_del, vfio_listener_valid_section (hw/vfio/common.c, hw/vfio/listener.c), 2.9 to 11.0',
  },
  {
    id: 'map-limit-warning',
    operation: 'entry-limit',
    part: 'whole',
    pattern:
      /\bpossibly running out of DMA mappings\b.*?\bMaximum possible DMA mappings: (?<limit>\d{1,9})\b/,
    source:
      'vfio_register_ram_discard_listener, vfio_ram_discard_register_listener (hw/vfio/common.c, hw/vfio/listener.c), 6.1 to 11.0',
  },
  {
    id: 'map-dmabuf-kernel',
    operation: 'dmabuf-fallback',
    part: 'whole',
    pattern: /\bVFIO dma-buf not supported in kernel\b/,
    source: 'vfio_region_create_dma_buf (hw/vfio/region.c), 11.0 to 11.0',
  },
  {
    id: 'map-dmabuf-fail',
    operation: 'note',
    part: 'whole',
    pattern: /\bfailed to create dma-buf: PCI BAR IOMMU mappings may fail\b/,
    source: 'vfio_region_create_dma_buf (hw/vfio/region.c), 11.0 to 11.0',
  },
  {
    id: 'map-viommu-ram-discard',
    operation: 'note',
    part: 'whole',
    pattern: /\bUsing vfio with vIOMMUs and coordinated discarding of RAM\b/,
    source:
      'vfio_get_xlat_addr, vfio_translate_iotlb (hw/vfio/common.c, hw/vfio/listener.c), 6.1 to 11.0',
  },
  {
    id: 'map-spapr-window',
    operation: 'attach',
    part: 'whole',
    pattern: /\bFailed to create (?:a|SPAPR) window\b/,
    isVague: true,
    source:
      'vfio_spapr_create_window, vfio_listener_region_add, vfio_container_add_section_window (hw/vfio/spapr.c, hw/vfio/common.c), 2.9 to 11.0',
  },
  {
    id: 'map-spapr-overlap',
    operation: 'attach',
    part: 'whole',
    pattern: /\boverlaps with existing ?host DMA window\b/,
    source:
      'vfio_listener_region_add, vfio_container_add_section_window, vfio_spapr_create_window (hw/vfio/common.c, hw/vfio/spapr.c), 4.2 to 11.0',
  },
  {
    id: 'map-spapr-prereg',
    operation: 'crash',
    part: 'whole',
    pattern: /\bMemory registering failed, unable to continue\b/,
    isVague: true,
    source: 'vfio_prereg_listener_region_add (hw/vfio/spapr.c), 2.9 to 11.0',
  },
  {
    id: 'map-spapr-pagesize',
    operation: 'attach',
    part: 'whole',
    pattern: /\bHost doesn't support page size 0x[0-9a-f]+, the supported mask is\b/,
    isVague: true,
    source: 'vfio_spapr_create_window (hw/vfio/spapr.c), 3.1 to 11.0',
  },
  {
    id: 'map-kvm-slot',
    operation: 'crash',
    part: 'whole',
    pattern: /\bKVM_SET_USER_MEMORY_REGION failed\b/,
    says: 'KVM refused a memory slot, and QEMU ends there.',
    source: 'kvm_set_user_memory_region (accel/kvm/kvm-all.c), 5.0 to 11.0',
  },
  {
    id: 'map-kvm-slot2',
    operation: 'crash',
    part: 'hint',
    pattern: /\bkvm_set_phys_mem: error registering slot\b/,
    source: 'kvm_set_phys_mem (kvm-all.c, accel/kvm/kvm-all.c), 2.9 to 11.0',
  },
  {
    id: 'map-memlock',
    operation: 'map',
    part: 'hint',
    pattern: /\bvfio_pin_pages?_\w+: [^\n]{0,80}RLIMIT_MEMLOCK\b/,
    memory: 'ram',
    errno: -12,
    source: 'vfio_pin_pages_remote (drivers/vfio/vfio_iommu_type1.c)',
  },
  {
    id: 'map-gvt-pin',
    operation: 'map',
    part: 'hint',
    pattern: /\bvfio_pin_pages failed for gfn 0x[0-9a-f]+, ret (?<errno>-\d+)/,
    memory: 'ram',
    source: 'gvt_pin_guest_page (i915 of the kernel)',
  },
  {
    id: 'map-call',
    operation: 'map',
    part: 'frame',
    pattern: /\bvfio_(?:container_)?dma_map ?\([^)\n]{0,160}\) ?=(?:3D)? ?(?<errno>-\d{1,3})\b/,
    source: 'as map-dma of any version, quoted without its arguments',
  },
];

import type { MessageText } from './message-text.ts';

/** Faults of translations, and assertions of the emulated IOMMUs. */
export const viommuTexts: readonly MessageText[] = [
  {
    id: 'fault-vtd-walk',
    operation: 'translation-fault',
    part: 'whole',
    pattern: /\bvtd_iova_to_(?:slpte|sspte|flpte|fspte)(?:_\w+)?: /,
    source:
      'vtd_iova_to_slpte, vtd_iova_to_sspte, vtd_do_iommu_translate (hw/i386/intel_iommu.c), 3.1 to 11.0',
  },
  {
    id: 'fault-vtd-translate',
    operation: 'translation-fault',
    part: 'frame',
    pattern: /\bvtd_(?:iommu_translate|do_iommu_translate): detected translation failure\b/,
    source: 'vtd_iommu_translate (hw/i386/intel_iommu.c), 3.1 to 11.0',
  },
  {
    id: 'fault-vtd-record',
    operation: 'translation-fault',
    part: 'hint',
    pattern:
      /\b[Nn]ew fault is not recorded\b|\bNext Fault Recording Reg is used\b|\bfault event is not generated\b|\bInterrupt Mask set, irq is not generated\b/,
    isVague: true,
    source:
      'vtd_report_dmar_fault, vtd_report_frcd_fault, vtd_generate_fault_event (hw/i386/intel_iommu.c), 3.1 to 11.0',
  },
  {
    id: 'fault-vtd-entry',
    operation: 'translation-fault',
    part: 'whole',
    pattern: /\binvalid context entry: hi=|\bxlat address is in interrupt range\b/,
    source:
      'vtd_context_entry_rsvd_bits_check, vtd_dev_to_context_entry (hw/i386/intel_iommu.c), 3.1 to 11.0',
  },
  {
    id: 'fault-vtd-guest',
    operation: 'viommu-misuse',
    part: 'whole',
    pattern: /\bvtd_\w{1,64}: (?!Assertion\b)|\bvtd_err(?:_\w{1,48})? |\bVT-d\b.{0,80}\binvalid\b/,
    isVague: true,
    source:
      'vtd_process_inv_desc, vtd_mem_write, vtd_irte_get and others (hw/i386/intel_iommu.c), 2.9 to 11.0',
  },
  {
    id: 'fault-amd',
    operation: 'translation-fault',
    part: 'whole',
    pattern: /\bFound conflicting translation\b|\bfailed to remap interrupt from devid\b/,
    isVague: true,
    source: 'amdvi_notify_iommu, amdvi_mem_ir_write (hw/i386/amd_iommu.c), 3.1 to 11.0',
  },
  {
    id: 'fault-virtio',
    operation: 'translation-fault',
    part: 'whole',
    pattern: /\bvirtio_iommu_translate\b|\bno buffer available in event queue to report event\b/,
    source:
      'virtio_iommu_translate, virtio_iommu_report_fault (hw/virtio/virtio-iommu.c), 5.0 to 11.0',
  },
  {
    id: 'fault-smmu',
    operation: 'translation-fault',
    part: 'whole',
    pattern: /\btranslation failed for iova=0x/,
    isVague: true,
    source: 'smmuv3_translate (hw/arm/smmuv3.c), 3.0 to 11.0',
  },
  {
    id: 'fault-host',
    operation: 'host-fault',
    part: 'whole',
    pattern:
      /\bDMAR: \[DMA (?:Read|Write)[^\]]*\] Request device\b|\bAMD-Vi: Event logged \[IO_PAGE_FAULT\b|\barm-smmu-v3 \S+: +event 0x10 received\b|\bF_TRANSLATION\b/,
    says: 'The host IOMMU caught DMA of the device to an address that is not mapped.',
    source: 'as posted',
  },
  {
    id: 'assert-amd-notify',
    operation: 'crash',
    part: 'frame',
    pattern: /\bamdvi_notify_iommu: .{0,32}\bmapped->size > target\.size\b/,
    says: 'QEMU stopped at an assertion of AMD-Vi: it still had pages on record where the tables of the device have no table at all, as when the guest moves a device from one domain to another.',
    source: 'amdvi_notify_iommu (hw/i386/amd_iommu.c), 11.1',
  },
  {
    id: 'assert-glib-end',
    operation: 'crash',
    part: 'hint',
    pattern:
      /\bBail out! ERROR:(?:\.\.\/){0,8}(?:accel|backends|hw|migration|softmmu|system|util)\//,
    says: 'QEMU stopped at an assertion of its own.',
    source: 'g_assertion_message (glib/gtestutils.c of GLib)',
  },
  {
    id: 'assert-glib',
    operation: 'crash',
    part: 'frame',
    pattern:
      /\bERROR:(?:\.\.\/){0,8}(?:accel|backends|hw|migration|softmmu|system|util)\/\S{1,128}\.[ch]:\d{1,6}:\w{1,128}: /,
    says: 'QEMU stopped at an assertion of its own.',
    source: 'g_assertion_message (glib/gtestutils.c of GLib)',
  },
  {
    id: 'assert',
    operation: 'crash',
    part: 'frame',
    // The C library says it in the user's language, behind the program, the file, the line and the function.
    pattern:
      /\bAssertion [`'‘].*?['’] failed\b|\b(?:qemu|kvm)[\w-]*: \S{1,128}\.[ch]:\d{1,6}: \w{1,128}: /,
    isVague: true,
    says: 'QEMU stopped at an assertion of its own.',
    source:
      'memory_region_notify_iommu_one, vtd_address_space_unmap (memory.c, hw/i386/intel_iommu.c), 2.10 to 11.0',
  },
];

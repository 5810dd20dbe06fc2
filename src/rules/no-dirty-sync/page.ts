import type { Explanation } from '../page.ts';

export const noDirtySync: Explanation = {
  id: 'VTD016',
  slug: 'no-dirty-sync',
  title: 'A dirty sync fetches no dirty bits of a translated device',
  whatHappens: `
A migration, a dirty-rate measurement or a dirty limit asks for the pages that
a device has written, again and again and once more at the end. Behind AMD-Vi
and virtio-iommu the question never reaches the device's container: nothing
that the device writes through its mappings is sent after the first pass. The
migration completes, and the destination has old memory.`,
  why: `
VFIO asks by a replay of the device's mappings with a notifier of its own.
amdvi_iommu_replay and virtio_iommu_replay notify all registered notifiers in
its place: each mapping is mapped again, which fails with -17, and the
notifier that would fetch the bitmap is never called. Unmaps still fetch
theirs; a device that is bypassed, or in pass-through, is synced as RAM is.`,
  example: `
global_dirty_changed bitmask 0x1
vfio_iommu_map_notify iommu MAP @ 0x10000000 - 0x10000fff
...dma_map(0x55ea18abe2e0, 0x10000000, 0x1000, 0x7fc6f9e01000) = -17
memory_region_sync_dirty mr '(all)' listener 'vfio' synced (global=0)`,
  exampleNote: `
for a mapping that was there before, without vfio_iommu_map_dirty_notify.`,
  versions: `
11.0 and later, 11.1 included, which let a VM migrate behind any IOMMU; no
release fixes it. 8.0 to 10.2 refuse such a migration, and do not sync the
device at all. With intel-iommu the replay serves the notifier.`,
  whatToDo: `
Do not use the destination of such a migration. Unplug the device before you
migrate, or have the guest run it in pass-through (iommu=pt), or use
intel-iommu. A dirty rate that was measured lacks what the device writes.`,
  load: async () => (await import('./index.ts')).noDirtySync,
};

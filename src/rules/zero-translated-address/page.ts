import type { Explanation } from '../page.ts';

export const zeroTranslatedAddress: Explanation = {
  id: 'VTD002',
  slug: 'zero-translated-address',
  title: 'An unmap carries translated address 0, so that dirty bits go to the wrong pages',
  whatHappens: `
An unmap succeeds, but QEMU enters the dirty bits that it brings at the wrong
place: from ram_addr 0 on instead of at the pages that were mapped. Pages that
the device wrote since the last dirty sync look clean and are not sent again;
the destination goes on with old contents. Nothing is printed.`,
  why: `
With an unmap goes the guest address that its first byte belongs to. Two paths
send 0 there. Whole unmaps (a device leaves its domain) are made of pieces
that never knew an address. Unmaps of single pages send the address bits of
the page-table entry, which the guest has just cleared. It is harmless where
nothing writable is mapped, or where mappings under the unmap happen to lie at
0 plus their offset: both numbers are told, all unmaps that carry 0 and those
that do harm.`,
  example: `
global_dirty_changed bitmask 0x1
vtd_page_walk_one domain 0x1 iova 0x100000 -> gpa 0x0 mask 0xfff perm 0
vfio_iommu_map_notify iommu UNMAP @ 0x100000 - 0x100fff`,
  exampleNote: `
gpa 0x0 is what is sent. Pieces of whole unmaps print no address at all.`,
  versions: `
All versions. Whole unmaps: fixed by commit cac33cb5533a, first release 11.0
(for guest RAM below 4 GiB; above it see VTD003). Unmaps of single pages: no
release fixes them yet, 11.x included. Behind amd-iommu no release fixes
either, and virtio-iommu unmaps everything with address 0.`,
  whatToDo: `
Before migrating, unplug the device or shut its driver down in the guest, so
that it writes nothing. A VM that was migrated with such findings: treat the
guest memory that they name as suspect, and reboot it.`,
  load: async () => (await import('./index.ts')).zeroTranslatedAddress,
};

import type { Explanation } from '../page.ts';

export const wrongTranslatedAddress: Explanation = {
  id: 'VTD003',
  slug: 'wrong-translated-address',
  title: "An unmap carries an address that is not its mapping's",
  whatHappens: `
An unmap succeeds and carries an address that is not 0 and is not its
mapping's either. The dirty bits of the old page are entered at another page;
the old one looks clean and is not sent again.`,
  why: `
Two ways lead there. (1) The guest changes a translation in place: QEMU first
unmaps the old one, but with the address of the new. (2) QEMU takes the
guest-physical address for a ram_addr. Both are the same below the hole under
4 GiB, and differ above: from 4 GiB on ram_addr is smaller by the size of the
hole. The regular dirty sync converts the address, the unmap does not.`,
  example: `
vtd_page_walk_one domain 0x1 iova 0x5000 -> gpa 0x9000000 mask 0xfff perm 0
vfio_iommu_map_notify iommu UNMAP @ 0x5000 - 0x5fff
vtd_page_walk_one domain 0x1 iova 0x5000 -> gpa 0x9000000 mask 0xfff perm 3
vfio_iommu_map_notify iommu MAP @ 0x5000 - 0x5fff`,
  exampleNote: `
The same gpa twice: the first line should name the address mapped before.`,
  versions: `
All versions, 11.x included: no release fixes either yet. In 11.0 whole unmaps
carry the guest address of each mapping (commit cac33cb5533a), which is right
for RAM below 4 GiB and wrong above. The conversion is derived from QEMU's
code.`,
  whatToDo: `
Guest RAM that stays below the hole (less than 2.75 GiB on q35) has no second
kind. Otherwise keep the device quiet or unplug it before migrating.
--ram-size and --below-4g tell vtdscope the layout where the trace does not.`,
  load: async () => (await import('./index.ts')).wrongTranslatedAddress,
};

import type { Explanation } from '../page.ts';

export const migrationBlocked: Explanation = {
  id: 'VTD013',
  slug: 'migration-blocked',
  title: 'Migration is blocked, or failed',
  whatHappens: `
QEMU said in the log that it does not migrate this VM, or that a migration
failed. It is a note: nothing is wrong with unmaps.`,
  why: `
QEMU blocks migration where it cannot keep track of what a device writes. (1)
A VFIO device behind a vIOMMU: 8.0 to 10.2 always, 11.x only if the device
logs its DMA itself. (2) Neither the device nor the host's IOMMU tracks dirty
pages: refused, or only a warning where the device has enable-migration=on.
(3) From 11.0 on: guest RAM that one dirty bitmap of a legacy container does
not cover, that is more than 8 TiB with 4 KiB pages.`,
  example: `
qemu: -device vfio-pci,host=00:10.0: 0000:00:10.0: Migration is currently
      not supported with vIOMMU enabled`,
  exampleNote: `
A failure of a migration that had begun names its cause in migrate_error.`,
  versions: `
7.2 needs enable-migration (experimental) and does not look for a vIOMMU. 8.0
to 10.2 block behind a vIOMMU (8.x and 9.x by what was posted, not by their
source). 11.0 allows it.`,
  whatToDo: `
Nothing needs fixing. Bear in mind that a blocker does not keep dirty
tracking off: calc-dirty-rate and a vCPU dirty limit turn it on all the same,
and with it the failures of VTD001.`,
  load: async () => (await import('./index.ts')).migrationBlocked,
};

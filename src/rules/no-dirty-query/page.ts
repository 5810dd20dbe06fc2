import type { Explanation } from '../page.ts';

export const noDirtyQuery: Explanation = {
  id: 'VTD004',
  slug: 'no-dirty-query',
  title: 'An unmap asks for no dirty bits',
  whatHappens: `
An unmap takes writable mappings away and nothing asks which of their pages
the device wrote. What it wrote there since the last dirty sync is not sent to
the destination.`,
  why: `
Three ways lead there. (1) The iommufd backend up to 10.2 has no query in its
unmap. (2) When a memory section goes away (region_del), the listener has no
translation to ask with: mostly when a device changes between pass-through and
translation. (3) A vfio-user container cannot track dirty pages.`,
  example: `
vfio_listener_region_del region_del 0x0 - 0x3fffffff
vfio_iommu_map_notify iommu UNMAP @ 0x100000 - 0x100fff
iommufd_backend_unmap_dma  iommufd=11 ioas=2 iova=0x100000 size=0x1000 (0)`,
  exampleNote: `
The first by itself; or the other two without
iommufd_backend_get_dirty_bitmap.`,
  versions: `
iommufd: up to 10.2; from 11.0 on the query comes before the unmap (but see
VTD010). RAM sections: up to 10.2; from 11.0 on they are queried while dirty
pages are tracked. Sections of a translated device: all versions, no release
yet.`,
  whatToDo: `
Do not migrate with this device attached (iommufd up to 10.2). Do not let a
guest switch a device between pass-through and translation, or unbind its
driver, during a migration.`,
  load: async () => (await import('./index.ts')).noDirtyQuery,
};

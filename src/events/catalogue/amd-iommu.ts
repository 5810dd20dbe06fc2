import { bdf, type Declarations, type Families } from './declaration.ts';

/** Events of the emulated AMD-Vi. */
export const amdIommu = {
  // Before what comes of it.
  amdvi_devtab_inval: {
    args: bdf,
    shapes: [{ text: 'device table entry for devid: {bus:x}:{slot:x}.{fn:x} invalidated' }],
  },
  // Behind what came of it.
  amdvi_pages_inval: {
    args: { domain: 'u32' },
    shapes: [{ text: 'AMD-Vi pages for domain 0x{domain:x} invalidated' }],
  },
  amdvi_all_inval: {
    args: {},
    shapes: [{ text: 'Invalidation of all AMD-Vi cache requested' }],
  },
  // Before a system reset, too, and before the invalidation of everything: its text means nothing there.
  amdvi_iotlb_reset: { args: {}, shapes: [{ text: 'IOTLB exceed size limit - reset' }] },
  amdvi_control_status: { args: {}, shapes: [{ text: 'MMIO_STATUS state 0x{_:x}' }] },
} as const satisfies Declarations;

export const amdIommuFamilies: Families = ['amdvi'];

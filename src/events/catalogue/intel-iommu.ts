import { bdf, type Declarations, type Families, range } from './declaration.ts';

/** Events of the emulated VT-d. */
export const intelIommu = {
  // Address spaces and page walks.
  vtd_page_walk_one: {
    args: { domain: 'u32', iova: 'u64', gpa: 'u64', mask: 'u64', perm: 'i32' },
    shapes: [
      {
        text: 'domain 0x{domain:x} iova 0x{iova:x} -> gpa 0x{gpa:x} mask 0x{mask:x} perm {perm:d}',
      },
    ],
  },
  vtd_page_walk_one_skip_map: {
    args: { iova: 'u64', mask: 'u64', gpa: 'u64' },
    shapes: [{ text: 'iova 0x{iova:x} mask 0x{mask:x} translated 0x{gpa:x}' }],
  },
  vtd_page_walk_one_skip_unmap: {
    args: { iova: 'u64', mask: 'u64' },
    shapes: [{ text: 'iova 0x{iova:x} mask 0x{mask:x}' }],
  },
  vtd_page_walk_level: {
    args: { base: 'u64', level: 'u32', start: 'u64', end: 'u64' },
    shapes: [
      { text: 'walk (base=0x{base:x}, level={level:d}) iova range 0x{start:x} - 0x{end:x}' },
    ],
  },
  vtd_page_walk_skip_read: {
    args: range,
    shapes: [{ text: 'Page walk skip iova 0x{start:x} - 0x{end:x} due to unable to read' }],
  },
  vtd_page_walk_skip_reserve: {
    args: range,
    shapes: [{ text: 'Page walk skip iova 0x{start:x} - 0x{end:x} due to rsrv set' }],
  },
  vtd_as_unmap_whole: {
    args: { ...bdf, start: 'u64', size: 'u64' },
    shapes: [{ text: 'Device {bus:x}:{slot:x}.{fn:x} start 0x{start:x} size 0x{size:x}' }],
  },
  vtd_switch_address_space: {
    args: { ...bdf, on: 'u32' },
    shapes: [
      { text: 'Device {bus:x}:{slot:x}.{fn:x} switching address space (iommu enabled={on:d})' },
    ],
  },
  vtd_replay_ce_valid: {
    args: { mode: 'text', ...bdf, domain: 'u32', hi: 'u64', lo: 'u64' },
    shapes: [
      {
        text: '{mode:s}: replay valid context device {bus:x}:{slot:x}.{fn:x} domain 0x{domain:x} hi 0x{hi:x} lo 0x{lo:x}',
      },
    ],
  },
  vtd_replay_ce_invalid: {
    args: bdf,
    shapes: [{ text: 'replay invalid context device {bus:x}:{slot:x}.{fn:x}' }],
  },
  vtd_ce_not_present: {
    args: { bus: 'u32', devfn: 'u32' },
    shapes: [{ text: 'Context entry bus {bus:d} devfn {devfn:d} not present' }],
  },
  vtd_re_not_present: {
    args: { bus: 'u32' },
    shapes: [{ text: 'Root entry bus {bus:d} not present' }],
  },
  vtd_iotlb_cc_update: {
    args: { bus: 'u32', devfn: 'u32', hi: 'u64', lo: 'u64' },
    shapes: [
      {
        text: 'IOTLB context update bus 0x{bus:x} devfn 0x{devfn:x} high 0x{hi:x} low 0x{lo:x} gen {_:d} -> gen {_:d}',
      },
    ],
  },
  vtd_device_attach_hwpt: {
    args: { pasid: 'u32', hwpt: 'u32' },
    shapes: [
      { text: 'dev_id {_:d} pasid {pasid:d} hwpt_id {hwpt:d}, ret: {_:d}', versions: '11.0+' },
    ],
  },

  // What the guest asked for.
  vtd_inv_desc_cc_global: { args: {}, shapes: [{ text: 'context invalidate globally' }] },
  vtd_inv_desc_cc_domain: {
    args: { domain: 'u32' },
    shapes: [{ text: 'context invalidate domain 0x{domain:x}' }],
  },
  vtd_inv_desc_cc_devices: {
    args: { sid: 'u32', fmask: 'u32' },
    shapes: [{ text: 'context invalidate devices sid 0x{sid:x} fmask 0x{fmask:x}' }],
  },
  vtd_inv_desc_cc_device: {
    args: bdf,
    shapes: [{ text: 'context invalidate device {bus:x}:{slot:x}.{fn:x}' }],
  },
  vtd_inv_desc_iotlb_global: { args: {}, shapes: [{ text: 'iotlb invalidate global' }] },
  vtd_inv_desc_iotlb_domain: {
    args: { domain: 'u32' },
    shapes: [{ text: 'iotlb invalidate whole domain 0x{domain:x}' }],
  },
  vtd_inv_desc_iotlb_pages: {
    args: { domain: 'u32', addr: 'u64', mask: 'u32' },
    shapes: [{ text: 'iotlb invalidate domain 0x{domain:x} addr 0x{addr:x} mask 0x{mask:x}' }],
  },
  vtd_inv_desc_iotlb_pasid: {
    args: { domain: 'u32', pasid: 'u32' },
    shapes: [{ text: 'iotlb invalidate domain 0x{domain:x} pasid 0x{pasid:x}' }],
  },
  vtd_inv_desc_iotlb_pasid_pages: {
    args: { domain: 'u32', addr: 'u64', mask: 'u32', pasid: 'u32' },
    shapes: [
      {
        text: 'iotlb invalidate domain 0x{domain:x} addr 0x{addr:x} mask 0x{mask:x} pasid 0x{pasid:x}',
      },
    ],
  },
  vtd_inv_desc_pasid_cache_gsi: { args: {}, shapes: [{ text: '', versions: '10.2+' }] },
  vtd_inv_desc_pasid_cache_dsi: {
    args: { domain: 'u32' },
    shapes: [{ text: 'Domain selective PC invalidation domain 0x{domain:x}', versions: '10.2+' }],
  },
  vtd_inv_desc_pasid_cache_psi: {
    args: { domain: 'u32', pasid: 'u32' },
    shapes: [
      {
        text: 'PASID selective PC invalidation domain 0x{domain:x} pasid 0x{pasid:x}',
        versions: '10.2+',
      },
    ],
  },
  // Behind a context invalidation of the device, in scalable mode.
  vtd_pasid_cache_devsi: {
    args: bdf,
    shapes: [
      { text: 'Dev selective PC invalidation dev: {bus:x}:{slot:x}.{fn:x}', versions: '11.0+' },
    ],
  },
  vtd_inv_desc_wait_sw: {
    args: { addr: 'u64' },
    shapes: [{ text: 'wait invalidate status write addr 0x{addr:x} data 0x{_:x}' }],
  },
  vtd_dmar_enable: { args: { on: 'u32' }, shapes: [{ text: 'enable {on:d}' }] },
  vtd_reg_dmar_root: {
    args: { addr: 'u64', scalable: 'u32' },
    shapes: [{ text: 'addr 0x{addr:x} scalable {scalable:d}' }],
  },
  vtd_reset_exit: { args: {}, shapes: [{ text: '', versions: '10.0+' }] },
  vtd_pasid_cache_reset: { args: {}, shapes: [{ text: '', versions: '10.2+' }] },
} as const satisfies Declarations;

export const intelIommuFamilies: Families = ['vtd'];

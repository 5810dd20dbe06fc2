/**
 * The trace events that the replay needs: names, arguments, and how each QEMU version prints them.
 *
 * Facts taken from QEMU 7.2, 10.0, 10.2 and 11.1 and from the logs those versions wrote; the
 * notation is our own. A shape is the text after `name `: literal characters, and `{argument:form}`
 *
 * | form | text                                  | argument types |
 * | ---- | ------------------------------------- | -------------- |
 * | `x`  | hexadecimal digits of either case, without `0x` | u32, u64 |
 * | `d`  | decimal digits, perhaps with a sign   | u32, i32, u64  |
 * | `p`  | a pointer: `0x` and digits, or `(nil)`| u64            |
 * | `s`  | any text up to the next literal, or to the end of the line | text |
 * | `w`  | a word of lower-case letters and hyphens | text |
 * | `MAP|UNMAP` | one of these words; the argument is its position  | u32 |
 *
 * An argument named `_` is read over and not kept. Shapes are tried in order. A shape may lack an
 * argument that another version prints; it then reads as zero, or as empty text.
 */

export type ArgumentType = 'u32' | 'i32' | 'u64' | 'text';

export interface EventDeclaration {
  readonly args: Readonly<Record<string, ArgumentType>>;
  readonly shapes: readonly Shape[];
}

export interface Shape {
  readonly text: string;
  /** The versions that print this shape, where not all do. */
  readonly versions?: string;
  /** Arguments that this shape sets without printing them: mostly which shape it is. */
  readonly sets?: Readonly<Record<string, number>>;
}

const bdf = { bus: 'u32', slot: 'u32', fn: 'u32' } as const;
const range = { start: 'u64', end: 'u64' } as const;
const deviceName = { name: 'text' } as const;

/** One line per event. The order fixes the numbers that batches carry within one run, nothing else. */
export const catalogue = {
  // --- VT-d: address spaces and page walks ---------------------------------------------------
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

  // --- VT-d: what the guest asked for --------------------------------------------------------
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

  // --- VFIO: what reached the host -------------------------------------------------------------
  vfio_iommu_map_notify: {
    args: { op: 'u32', ...range },
    shapes: [{ text: 'iommu {op:UNMAP|MAP} @ 0x{start:x} - 0x{end:x}' }],
  },
  vfio_iommu_map_dirty_notify: {
    args: range,
    shapes: [{ text: 'iommu dirty @ 0x{start:x} - 0x{end:x}' }],
  },
  vfio_iommu_map_dirty_notify_skip_ro: {
    args: range,
    shapes: [{ text: 'iommu dirty @ 0x{start:x} - 0x{end:x}', versions: '11.0+' }],
  },
  vfio_listener_region_add_iommu: {
    args: { name: 'text', ...range },
    shapes: [
      { text: 'region_add [iommu] 0x{start:x} - 0x{end:x}', versions: '7.2' },
      { text: 'region_add [iommu] {name:s} 0x{start:x} - 0x{end:x}', versions: '10.0+' },
    ],
  },
  vfio_listener_region_del_iommu: {
    args: deviceName,
    shapes: [{ text: 'region_del [iommu] {name:s}', versions: '10.0+' }],
  },
  vfio_listener_region_add_ram: {
    args: { ...range, vaddr: 'u64' },
    shapes: [{ text: 'region_add [ram] 0x{start:x} - 0x{end:x} [{vaddr:p}]' }],
  },
  vfio_listener_region_del: {
    args: range,
    shapes: [{ text: 'region_del 0x{start:x} - 0x{end:x}' }],
  },
  vfio_realize: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '7.2' }],
  },
  vfio_attach_device: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.0' }],
  },
  vfio_device_attach: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.2+' }],
  },
  vfio_detach_device: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.0' }],
  },
  vfio_device_detach: {
    args: deviceName,
    shapes: [{ text: ' ({name:s}) group {_:d}', versions: '10.2+' }],
  },
  vfio_get_dirty_bitmap: {
    args: { iova: 'u64', size: 'u64', bitmap: 'u64', ram: 'u64', old: 'u32' },
    shapes: [
      {
        text: 'container fd={_:d}, iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} start=0x{ram:x}',
        versions: '7.2',
        sets: { old: 1 },
      },
      {
        text: 'iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} start=0x{ram:x} dirty_pages={_:d}',
        versions: '10.0',
      },
    ],
  },
  vfio_container_query_dirty_bitmap: {
    args: { iova: 'u64', size: 'u64', flags: 'u64', bitmap: 'u64', ram: 'u64', flagged: 'u32' },
    shapes: [
      {
        text: 'iova=0x{iova:x} size= 0x{size:x} bitmap_size=0x{bitmap:x} gpa=0x{ram:x} dirty_pages={_:d}',
        versions: '10.2',
      },
      {
        text: 'iova=0x{iova:x} size=0x{size:x} backend_flag=0x{flags:x} bitmap_size=0x{bitmap:x} gpa=0x{ram:x} dirty_pages={_:d}',
        versions: '11.0+',
        sets: { flagged: 1 },
      },
    ],
  },
  vfio_device_dirty_tracking_start: {
    args: {},
    shapes: [{ text: 'nr_ranges {_:s}', versions: '10.0+' }],
  },
  vfio_known_safe_misalignment: {
    args: { pageSize: 'u64' },
    shapes: [
      {
        text: 'Region "{_:s}" iova=0x{_:x} offset_within_region=0x{_:x} qemu_real_host_page_size=0x{pageSize:x}',
      },
    ],
  },
  vfio_save_setup: {
    args: deviceName,
    shapes: [
      { text: ' ({name:s}) data buffer size {_:d}', versions: '10.0+' },
      { text: ' ({name:s})', versions: '7.2' },
    ],
  },
  vfio_save_cleanup: { args: deviceName, shapes: [{ text: ' ({name:s})' }] },
  vfio_vmstate_change: {
    args: { name: 'text', running: 'i32' },
    shapes: [{ text: ' ({name:s}) running {running:d} reason {_:s}' }],
  },
  // Renamed between versions: only their names matter.
  vfio_get_device: { args: {}, shapes: [{ text: '{_:s}', versions: '7.2, 10.0' }] },
  vfio_device_get: { args: {}, shapes: [{ text: '{_:s}', versions: '10.2+' }] },
  vfio_reset_handler: { args: {}, shapes: [{ text: '{_:s}', versions: '10.0' }] },
  vfio_device_reset_handler: { args: {}, shapes: [{ text: '{_:s}', versions: '10.2+' }] },
  vfio_listener_region_add_skip: { args: {}, shapes: [{ text: '{_:s}', versions: '7.2' }] },
  iommufd_cdev_attach_ioas_hwpt: { args: {}, shapes: [{ text: '{_:s}', versions: '10.0, 10.2' }] },
  vfio_migration_init: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },
  vfio_query_stop_copy_size: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },
  vfio_state_pending: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },
  vfio_region_dmabuf: { args: {}, shapes: [{ text: '{_:s}', versions: '11.0+' }] },

  // --- iommufd and vfio-user -------------------------------------------------------------------
  iommufd_backend_alloc_ioas: {
    args: { ioas: 'u32' },
    shapes: [{ text: ' iommufd={_:d} ioas={ioas:d}', versions: '10.0+' }],
  },
  iommufd_backend_alloc_hwpt: {
    args: { pt: 'u32', flags: 'u32', hwpt: 'u32' },
    shapes: [
      {
        text: ' iommufd={_:d} dev_id={_:d} pt_id={pt:d} flags=0x{flags:x} hwpt_type={_:d} len={_:d} data_ptr=0x{_:x} out_hwpt={hwpt:d} ({_:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_connect_and_bind: {
    args: deviceName,
    shapes: [
      {
        text: ' [iommufd={_:d}] Successfully bound device {name:s} (fd={_:d}): output devid={_:d}',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_alloc_ioas: {
    args: { ioas: 'u32' },
    shapes: [
      {
        text: ' [iommufd={_:d}] new IOMMUFD container with ioasid={ioas:d}',
        versions: '10.0+',
      },
    ],
  },
  iommufd_cdev_pasid_attach_ioas_hwpt: {
    args: {},
    shapes: [{ text: '{_:s}', versions: '11.0+' }],
  },
  iommufd_backend_map_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', readonly: 'u32', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} addr={_:p} readonly={readonly:d} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_map_file_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', readonly: 'u32', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} fd={_:d} start={_:d} readonly={readonly:d} ({result:d})',
        versions: '10.2+',
      },
    ],
  },
  iommufd_backend_unmap_dma: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', result: 'i32' },
    shapes: [
      {
        text: ' iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_unmap_dma_non_exist: {
    args: { ioas: 'u32', iova: 'u64', size: 'u64', result: 'i32' },
    shapes: [
      {
        text: ' Unmap nonexistent mapping: iommufd={_:d} ioas={ioas:d} iova=0x{iova:x} size=0x{size:x} ({result:d})',
        versions: '10.0+',
      },
    ],
  },
  iommufd_backend_set_dirty: {
    args: { enable: 'u32', result: 'i32' },
    shapes: [
      { text: ' iommufd={_:d} hwpt={_:d} enable={enable:d} ({result:d})', versions: '10.0+' },
    ],
  },
  iommufd_backend_get_dirty_bitmap: {
    args: {
      iova: 'u64',
      size: 'u64',
      flags: 'u64',
      pageSize: 'u64',
      result: 'i32',
      flagged: 'u32',
    },
    shapes: [
      {
        text: ' iommufd={_:d} hwpt={_:d} iova=0x{iova:x} size=0x{size:x} page_size=0x{pageSize:x} ({result:d})',
        versions: '10.0, 10.2',
      },
      {
        text: ' iommufd={_:d} hwpt={_:d} iova=0x{iova:x} size=0x{size:x} flags=0x{flags:x} page_size=0x{pageSize:x} ({result:d})',
        versions: '11.0+',
        sets: { flagged: 1 },
      },
    ],
  },
  vfio_user_version: { args: {}, shapes: [{ text: ' {_:s}', versions: '10.1+' }] },
  vfio_user_dma_map: {
    args: { iova: 'u64', size: 'u64', flags: 'u32' },
    shapes: [
      {
        text: ' iova 0x{iova:x} size 0x{size:x} off 0x{_:x} flags 0x{flags:x} async_ops {_:d}',
        versions: '10.1+',
      },
    ],
  },
  vfio_user_dma_unmap: {
    args: { iova: 'u64', size: 'u64' },
    shapes: [
      {
        text: ' iova 0x{iova:x} size 0x{size:x} flags 0x{_:x} async_ops {_:d}',
        versions: '10.1+',
      },
    ],
  },

  // --- Dirty tracking and migration ------------------------------------------------------------
  global_dirty_changed: { args: { mask: 'u32' }, shapes: [{ text: 'bitmask 0x{mask:x}' }] },
  migrate_set_state: { args: { state: 'text' }, shapes: [{ text: 'new state {state:w}' }] },
  migrate_error: {
    args: { error: 'text' },
    shapes: [{ text: 'error={error:s}', versions: '10.0+' }],
  },
  migrate_fd_error: {
    args: { error: 'text' },
    shapes: [{ text: 'error={error:s}', versions: '7.2' }],
  },
  dirtyrate_set_state: { args: { state: 'text' }, shapes: [{ text: 'new state {state:w}' }] },
  memory_region_sync_dirty: {
    args: { listener: 'text' },
    shapes: [{ text: "mr '{_:s}' listener '{listener:s}' synced (global={_:d})" }],
  },

  // --- Not trace events: what else a trace says, in the same batches ----------------------------
  /** QEMU's message "UNMAP: Size of bitmap too big". */
  'message:bitmap-too-big': { args: { bytes: 'u64' }, shapes: [] },
  /** "...dma_unmap(container, iova, size) = errno (text)". */
  'message:dma-unmap-failed': {
    args: { container: 'u64', iova: 'u64', size: 'u64', errno: 'i32', text: 'text', era: 'u32' },
    shapes: [],
  },
  /** "...dma_map(container, iova, size, vaddr) = errno (text)". */
  'message:dma-map-failed': {
    args: { container: 'u64', iova: 'u64', size: 'u64', errno: 'i32', text: 'text', era: 'u32' },
    shapes: [],
  },
  /** Any other message of QEMU that a rule knows; `topic` is an index into `messageTopics`. */
  'message:other': { args: { topic: 'u32', text: 'text' }, shapes: [] },
  /** A line with QEMU's program name that no rule knows: proof that messages are in this trace. */
  'message:unknown': { args: {}, shapes: [] },
  /** libvirt's "starting up": a new boot begins. */
  'session:start': { args: { qemu: 'text' }, shapes: [] },
  /** A line of the command that libvirt printed. */
  'session:argument': { args: { text: 'text' }, shapes: [] },
  /** The guest's name, of libvirt or of `-msg guest-name=on`. */
  'session:name': { args: { name: 'text' }, shapes: [] },
  /** QEMU ended: a signal, or libvirt's "shutting down". */
  'session:end': { args: { text: 'text' }, shapes: [] },
  /** Something of the trace is lost here; `kind` is an index into `lossKinds`. */
  'trace:loss': { args: { kind: 'u32', count: 'u64', detail: 'text' }, shapes: [] },
} as const satisfies Readonly<Record<string, EventDeclaration>>;

export type EventName = keyof typeof catalogue;
/** An event's number in batches of this process and its workers. */
export type EventKind = number;

export const eventNames = Object.keys(catalogue) as readonly EventName[];

/** The ways in which a trace loses something; the order is the number in `trace:loss`. */
export const lossKinds = [
  'dropped',
  'overwritten',
  'torn',
  'unreadable',
  'truncated',
  'missing-events',
  'starts-late',
  'rate-limited',
] as const;
export type LossKind = (typeof lossKinds)[number];

const kinds: ReadonlyMap<string, EventKind> = new Map(eventNames.map((name, kind) => [name, kind]));

/** The number of an event by its name, or undefined for one that the replay does not need. */
export function kindOfName(name: string): EventKind | undefined {
  return kinds.get(name);
}

/** The number of a catalogued event. */
export function kindOf(name: EventName): EventKind {
  return kinds.get(name) ?? -1;
}

type Offsets<Name extends EventName> = {
  readonly [Argument in keyof (typeof catalogue)[Name]['args']]: number;
};

const WORDS: Readonly<Record<ArgumentType, number>> = { u32: 1, i32: 1, u64: 2, text: 2 };

/** How many words an argument takes in a record. */
export function wordsOf(type: ArgumentType): number {
  return WORDS[type];
}

/** Where each argument of an event lies in its record, in words after the record's header. */
export function offsetsOf<Name extends EventName>(name: Name): Offsets<Name> {
  const offsets: Record<string, number> = {};
  let next = 0;
  const args: Readonly<Record<string, ArgumentType>> = catalogue[name].args;
  for (const [argument, type] of Object.entries(args)) {
    offsets[argument] = next;
    next += WORDS[type];
  }
  return offsets as Offsets<Name>;
}

/** The words that all arguments of an event take. */
export function argumentWords(name: EventName): number {
  const args: Readonly<Record<string, ArgumentType>> = catalogue[name].args;
  return Object.values(args).reduce((sum, type) => sum + WORDS[type], 0);
}

/**
 * What differs between QEMU releases, in one table. A column is a fact; where a release was not read,
 * (8.1, 9.2, 10.1), the value is the one of the nearest release that was, or follows from dated patches.
 */

export const QEMU_VERSIONS = ['7.2', '8.1', '9.2', '10.0', '10.1', '10.2', '11.0', '11.1'] as const;

export type QemuVersion = (typeof QEMU_VERSIONS)[number];

/** How a failed UNMAP is reported. */
export type UnmapFailure =
  /** stderr only, the migration goes on; the parenthesis is whatever errno was left (7.2) */
  | 'report'
  /** stderr, and the code alone goes to the migration stream (8.x to 10.0) */
  | 'report-and-fail'
  /** while migrating the text goes to the migration error instead of stderr, the first one only (10.1 and later) */
  | 'migration-error';

export interface QemuProfile {
  readonly version: QemuVersion;
  /** as libvirt and `--version` print it */
  readonly release: string;
  /** prefix of a trace line under `-msg timestamp=on` */
  readonly timestampPrefix: 'tid' | 'iso';
  /** address width that `intel-iommu` has without an option */
  readonly defaultAwBits: 39 | 48;

  /** the replay begins with a whole unmap of the notifier, also at each dirty sync (7.2) */
  readonly replayUnmaps: boolean;
  /** a whole unmap clears one byte more of the shadow than the notifier holds (7.2) */
  readonly wholeUnmapClearsOneByteMore: boolean;
  /** events that cross the edge of a notifier are cut to it; otherwise QEMU aborts */
  readonly cropsEvents: boolean;
  /** under dirty tracking the whole unmap becomes one unmap per shadow node (11.x) */
  readonly drainsUnderTracking: boolean;
  /** the address that region_del of writable RAM carries under dirty tracking (11.x); null: none */
  readonly regionDelCarriesAddress: 'guest' | 'ram' | null;
  /** tracking means "the migration status is in a set and the devices save", not the flag word (7.2) */
  readonly tracksByMigrationStatus: boolean;
  /** a migration behind a vIOMMU is refused (8.0 to 10.2) */
  readonly blocksMigration: boolean;

  readonly unmapFailure: UnmapFailure;
  /** type1 prints its own line for a failed plain ioctl (7.2) */
  readonly reportsPlainIoctlErrors: boolean;
  /** the dirty bitmap is allocated before its size is checked, so -12 may replace -7 (10.0 and later) */
  readonly allocatesBeforeCheck: boolean;
  /** names in error texts */
  readonly unmapCall: 'vfio_dma_unmap' | 'vfio_container_dma_unmap';
  readonly mapCall: 'vfio_dma_map' | 'vfio_container_dma_map';

  /** the dirty query of an iommufd unmap: none up to 10.2, before the unmap in 11.x; null: no iommufd backend */
  readonly iommufdQuery: 'none' | 'before' | null;
  /** `vfio-user-pci` exists (10.1 and later) */
  readonly vfioUser: boolean;
  /** VFIO devices may track their own DMA */
  readonly deviceTracking: boolean;

  /** text of the dirty query event */
  readonly dirtyQueryEvent: '7.2' | '10.0' | '10.2' | '11';
  /** `vfio_iommu_map_dirty_notify_skip_ro` exists, and read-only mappings are not queried at a sync (11.x) */
  readonly skipsReadOnlyAtSync: boolean;
  /** `vfio_listener_region_add_iommu` names the region, and `vfio_listener_region_del_iommu` exists */
  readonly namesRegion: boolean;
  /** skipped sections have one event (with a name) or two */
  readonly oneSkipEvent: boolean;
  /** `vtd_reset_exit` exists */
  readonly tracesReset: boolean;
  /** `vtd_pasid_cache_reset` follows `vtd_context_cache_reset` */
  readonly tracesPasidCache: boolean;
  /** `vfio_migration_state_notifier` prints the status as text, not as an event number (7.2) */
  readonly notifierPrintsText: boolean;
  /** events of the boot: `vfio_device_attach`, `vfio_device_get` ... instead of `vfio_attach_device` ... */
  readonly bootNames: '7.2' | '10.0' | '10.2';
}

const QEMU_7_2: QemuProfile = {
  version: '7.2',
  release: '7.2.22',
  timestampPrefix: 'tid',
  defaultAwBits: 39,
  replayUnmaps: true,
  wholeUnmapClearsOneByteMore: true,
  cropsEvents: false,
  drainsUnderTracking: false,
  regionDelCarriesAddress: null,
  tracksByMigrationStatus: true,
  blocksMigration: false,
  unmapFailure: 'report',
  reportsPlainIoctlErrors: true,
  allocatesBeforeCheck: false,
  unmapCall: 'vfio_dma_unmap',
  mapCall: 'vfio_dma_map',
  iommufdQuery: null,
  vfioUser: false,
  deviceTracking: false,
  dirtyQueryEvent: '7.2',
  skipsReadOnlyAtSync: false,
  namesRegion: false,
  oneSkipEvent: false,
  tracesReset: false,
  tracesPasidCache: false,
  notifierPrintsText: true,
  bootNames: '7.2',
};

const QEMU_8_1: QemuProfile = {
  ...QEMU_7_2,
  version: '8.1',
  release: '8.1.5',
  replayUnmaps: false,
  wholeUnmapClearsOneByteMore: false,
  tracksByMigrationStatus: false,
  blocksMigration: true,
  unmapFailure: 'report-and-fail',
  reportsPlainIoctlErrors: false,
  allocatesBeforeCheck: true,
  oneSkipEvent: true,
  notifierPrintsText: false,
};

const QEMU_9_2: QemuProfile = {
  ...QEMU_8_1,
  version: '9.2',
  release: '9.2.4',
  defaultAwBits: 48,
  unmapCall: 'vfio_container_dma_unmap',
  mapCall: 'vfio_container_dma_map',
  iommufdQuery: 'none',
  deviceTracking: true,
  dirtyQueryEvent: '10.0',
  bootNames: '10.0',
};

const QEMU_10_0: QemuProfile = {
  ...QEMU_9_2,
  version: '10.0',
  release: '10.0.13',
  namesRegion: true,
  tracesReset: true,
};

const QEMU_10_1: QemuProfile = {
  ...QEMU_10_0,
  version: '10.1',
  release: '10.1.3',
  unmapFailure: 'migration-error',
  vfioUser: true,
  dirtyQueryEvent: '10.2',
  bootNames: '10.2',
};

const QEMU_10_2: QemuProfile = {
  ...QEMU_10_1,
  version: '10.2',
  release: '10.2.2',
  timestampPrefix: 'iso',
  cropsEvents: true,
  tracesPasidCache: true,
};

const QEMU_11_0: QemuProfile = {
  ...QEMU_10_2,
  version: '11.0',
  release: '11.0.2',
  drainsUnderTracking: true,
  regionDelCarriesAddress: 'guest',
  blocksMigration: false,
  iommufdQuery: 'before',
  dirtyQueryEvent: '11',
  skipsReadOnlyAtSync: true,
};

const QEMU_11_1: QemuProfile = {
  ...QEMU_11_0,
  version: '11.1',
  release: '11.1.3',
  regionDelCarriesAddress: 'ram',
};

const PROFILES: Readonly<Record<QemuVersion, QemuProfile>> = {
  '7.2': QEMU_7_2,
  '8.1': QEMU_8_1,
  '9.2': QEMU_9_2,
  '10.0': QEMU_10_0,
  '10.1': QEMU_10_1,
  '10.2': QEMU_10_2,
  '11.0': QEMU_11_0,
  '11.1': QEMU_11_1,
};

export function qemuProfile(version: QemuVersion): QemuProfile {
  return PROFILES[version];
}

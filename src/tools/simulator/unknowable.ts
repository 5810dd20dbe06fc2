import { eventSelection } from './event-sets.ts';
import {
  DEFAULT_DMA_ENTRY_LIMIT,
  KERNEL_MAX_BITMAP_BYTES,
  type SimulationOptions,
} from './options.ts';
import { qemuProfile } from './qemu-profile.ts';

/** What a reader of the log cannot know, whatever it does: each a reason that a comparison has to forgive. */
export function unknowableFrom(options: SimulationOptions): string[] {
  const traced = eventSelection(options.events);
  const profile = qemuProfile(options.qemu);
  const reasons: [condition: boolean, reason: string][] = [
    [
      options.maxDirtyBitmapBytes !== KERNEL_MAX_BITMAP_BYTES,
      'the largest dirty bitmap is not the kernel default: only observed failures bound it',
    ],
    [
      options.dmaEntryLimit !== DEFAULT_DMA_ENTRY_LIMIT,
      'the limit of type1 mappings is not the default: only observed -28 lines bound it',
    ],
    [options.bitmapMemoryBytes !== null, 'dirty bitmaps may fail to be allocated (-12)'],
    [options.hostPageSize !== 4096, 'the host page size is not 4 KiB'],
    [
      options.ramSize > options.below4g,
      'RAM lies above 4 GiB: its layout shows only where region_add_ram lines are traced',
    ],
    [!options.errorsInLog, 'error messages are not in the log: failed operations look like others'],
    [
      !options.bootLines,
      'the trace starts after the boot: notifiers, RAM and back end are not shown there',
    ],
    [
      !traced('vtd_page_walk_one'),
      'no page-walk lines: addresses, permissions and causes of walks',
    ],
    [
      !traced('global_dirty_changed') && !traced('migrate_set_state'),
      'nothing shows when dirty tracking is on',
    ],
    [
      profile.tracksByMigrationStatus &&
        !(traced('vfio_save_setup') && traced('migrate_set_state')),
      'nothing shows when the devices save',
    ],
    [!traced('vfio_listener_region_del'), 'deleted sections leave no line'],
    [
      options.events === 'minimal' || options.events === 'vfio',
      'context look-ups and walks are missing: the device of a notification may be unknown',
    ],
    [options.backend === 'vfio-user', 'what the vfio-user server answers is not in a trace'],
    [
      options.backend === 'iommufd' && !traced('iommufd_backend_unmap_dma'),
      'no iommufd lines: the back end looks like a legacy container',
    ],
    [
      options.deviceTracking && !traced('vfio_device_dirty_tracking_start'),
      'nothing shows that the devices log their own DMA',
    ],
    [
      options.pastRam === 'survives' && options.wildAddresses,
      'dirty bits far past the end of RAM do no visible harm here',
    ],
  ];
  return reasons.filter(([condition]) => condition).map(([, reason]) => reason);
}

import { type Profile, versionNumber } from './profile.ts';
import { qemu10_1 } from './qemu-10.1.ts';

/** QEMU 10.2, as its source (10.2.2) has it: `memory_region_notify_iommu_one` cuts events. */
export const qemu10_2: Profile = {
  ...qemu10_1,
  id: '10.2',
  version: versionNumber(10, 2),
  known: 'source',
  crossingEvent: 'crop',
};

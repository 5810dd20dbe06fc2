import { type Profile, versionNumber } from './profile.ts';
import { qemu11_0 } from './qemu-11.0.ts';

/**
 * QEMU 11.1, as its log of events (11.1.3) and logs of its binary have it: since commit 27b28632d0db
 * the entry that `vfio_listener_region_del` makes up has the section's ram_addr.
 */
export const qemu11_1: Profile = {
  ...qemu11_0,
  id: '11.1',
  version: versionNumber(11, 1),
  known: 'source',
  regionDelAddress: 'ram',
};

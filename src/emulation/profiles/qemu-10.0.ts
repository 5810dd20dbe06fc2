import { type Profile, versionNumber } from './profile.ts';
import { qemu9_2 } from './qemu-9.2.ts';

/** QEMU 10.0, as its source (10.0.13) and logs of its binary have it. */
export const qemu10_0: Profile = {
  ...qemu9_2,
  id: '10.0',
  version: versionNumber(10, 0),
  known: 'source',
};

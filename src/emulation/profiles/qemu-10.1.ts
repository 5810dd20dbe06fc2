import { type Profile, versionNumber } from './profile.ts';
import { qemu10_0 } from './qemu-10.0.ts';

/** QEMU 10.1: nothing that was read between 10.0 and 10.2 concerns unmaps in it. */
export const qemu10_1: Profile = {
  ...qemu10_0,
  id: '10.1',
  version: versionNumber(10, 1),
  known: 'inferred',
};

import { type Profile, versionNumber } from './profile.ts';
import { qemu8_1 } from './qemu-8.1.ts';

/** QEMU 9.2, by the compatibility table of later ones: `hw/i386/pc.c` keeps 39 bits up to `*-9.1`. */
export const qemu9_2: Profile = {
  ...qemu8_1,
  id: '9.2',
  version: versionNumber(9, 2),
  defaultAwBits: 48,
};

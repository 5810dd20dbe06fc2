import { attachTexts } from './attach.ts';
import { deviceStateTexts } from './device-state.ts';
import { endingTexts } from './ending.ts';
import { mapTexts } from './map.ts';
import type { MessageText } from './message-text.ts';
import { migrationTexts } from './migration.ts';
import { trackingTexts } from './tracking.ts';
import { unmapTexts } from './unmap.ts';
import { viommuTexts } from './viommu.ts';

export type { MappedMemory, MessageOperation, MessagePart, MessageText } from './message-text.ts';

/**
 * Everything that QEMU 2.9 to 11.1, iommufd, libvirt and the kernel are known to say about VFIO, its
 * IOMMUs and migration, but for the three texts with an address range of their own (`message:*` of the
 * catalogue). What stands first is tried first: the line of an ioctl before that of its caller.
 */
export const messageTexts: readonly MessageText[] = [
  ...unmapTexts,
  ...mapTexts,
  ...trackingTexts,
  ...attachTexts,
  ...migrationTexts,
  ...deviceStateTexts,
  ...viommuTexts,
  ...endingTexts,
];

/** The version of QEMU shows in the name of a failing function: 0 unknown, 1 up to 8.2, 2 from 9.0 on. */
export const messageEra = { unknown: 0, old: 1, current: 2 } as const;

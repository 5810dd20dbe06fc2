import { type Profile, versionNumber } from './profile.ts';

/** QEMU 7.2, as its source (7.2.0) and logs of its binary have it. */
export const qemu7_2: Profile = {
  id: '7.2',
  version: versionNumber(7, 2),
  known: 'source',
  unmapInMigration: null,
  replayClearsShadow: false,
  removesOneByteMore: true,
  crossingEvent: 'abort',
  legacyTracking: 'saving',
  iommufdQuery: 'none',
  regionDelEntry: false,
  regionDelAddress: 'guest',
  migration: 'allowed',
  defaultAwBits: 39,
};

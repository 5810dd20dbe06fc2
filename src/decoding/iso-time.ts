import { NO_TIME } from '../base/place.ts';

/** Seconds since 1970 that a record can hold. */
export const LAST_SECOND = 0xffff_ffff;

/** A time as records have it. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const NO_TIME_AT_ALL: Time = { seconds: 0, nanoseconds: NO_TIME };

/**
 * The time of the groups of `ISO_TIME`: to the second, the digits of its fraction, the zone. No time
 * where there is no such date, or where it is before 1970 or after 2106.
 */
export function timeOfIso(toSeconds: string, fraction: string, zone: string): Time {
  const hours = zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const seconds = Date.parse(`${toSeconds.replace(' ', 'T')}${hours}`) / 1000;
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > LAST_SECOND) return NO_TIME_AT_ALL;
  return { seconds, nanoseconds: Number((fraction || '0').padEnd(9, '0')) };
}

import { type Profile, versionNumber } from './profile.ts';
import { qemu7_2 } from './qemu-7.2.ts';
import { qemu8_1 } from './qemu-8.1.ts';
import { qemu9_2 } from './qemu-9.2.ts';
import { qemu10_0 } from './qemu-10.0.ts';
import { qemu10_1 } from './qemu-10.1.ts';
import { qemu10_2 } from './qemu-10.2.ts';
import { qemu11_0 } from './qemu-11.0.ts';
import { qemu11_1 } from './qemu-11.1.ts';
import { v4Patch } from './v4-patch.ts';
import { v5Patch } from './v5-patch.ts';

/** Releases first, oldest first. A version that is not listed behaves like the newest one before it. */
export const profiles: readonly Profile[] = [
  qemu7_2,
  qemu8_1,
  qemu9_2,
  qemu10_0,
  qemu10_1,
  qemu10_2,
  qemu11_0,
  qemu11_1,
  v4Patch,
  v5Patch,
];

/** Those that were released, oldest first. */
export const releases = profiles.filter(({ known }) => known !== 'unmerged');

/** True where two versions treat every unmap alike. */
export function unmapAlike(a: Profile, b: Profile): boolean {
  return (
    a === b ||
    (a.unmapInMigration?.carries === b.unmapInMigration?.carries &&
      a.legacyTracking === b.legacyTracking &&
      a.iommufdQuery === b.iommufdQuery &&
      a.regionDelEntry === b.regionDelEntry &&
      a.regionDelAddress === b.regionDelAddress)
  );
}

/** The newest release that is not newer than `version`, a `versionNumber`; the oldest for older ones. */
export function profileFor(version: number): Profile {
  return releases.findLast((profile) => profile.version <= version) ?? qemu7_2;
}

/** A profile by its id, or by a version `x.y` or `x.y.z`; undefined for anything else. */
export function profileNamed(name: string): Profile | undefined {
  const exact = profiles.find((profile) => profile.id === name);
  if (exact !== undefined) return exact;
  const [, major, minor] = /^(\d{1,2})\.(\d{1,2})(?:\.\d{1,3})?$/.exec(name) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return profileFor(versionNumber(Number(major), Number(minor)));
}

import * as listed from './list.ts';
import { type Profile, versionNumber } from './profile.ts';

const all: readonly Profile[] = Object.values(listed);

/** Those that were released, oldest first. A version that is not listed behaves like the newest one before it. */
export const releases: readonly Profile[] = all
  .filter(({ known }) => known !== 'unmerged')
  .sort((one, other) => one.version - other.version);

/** Releases first, oldest first; then patches that were not merged. */
export const profiles: readonly Profile[] = [
  ...releases,
  ...all.filter(({ known }) => known === 'unmerged'),
];

/** True where two versions treat every unmap alike. */
export function unmapAlike(a: Profile, b: Profile): boolean {
  return (
    a === b ||
    (a.unmapInMigration?.sends === b.unmapInMigration?.sends &&
      a.legacyTracking === b.legacyTracking &&
      a.iommufdQuery === b.iommufdQuery &&
      a.regionDelEntry === b.regionDelEntry &&
      a.regionDelAddress === b.regionDelAddress)
  );
}

/** The newest release that is not newer than `version`, a `versionNumber`; the oldest for older ones. */
export function profileFor(version: number): Profile {
  const newest = releases.findLast((profile) => profile.version <= version) ?? releases[0];
  if (newest === undefined) throw new Error('no version of QEMU is listed');
  return newest;
}

/** A profile by its id, or by a version `x.y` or `x.y.z`; undefined for anything else. */
export function profileNamed(name: string): Profile | undefined {
  const exact = profiles.find((profile) => profile.id === name);
  if (exact !== undefined) return exact;
  const [, major, minor] = /^(\d{1,2})\.(\d{1,2})(?:\.\d{1,3})?$/.exec(name) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return profileFor(versionNumber(Number(major), Number(minor)));
}

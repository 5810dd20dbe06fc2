import { profiles, unmapAlike } from '../profiles/index.ts';
import { type Profile, versionNumber, versionText } from '../profiles/profile.ts';
import type { ContainerBackend } from '../vfio/container-backend.ts';
import { iommufdBackend } from '../vfio/iommufd.ts';
import { legacyBackend } from '../vfio/legacy.ts';

/** A machine that a trace could have been of. */
export interface WhatIfMachine {
  readonly profile: Profile;
  /** Versions that treat everything alike, the first and the last: `8.1`, `10.1`. */
  readonly from: string;
  readonly to: string;
  readonly backend: 'legacy' | 'iommufd';
  readonly behaviour: ContainerBackend;
  /** Address width of the vIOMMU. */
  readonly awBits: number;
  /** Bytes of the host's pages. */
  readonly pageSize: number;
  /** Machines that treat a single UNMAP under tracking alike have the same. */
  readonly queryKind: string;
}

/** Widths that `aw-bits` of intel-iommu may have: `vtd_decide_config` (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2). */
const WIDTHS = [39, 48] as const;
const PAGE_SIZES = [4096, 16_384, 65_536] as const;
/** The first release with `-object iommufd` (hw/vfio/iommufd.c). */
const FIRST_IOMMUFD = versionNumber(9, 0);

const BACKENDS = [
  { backend: 'legacy', behaviour: legacyBackend, since: 0 },
  { backend: 'iommufd', behaviour: iommufdBackend, since: FIRST_IOMMUFD },
] as const;

/** Every version that behaves like no other, with each kind of container, width and page size. */
export function machineMatrix(): readonly WhatIfMachine[] {
  const machines: WhatIfMachine[] = [];
  for (const { backend, behaviour, since } of BACKENDS) {
    for (const group of groups()) {
      const members = group.filter(({ version }) => version >= since);
      const [first] = members;
      const last = members.at(-1);
      if (first === undefined || last === undefined) continue;
      // The group may begin before this kind of container was there.
      const isCut = members.length < group.length;
      const from = isCut ? versionText(since) : first.id;
      for (const awBits of WIDTHS) {
        for (const pageSize of PAGE_SIZES) {
          machines.push({
            profile: last,
            from,
            to: last.id,
            backend,
            behaviour,
            awBits,
            pageSize,
            queryKind: backend === 'legacy' ? backend : `${backend} ${last.iommufdQuery}`,
          });
        }
      }
    }
  }
  return machines;
}

/** The versions, oldest first, those together that follow each other and behave alike. */
function groups(): readonly (readonly Profile[])[] {
  const all: Profile[][] = [];
  for (const profile of profiles) {
    const newest = all.at(-1);
    const before = newest?.at(-1);
    if (newest !== undefined && before !== undefined && isAlike(before, profile)) {
      newest.push(profile);
    } else all.push([profile]);
  }
  return all;
}

function isAlike(a: Profile, b: Profile): boolean {
  return (
    unmapAlike(a, b) &&
    (a.known === 'unmerged') === (b.known === 'unmerged') &&
    a.crossingEvent === b.crossingEvent &&
    a.replayClearsShadow === b.replayClearsShadow &&
    a.migration === b.migration
  );
}

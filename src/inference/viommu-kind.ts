import type { ViommuName } from '../emulation/viommu/viommu.ts';
import { type EventName, eventNames } from '../events/catalogue/index.ts';
import type { Machine } from './machine.ts';
import type { Known } from './parameters.ts';

const eventsOf = (prefix: string) => eventNames.filter((name) => name.startsWith(prefix));

/** What each prints, and how VFIO's lines call its regions. */
const OWN: Readonly<Record<ViommuName, readonly EventName[]>> = {
  'intel-iommu': eventsOf('vtd_'),
  'amd-iommu': eventsOf('amdvi_'),
  'virtio-iommu': eventsOf('virtio_iommu_'),
};
/** VFIO prints them for a vIOMMU of any kind. */
const OF_ANY = ['vfio_listener_region_add_iommu', 'vfio_iommu_map_notify'] as const;
const OF_VFIO = eventNames.filter(
  (name) => name.startsWith('vfio_') || name.startsWith('iommufd_'),
);

/** By what it shows where none of its own lines does. */
const DERIVED_FROM = {
  'amd-iommu': 'the name of its region, or chunks of whole unmaps up to 2^64',
  'virtio-iommu': 'the name of its region',
} as const;

export type VIommuKind = ViommuName | 'none';

/** Which vIOMMU the VM has, as far as the events of its trace show it; null: not even VFIO is seen. */
export function vIommuKind({
  seen,
  viommu: { name: value },
}: Pick<Machine, 'seen' | 'viommu'>): Known<VIommuKind | null> {
  const own = OWN[value].find((event) => seen.isTraced(event));
  if (own !== undefined) return { value, source: 'trace', from: own };
  if (value !== 'intel-iommu') return { value, source: 'derived', from: DERIVED_FROM[value] };
  const any = OF_ANY.find((name) => seen.isTraced(name));
  if (any !== undefined) {
    const from = `${any}: VFIO is behind a vIOMMU, taken for VT-d as no line names its kind`;
    return { value: 'intel-iommu', source: 'assumed', from };
  }
  const isVfioSeen = OF_VFIO.some((name) => seen.isTraced(name));
  const from = isVfioSeen ? 'no line of a vIOMMU beside those of VFIO' : 'no line tells it';
  return { value: isVfioSeen ? 'none' : null, source: 'assumed', from };
}

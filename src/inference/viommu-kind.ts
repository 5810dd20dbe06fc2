import type { ViommuName } from '../emulation/viommu/viommu.ts';
import { eventNames } from '../events/catalogue/index.ts';
import type { Known } from './parameters.ts';
import type { SeenEvents } from './seen-events.ts';

const OF_VTD = eventNames.filter((name) => name.startsWith('vtd_'));
/** VFIO prints them for a vIOMMU of any kind. */
const OF_ANY = ['vfio_listener_region_add_iommu', 'vfio_iommu_map_notify'] as const;
const OF_VFIO = eventNames.filter(
  (name) => name.startsWith('vfio_') || name.startsWith('iommufd_'),
);

export type VIommuKind = ViommuName | 'none';

/** Which vIOMMU the VM has, as far as the events of its trace show it; null: not even VFIO is seen. */
export function vIommuKind(seen: SeenEvents): Known<VIommuKind | null> {
  const own = OF_VTD.find((name) => seen.isTraced(name));
  if (own !== undefined) return { value: 'intel-iommu', source: 'trace', from: own };
  const any = OF_ANY.find((name) => seen.isTraced(name));
  if (any !== undefined) {
    const from = `${any}: VFIO is behind a vIOMMU, taken for VT-d as no line names its kind`;
    return { value: 'intel-iommu', source: 'assumed', from };
  }
  const isVfioSeen = OF_VFIO.some((name) => seen.isTraced(name));
  const from = isVfioSeen ? 'no line of a vIOMMU beside those of VFIO' : 'no line tells it';
  return { value: isVfioSeen ? 'none' : null, source: 'assumed', from };
}

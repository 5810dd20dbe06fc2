import { describe, expect, it } from 'vitest';
import { amdIommu } from '../../src/emulation/viommu/amd/index.ts';
import { intelIommu } from '../../src/emulation/viommu/intel/index.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../src/emulation/viommu/notifiers.ts';
import { DeviceSpace } from '../../src/inference/device-space.ts';

describe('the notifiers of a device', () => {
  // VFIO registers them from the lowest address up, and QEMU puts each at the head of its list.
  it.each([intelIommu, amdIommu])(
    '$name: come in one order, registered in the trace or not',
    (viommu) => {
      const space = new DeviceSpace(viommu, 0x80);
      const untold = space.effectiveNotifiers;
      for (const range of [LOW_NOTIFIER, HIGH_NOTIFIER]) space.addNotifier(range);
      expect(space.effectiveNotifiers).toEqual(untold);
    },
  );

  it('are those that are registered, where lines say so', () => {
    const space = new DeviceSpace(intelIommu, 0x80);
    space.addNotifier(LOW_NOTIFIER);
    expect(space.effectiveNotifiers).toEqual([LOW_NOTIFIER]);
    expect(space.removeNotifier(LOW_NOTIFIER)).toBe(true);
    expect(space.removeNotifier(LOW_NOTIFIER)).toBe(false);
  });
});

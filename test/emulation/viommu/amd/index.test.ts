import { describe, expect, it } from 'vitest';
import { isBitmapTooBig } from '../../../../src/emulation/vfio/dirty-bitmap.ts';
import { amdIommu, amdviAddressSpaceUnmap } from '../../../../src/emulation/viommu/amd/index.ts';
import { vtdAddressSpaceUnmap } from '../../../../src/emulation/viommu/intel/unmap.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../../../src/emulation/viommu/notifiers.ts';

const MAX_BITMAP = 0x1000_0000;

describe('the whole unmap of AMD-Vi', () => {
  const high = amdviAddressSpaceUnmap(HIGH_NOTIFIER);
  const low = amdviAddressSpaceUnmap(LOW_NOTIFIER);

  it('is 34 pieces above the interrupt range, up to 2^64', () => {
    expect(high.slice(0, 3)).toEqual([
      { iova: 0xfef0_0000n, size: 0x10_0000n },
      { iova: 0xff00_0000n, size: 0x100_0000n },
      { iova: 1n << 32n, size: 1n << 32n },
    ]);
    expect(high.length).toBe(34);
    expect(high.at(-1)).toEqual({ iova: 1n << 63n, size: 1n << 63n });
  });

  it('is the 10 pieces of VT-d below it', () => {
    expect(low.length).toBe(10);
    expect(low).toEqual(vtdAddressSpaceUnmap(LOW_NOTIFIER, 48).pieces);
  });

  it('has 20 pieces whose bitmap is larger than type1 accepts', () => {
    const bitmaps = [...high, ...low].map(({ size }) => Number(size >> 15n));
    expect(bitmaps.filter((bytes) => isBitmapTooBig(bytes, MAX_BITMAP)).length).toBe(20);
  });

  it('covers each notifier without a hole', () => {
    for (const notifier of amdIommu.notifierRanges) {
      let next = notifier.start;
      for (const { iova, size } of amdviAddressSpaceUnmap(notifier)) {
        expect(iova).toBe(next);
        expect(iova % size).toBe(0n);
        next += size;
      }
      expect(next).toBe(notifier.end + 1n);
    }
  });
});

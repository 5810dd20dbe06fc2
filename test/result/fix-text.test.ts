import { describe, expect, it } from 'vitest';
import type { Fix } from '../../src/base/fix.ts';
import { fixText, releaseText } from '../../src/result/fix-text.ts';

const rows: readonly (Fix & { readonly says: string })[] = [
  { says: '' },
  { today: 'Unplug the device.', says: 'Unplug the device.' },
  {
    release: { of: 'Whole unmaps', first: '11.0' },
    says: 'Whole unmaps: fixed in QEMU 11.0.',
  },
  {
    release: {
      of: 'Whole unmaps',
      first: '11.0',
      commit: 'cac33cb5533a',
      note: 'which leaves some',
    },
    says: 'Whole unmaps: fixed in QEMU 11.0 (commit cac33cb5533a), which leaves some.',
  },
  {
    release: { of: 'Single pages', first: null, note: '11.x included' },
    today: 'Unplug the device. It may come back.',
    says: 'Single pages: no release fixes this yet, 11.x included. Today: unplug the device. It may come back.',
  },
  {
    followsFrom: 'the failure before it: see that finding',
    says: 'Follows from the failure before it: see that finding.',
  },
  {
    followsFrom: 'the failure before it',
    today: 'A reset helps.',
    says: 'Follows from the failure before it. Today: a reset helps.',
  },
  {
    release: { of: 'Single pages', first: null },
    today: 'aw-bits=39 on intel-iommu.',
    says: 'Single pages: no release fixes this yet. Today: aw-bits=39 on intel-iommu.',
  },
  {
    release: { of: 'Single pages', first: null },
    today: 'QEMU 7.2 helps.',
    says: 'Single pages: no release fixes this yet. Today: QEMU 7.2 helps.',
  },
];

describe('a fix in sentences', () => {
  it.each(rows)('$says', ({ says, ...fix }) => {
    expect(fixText(fix)).toBe(says);
  });

  it('begins with the release as reports tell it alone', () => {
    const release = { of: 'Whole unmaps', first: '11.0', commit: 'cac33cb5533a' };
    expect(fixText({ release, today: 'Unplug.' })).toBe(`${releaseText(release)} Today: unplug.`);
  });
});

import { humanSize } from '../../base/address.ts';
import { unmapAlike } from '../../emulation/profiles/index.ts';
import type { Window } from '../../inference/tracking.ts';
import { Basis } from '../grounds.ts';
import { plural, type Rule, warningUnlessWhatIf } from '../rule.ts';

/** Unmaps in one tracking window from which on their cost is worth a word. */
const MANY_UNMAPS = 10_000;
/** Bytes of bitmaps allocated and cleared in one window, likewise. */
const MANY_BYTES = 4 * 2 ** 30;

/** VTD012: the unmaps of a tracking window cost more than a threshold. */
export const unmapStorm: Rule = {
  id: 'VTD012',
  slug: 'unmap-storm',
  title: 'Very many or very large unmaps while dirty tracking is on',
  severity: warningUnlessWhatIf,
  verdict: () => null,
  needs: ['vfio_iommu_map_notify'],
  start(machine, sink) {
    let window: Window | null = null;
    let { profile } = machine;
    let unmaps = 0;
    let bytes = 0;
    const close = () => {
      if (window === null || (unmaps < MANY_UNMAPS && bytes < MANY_BYTES)) return;
      const basis = new Basis().add(
        machine.tracking.mask === null ? 'trackingMigration' : 'trackingFlag',
      );
      if (!unmapAlike(profile, machine.profile)) basis.add('versionLate');
      const detail = `${plural(unmaps, 'unmap')} with bitmaps of ${humanSize(bytes)} in all`;
      sink.add({ mode: 'active', mark: window.first, basis, detail });
    };
    return {
      unmap(unmap) {
        if (unmap.tracked !== true || machine.tracking.window === null) return;
        if (machine.tracking.window !== window) {
          close();
          window = machine.tracking.window;
          ({ profile } = machine);
          unmaps = 0;
          bytes = 0;
        }
        unmaps += 1;
        if (unmap.asTraced.query === 'bitmap') bytes += unmap.bitmapBytes;
      },
      finish: close,
    };
  },
  message: ({ detail }) =>
    `While dirty tracking was on: ${detail}. Each such unmap allocates, clears and reads a bitmap under QEMU's big lock, which slows the guest and the migration down.`,
  fix: () =>
    'aw-bits=39 makes whole unmaps cheap; a guest in lazy (non-strict) IOMMU mode unmaps less often.',
};

import { humanSize } from '../../base/address.ts';
import { plural } from '../../base/words.ts';
import { unmapAlike } from '../../emulation/profiles/index.ts';
import type { Window } from '../../inference/tracking.ts';
import { Basis } from '../grounds.ts';
import { type RuleBody, warningUnlessWhatIf } from '../rule.ts';

/** Unmaps in one tracking window from which on their cost is worth a word. */
const MANY_UNMAPS = 10_000;
/** Bytes of bitmaps allocated and cleared in one window, likewise. */
const MANY_BYTES = 4 * 2 ** 30;

/** VTD012: the unmaps of a tracking window cost more than a threshold. */
export const unmapStorm: RuleBody = {
  severity: warningUnlessWhatIf,
  verdict: () => null,
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed'],
  start(facts, report) {
    let window: Window | null = null;
    let { profile } = facts;
    let unmaps = 0;
    let bytes = 0;
    const close = () => {
      if (window === null || (unmaps < MANY_UNMAPS && bytes < MANY_BYTES)) return;
      const basis = new Basis().add(facts.isFlagWordTraced ? 'trackingFlag' : 'trackingMigration');
      if (!unmapAlike(profile, facts.profile)) basis.add('versionLate');
      const detail = `${plural(unmaps, 'unmap')} with bitmaps of ${humanSize(bytes)} in all`;
      report.add({ mode: 'active', mark: window.first, basis, detail });
    };
    return {
      unmap(unmap) {
        const { trackingWindow } = facts;
        if (unmap.tracked !== true || trackingWindow === null) return;
        if (trackingWindow !== window) {
          close();
          window = trackingWindow;
          ({ profile } = facts);
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
  fix: ({ facts }) => ({
    today: facts.mayHaveAwBits
      ? 'aw-bits=39 makes whole unmaps cheap; a guest in lazy (non-strict) IOMMU mode unmaps less often.'
      : facts.mayHaveVIommu
        ? 'A guest in lazy (non-strict) IOMMU mode unmaps less often.'
        : 'Do not plug or move memory of the guest while dirty pages are tracked.',
  }),
};

import type { Severity, Verdict } from '../../base/vocabulary.ts';
import { plural } from '../../base/words.ts';
import { EADDRINUSE, EEXIST, EINVAL } from '../../emulation/vfio/errno.ts';
import { symptom } from '../../inference/unmap.ts';
import { cutsThrough } from '../failures.ts';
import { Basis, unmapsGround } from '../grounds.ts';
import { errorUnlessWhatIf, type GroupView, modeOfFailure, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, mappings: true } as const;

/** What is told in words, and may be harmless. */
const MILDER: Readonly<Record<string, { severity: Severity; verdict: Verdict | null }>> = {
  'map repeated': { severity: 'note', verdict: null },
  'map told': { severity: 'warning', verdict: null },
  'map stale': { severity: 'error', verdict: 'leaves-mappings' },
  'unmap untracked': { severity: 'warning', verdict: 'leaves-mappings' },
};

/** Some of what AMD-Vi mapped again may lead elsewhere by now: only QEMU's messages tell, and they are not in the trace. */
function mayBeChanged({ facts, topic }: Pick<GroupView, 'facts' | 'topic'>): boolean {
  return topic === 'map repeated' && facts.unseenChangeAtLine > 0;
}

/** VTD009: a MAP over a live range, or an UNMAP that cuts through a mapping. */
export const mapConflict: RuleBody = {
  severity: (group) =>
    mayBeChanged(group) ? 'warning' : (MILDER[group.topic]?.severity ?? errorUnlessWhatIf(group)),
  verdict({ mode, topic }) {
    const milder = MILDER[topic];
    if (milder !== undefined) return milder.verdict;
    return mode === 'observed' || topic === 'unmap' || topic === 'abort' ? 'fails' : null;
  },
  requiredEvents: ['vfio_iommu_map_notify', 'vtd_page_walk_one', 'amdvi_pages_inval'],
  restsOn,
  symptoms: symptom.failure,
  start: (facts, report) => ({
    unmap(unmap, mode) {
      if (!cutsThrough(unmap)) return;
      const isUntracked = unmap.isSeenFailing && unmap.tracked !== true;
      report.unmap(unmap, mode, isUntracked ? 'unmap untracked' : 'unmap');
    },
    'failed-map'(failure) {
      const { mark, space, container, first, last, errno, observed, tracked } = failure;
      const isTaken = errno === EEXIST || errno === EADDRINUSE;
      // A part that QEMU itself refuses brings no message, so that -22 in words is another matter.
      if (!isTaken && (errno !== EINVAL || observed)) return;
      const basis = new Basis().add(observed ? 'message' : 'emulated');
      // Whether it failed rests on what its device's container holds.
      if (!observed && space === null) basis.add('deviceGuessed');
      const mode = modeOfFailure(observed, tracked);
      const topic = failure.isRepeated
        ? 'map repeated'
        : !isTaken
          ? 'cropped'
          : !observed
            ? 'map'
            : failure.isOverStale
              ? 'map stale'
              : 'map told';
      // What was in the way may have gone with an UNMAP that is not in the trace.
      const unchecked = observed ? null : unmapsGround(facts);
      if (unchecked !== null) basis.add(unchecked);
      const rests = observed ? {} : { backend: true, version: true };
      report.add({
        mode,
        mark,
        basis,
        restsOn: rests,
        space,
        container,
        first,
        last,
        errno,
        topic,
      });
    },
    abort({ space, first, last, mark }) {
      const basis = new Basis().add('emulated').add('traceEnds');
      if (!facts.versionsAgree('crossingEvent')) basis.add('versionAssumed');
      const { container } = space;
      report.add({ mode: 'active', mark, basis, space, container, first, last, topic: 'abort' });
    },
  }),
  message({ topic, count, facts, iova, sizeText, errno, mode }) {
    const fails = count === 1 ? 'fails' : 'fail';
    const verb = mode === 'observed' ? 'failed' : `${fails} by the emulation`;
    if (mayBeChanged({ facts, topic })) {
      return `${plural(count, 'MAP')} ${verb} with -17 (File exists), the first of ${sizeText} at iova ${iova}: QEMU maps again what it has mapped already. At a dirty sync the host keeps the mapping as it is, which is harmless by itself. Where the guest has changed where the mapping leads, as it may have at line ${facts.unseenChangeAtLine}, the device reaches the old memory: QEMU's messages tell, and they are not in the trace.`;
    }
    if (topic === 'map repeated') {
      return `${plural(count, 'MAP')} ${verb} with -17 (File exists), the first of ${sizeText} at iova ${iova}: QEMU maps again what it has mapped already, at a dirty sync or where a device joins a domain. The host keeps the mapping as it is, so that this is harmless by itself.`;
    }
    if (topic === 'map told') {
      return `${plural(count, 'MAP')} failed with ${errno}, the first of ${sizeText} at iova ${iova}: the host holds a mapping there already. Either QEMU mapped the same twice, as when its tables are replayed, which is harmless; or one is left that should be gone, and the device reaches old memory. This message alone does not tell which.`;
    }
    if (topic === 'map' || topic === 'map stale') {
      return `${plural(count, 'MAP')} ${verb} with -17 (File exists), the first of ${sizeText} at iova ${iova}: the host still holds a mapping there that QEMU believes gone. The device reaches the old memory.`;
    }
    if (topic === 'abort') {
      return `QEMU stops with an assertion: the table entry of ${sizeText} at iova ${iova} crosses the interrupt range 0xfee00000, which QEMU up to 10.1 does not expect of an event. The trace ends with it.`;
    }
    if (topic === 'cropped') {
      return `${plural(count, 'MAP')} ${verb}: the mapping at iova ${iova} crosses the interrupt range 0xfee00000, and QEMU refuses the parts.`;
    }
    return `${plural(count, 'unmap')} ${verb} with ${errno}: the first, ${sizeText} at iova ${iova}, cuts through a larger mapping, which type1 does not allow. The mapping stays.`;
  },
  fix({ facts, topic }) {
    if (mayBeChanged({ facts, topic })) {
      return {
        today:
          'Keep QEMU\'s messages (standard error) in the trace: "Found conflicting translation" there shows a mapping that leads elsewhere.',
      };
    }
    if (topic === 'map repeated') {
      return { today: 'Nothing needs fixing here; VTD016 tells what such a dirty sync lacks.' };
    }
    if (topic === 'abort') {
      return {
        release: {
          of: 'Entries that cross the interrupt range',
          first: '10.2',
          note: 'which cuts the event in two',
        },
        today: 'No guest system that maps, or clears, entries of 1 GiB and more there.',
      };
    }
    return {
      followsFrom:
        'mappings left behind, or from a guest that replaces a large page by small ones without unmapping it first: look at the finding before it',
    };
  },
};

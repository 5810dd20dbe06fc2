import { E2BIG, EINVAL } from '../../emulation/vfio/errno.ts';
import type { MessageTopic } from '../../events/catalogue/notes.ts';
import { symptom } from '../../inference/unmap.ts';

import { Basis } from '../grounds.ts';
import { cutsThrough } from '../map-conflict/index.ts';
import { isQueryRefused } from '../query-over-hole/index.ts';
import { plural, type Rule } from '../rule.ts';

const needs = { backend: true } as const;
const TOPICS: ReadonlySet<MessageTopic> = new Set([
  'unmap-ioctl',
  'bitmap-allocation',
  'dirty-query',
  'tracking-start',
  'tracking-stop',
  'map-dropped',
  'wrong-address-space',
  'unmap-told-late',
  'backend',
]);
/** Topics that are failures of unmaps. */
const OF_UNMAPS: ReadonlySet<string> = new Set(['unmap', 'unmap-told-late']);

/** VTD015: any other failure that QEMU reports of VFIO or iommufd. */
export const backendError: Rule = {
  id: 'VTD015',
  slug: 'backend-error',
  title: 'QEMU reports another failure of VFIO or iommufd',
  severity: ({ topic }) => (OF_UNMAPS.has(topic) ? 'error' : 'warning'),
  verdict: ({ topic, mode }) => (OF_UNMAPS.has(topic) && mode === 'observed' ? 'fails' : null),
  needs: [],
  symptoms: symptom.failure,
  start: (_machine, sink) => ({
    unmap(unmap) {
      const hasOwnRule =
        unmap.asTraced.errno === E2BIG || cutsThrough(unmap) || isQueryRefused(unmap);
      if (unmap.isSeenFailing && !hasOwnRule) sink.unmap(unmap, 'observed', needs);
    },
    'failed-map'({ mark, space, container, first, last, errno, observed, tracked }) {
      if (!observed || errno === -17 || errno === -28 || errno === EINVAL) return;
      const basis = new Basis().add('message');
      const mode = tracked === true ? 'observed' : 'what-if';
      sink.add({ mode, mark, basis, space, container, first, last, errno, topic: 'map' });
    },
    message({ topic, text, mark, tracked }) {
      if (!TOPICS.has(topic)) return;
      const basis = new Basis().add('message');
      sink.add({
        mode: tracked === true ? 'observed' : 'what-if',
        mark,
        basis,
        topic,
        detail: text,
      });
    },
  }),
  message({ topic, count, iova, errno, detail }) {
    if (topic === 'unmap')
      return `${plural(count, 'unmap')} failed with ${errno}, the first at iova ${iova}: nothing was unmapped there, or its dirty bits are lost.`;
    if (topic === 'unmap-told-late')
      return `${plural(count, 'unmap')} failed, as QEMU told only when the migration ended: ${detail}`;
    if (topic === 'map')
      return `${plural(count, 'MAP')} failed with ${errno}, the first at iova ${iova}.`;
    return `${plural(count, 'message')}, the first: ${detail}`;
  },
  fix: () => "Look at the lines around it, and at the host kernel's log of the same time.",
};

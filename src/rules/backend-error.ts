import type { MessageTopic } from '../events/messages.ts';
import { E2BIG, EINVAL, EPERM } from '../model/vfio-legacy.ts';
import { Basis } from './basis.ts';
import { plural, type Rule } from './rule.ts';

const needs = { backend: true } as const;
const TOPICS: ReadonlySet<MessageTopic> = new Set([
  'unmap-ioctl',
  'bitmap-allocation',
  'dirty-query',
  'tracking-start',
  'tracking-stop',
  'map-dropped',
  'wrong-address-space',
  'backend',
]);
/** Failures of unmaps that have rules of their own. */
const OWN_RULE: ReadonlySet<number> = new Set([0, E2BIG, EPERM, EINVAL]);

/** VTD015: any other failure that QEMU reports of VFIO or iommufd. */
export const backendError: Rule = {
  id: 'VTD015',
  slug: 'backend-error',
  title: 'QEMU reports another failure of VFIO or iommufd',
  severity: ({ topic }) => (topic === 'unmap' ? 'error' : 'warning'),
  verdict: ({ topic, mode }) => (topic === 'unmap' && mode === 'observed' ? 'fails' : null),
  needs: [],
  start: (_machine, sink) => ({
    judge(unmap) {
      if (!unmap.observed || OWN_RULE.has(unmap.errno)) return;
      sink.unmap(unmap, unmap.tracked === true ? 'observed' : 'what-if', needs);
    },
    mapFailed({ mark, space, container, first, last, errno, observed, tracked }) {
      if (!observed || errno === -17 || errno === -28 || errno === EINVAL) return;
      const basis = new Basis().add('message');
      const mode = tracked === true ? 'observed' : 'what-if';
      sink.add({ mode, mark, basis, space, container, first, last, errno, topic: 'map' });
    },
    message(topic, text, mark, tracked) {
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
      return `${plural(count, 'unmap')} failed with ${errno}, the first at iova ${iova}.`;
    if (topic === 'map')
      return `${plural(count, 'MAP')} failed with ${errno}, the first at iova ${iova}.`;
    return `${plural(count, 'message')}, the first: ${detail}`;
  },
  fix: () => 'Look at the lines around it, and at the host kernel’s log of the same time.',
};

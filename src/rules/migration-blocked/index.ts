import type { MessageTopic } from '../../events/catalogue/notes.ts';
import { Basis } from '../grounds.ts';
import type { Rule } from '../rule.ts';

const TOPICS: Readonly<Partial<Record<MessageTopic, string>>> = {
  'blocker-viommu': 'QEMU refuses to migrate this VM: a VFIO device is behind the vIOMMU.',
  'blocker-tracking':
    'QEMU refuses to migrate this VM, or warns: neither the device nor the IOMMU tracks dirty pages.',
  'blocker-memory':
    'QEMU refuses to migrate this VM: it has more memory than a dirty bitmap of the container covers.',
  'migration-failed': 'A migration failed or was blocked.',
};

/** VTD013: a blocker or a failed migration is in the log. */
export const migrationBlocked: Rule = {
  id: 'VTD013',
  slug: 'migration-blocked',
  title: 'Migration is blocked, or failed',
  severity: () => 'note',
  verdict: () => null,
  needs: [],
  start: (_machine, sink) => ({
    message({ topic, text, mark }) {
      if (TOPICS[topic] === undefined) return;
      sink.add({ mode: null, mark, basis: new Basis().add('message'), topic, detail: text });
    },
  }),
  message: ({ topic, detail }) => `${TOPICS[topic as MessageTopic] ?? ''} QEMU says: ${detail}`,
  fix: () =>
    'Nothing is to be mended here; calc-dirty-rate and the dirty limit can still switch tracking on.',
};

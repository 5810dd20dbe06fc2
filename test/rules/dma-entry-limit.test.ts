import { dmaEntryLimit } from '../../src/rules/dma-entry-limit/page.ts';
import { aContainer, aFailedMap, aMessage, mark } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const full = () => {
  const container = aContainer();
  for (let page = 0; page < 10; page += 1) container.map(2 * page, 2 * page, page, 3);
  return container;
};

testRule(dmaEntryLimit, [
  {
    name: 'a MAP that failed for another reason',
    operations: [
      aFailedMap({ errno: -22 }),
      aFailedMap({ errno: -17 }),
      aFailedMap({ errno: -12 }),
    ],
    finds: [],
  },
  {
    name: 'a MAP that failed with -28',
    operations: [aFailedMap({ errno: -28 })],
    finds: [
      {
        mode: 'observed',
        severity: 'error',
        verdict: 'fails',
        errno: -28,
        message: '1 MAP failed with -28 (No space left on device), the first at iova 0x100000',
        today: 'dma_entry_limit',
      },
    ],
  },
  {
    name: 'one that fails by the emulation alone, under tracking',
    operations: [aFailedMap({ errno: -28, observed: false, tracked: true })],
    finds: [
      { mode: 'active', severity: 'error', verdict: null, basis: "the module's default 65535" },
    ],
  },
  {
    name: 'and untracked',
    operations: [aFailedMap({ errno: -28, observed: false, tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null }],
  },
  {
    name: 'with a limit that the user gives',
    operations: [aFailedMap({ errno: -28, observed: false, tracked: true })],
    facts: { entryLimit: { value: 10, source: 'option', from: '--dma-entry-limit' } },
    finds: [{ basis: 'limit of mappings: --dma-entry-limit' }],
  },
  {
    name: 'the limit is near',
    operations: [{ kind: 'entry-limit', mark: mark(3), space: null, container: full() }],
    facts: { entryLimit: { value: 11, source: 'option', from: '--dma-entry-limit' } },
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'holds 10 of 11' }],
  },
  {
    name: 'QEMU warns of it',
    operations: [aMessage('map-limit-warning')],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'QEMU warns' }],
  },
  { name: 'QEMU says something else', operations: [aMessage('track-start')], finds: [] },
]);

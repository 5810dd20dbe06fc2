import { backendError } from '../../src/rules/backend-error/page.ts';
import { aFailedMap, aMessage, anUnmap, mark, TIB } from '../helpers/rule-builders.ts';
import { type RuleRow, testRule } from '../helpers/test-rule.ts';

const page = { first: 0x10, last: 0x10, cause: 'page-walk' } as const;
const held = { ...page, mapped: [[0x10, 0x10, 0x5000]] as const, carried: 0x5000 };
/** The notifier above the interrupt range, to the end of the address space. */
const toTheEnd = { first: 0xfef00, last: 2 ** 52 - 1 };

const unmaps: readonly RuleRow[] = [
  {
    name: 'an unmap that QEMU says nothing of',
    operations: [anUnmap({ first: 0, last: 16 * TIB }), anUnmap(held)],
    finds: [],
  },
  {
    name: 'one that failed under tracking',
    operations: [anUnmap({ ...held, says: -22 })],
    finds: [{ mode: 'observed', severity: 'error', verdict: 'fails', errno: -22 }],
  },
  {
    name: 'one that failed untracked, over a mapping',
    operations: [anUnmap({ ...held, tracked: false, says: -22 })],
    finds: [{ severity: 'warning', verdict: 'leaves-mappings' }],
  },
  {
    name: 'and where nobody knows of a mapping',
    operations: [anUnmap({ ...page, tracked: null, says: -22 })],
    finds: [{ severity: 'warning', verdict: null }],
  },
  {
    name: 'to 2^64, as old kernels refuse it',
    operations: [anUnmap({ ...toTheEnd, tracked: null, says: -22 })],
    finds: [{ severity: 'warning', verdict: null, message: 'Kernels 4.15 to 4.20' }],
  },
  {
    name: 'to 2^64 with another errno',
    operations: [anUnmap({ ...toTheEnd, tracked: null, says: -1 })],
    finds: [{ severity: 'warning', verdict: null, message: 'no line tells' }],
  },
  {
    name: 'of what was not there',
    operations: [anUnmap({ ...page, backend: 'iommufd', says: -2 })],
    finds: [{ severity: 'note', verdict: null, message: 'Nothing was mapped there' }],
  },
  {
    name: 'what other rules tell',
    operations: [
      anUnmap({ first: 0, last: 16 * TIB, says: -7 }),
      anUnmap({ ...held, mapped: [[0, 0xff, 0x5000]], says: -1 }),
    ],
    finds: [],
  },
  {
    name: 'that only the end of the migration tells',
    operations: [{ kind: 'late-failure', mark: mark(8), text: 'an unmap failed' }],
    finds: [{ severity: 'error', verdict: 'fails', message: 'an unmap failed' }],
  },
];

const maps: readonly RuleRow[] = [
  {
    name: 'a MAP that fails by the emulation alone, or has a rule of its own',
    operations: [
      aFailedMap({ errno: -22, observed: false }),
      aFailedMap({ errno: -17 }),
      aFailedMap({ errno: -28 }),
      aFailedMap({ errno: -98 }),
    ],
    finds: [],
  },
  {
    name: 'a BAR, with any errno',
    operations: [
      aFailedMap({ errno: -22, memory: 'bar' }),
      aFailedMap({ errno: -14, memory: 'bar' }),
    ],
    finds: [
      { errno: -22, severity: 'warning', verdict: null, message: 'only peer-to-peer DMA' },
      { errno: -14, severity: 'warning', verdict: null },
    ],
  },
  {
    name: 'a BAR that QEMU ended with',
    operations: [aFailedMap({ errno: -22, memory: 'bar', endsQemu: true })],
    finds: [{ severity: 'error', verdict: 'crashes', message: 'QEMU ended with it' }],
  },
  {
    name: 'guest memory outside what the host accepts',
    operations: [aFailedMap({ errno: -22, memory: 'ram' })],
    finds: [
      {
        severity: 'error',
        verdict: 'fails',
        message: 'lies outside what the host IOMMU accepts',
        today: 'reserved_regions',
      },
    ],
  },
  {
    name: 'memory of which nothing is known, outside it',
    operations: [aFailedMap({ errno: -22, memory: null })],
    finds: [{ severity: 'warning', verdict: null, message: 'no line tells' }],
  },
  {
    name: 'too little locked memory',
    operations: [aFailedMap({ errno: -12, memory: null })],
    finds: [{ severity: 'error', verdict: 'fails', message: 'RLIMIT_MEMLOCK' }],
  },
  {
    name: 'memory that cannot be pinned',
    operations: [aFailedMap({ errno: -14, memory: 'ram' })],
    finds: [{ severity: 'error', verdict: 'fails', message: 'cannot be pinned' }],
  },
  {
    name: 'an errno that says nothing more',
    operations: [
      aFailedMap({ errno: -5, memory: 'viommu' }),
      aFailedMap({ errno: -5, memory: null }),
    ],
    finds: [
      { severity: 'error', verdict: 'fails' },
      { severity: 'warning', verdict: null },
    ],
  },
];

const messages: readonly RuleRow[] = [
  ...(
    [
      ['unmap-call', 'warning', null],
      ['map-non-memory', 'warning', null],
      ['track-start', 'error', 'fails'],
      ['track-stop', 'error', 'fails'],
      ['query-report', 'error', 'fails'],
      ['query-alloc', 'error', 'fails'],
      ['state-setup', 'error', 'fails'],
      ['attach-caching-mode', 'error', 'fails'],
      ['fault-vtd-translate', 'note', null],
      ['fault-host', 'note', null],
    ] as const
  ).map(([id, severity, verdict]) => ({
    name: `a text of ${id}`,
    operations: [aMessage(id)],
    finds: [{ mode: 'observed', severity, verdict, evidence: 'observed' } as const],
  })),
  {
    name: 'an unmap of iommufd that met nothing, in words alone',
    operations: [aMessage('unmap-call', { errno: -2 })],
    finds: [{ severity: 'note', verdict: null }],
  },
  {
    name: 'any of them with which QEMU ended',
    operations: [aMessage('fault-host', { endsQemu: true })],
    finds: [{ severity: 'error', verdict: 'crashes' }],
  },
  {
    name: 'a device that was refused has a finding for each text, a fault one for all',
    operations: [
      aMessage('attach-aw'),
      aMessage('attach-caching-mode'),
      aMessage('fault-vtd-translate'),
      aMessage('fault-vtd-walk'),
    ],
    finds: [{ count: 1 }, { count: 1 }, { count: 2 }],
  },
  {
    name: 'texts of other rules, and notes',
    operations: [aMessage('block-viommu'), aMessage('mig-failed'), aMessage('map-limit-warning')],
    finds: [],
  },
];

testRule(backendError, [...unmaps, ...maps, ...messages]);

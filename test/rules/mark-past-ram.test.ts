import { markPastRam } from '../../src/rules/mark-past-ram/page.ts';
import { anUnmap, GIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

/** The guest has 4 GiB of RAM. */
const RAM = 4 * GIB;
/** The host maps one page, `at` pages into an unmap that carries 0. */
const mappedAt = (at: number) =>
  ({ first: 0, last: 64 * GIB - 1, mapped: [[at, at, 0x5000]] }) as const;

testRule(markPastRam, [
  { name: 'marks in RAM', operations: [anUnmap(mappedAt(RAM - 1))], finds: [] },
  {
    name: 'a mark on the page behind it',
    operations: [anUnmap(mappedAt(RAM))],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'loses-dirty-pages',
        message: 'up to ram_addr 0x100000000',
        fixedIn: '11.0',
      },
    ],
  },
  {
    name: 'on the last page of the 8 GiB for which QEMU has a bitmap',
    operations: [anUnmap(mappedAt(8 * GIB - 1))],
    finds: [{ message: 'They stay inside QEMU’s own bitmap' }],
  },
  {
    name: 'behind them',
    operations: [anUnmap(mappedAt(8 * GIB))],
    finds: [{ message: 'QEMU writes outside its own bitmap' }],
  },
  {
    name: 'the trace ends with it',
    operations: [anUnmap({ ...mappedAt(8 * GIB), line: 77 })],
    facts: { diedAtLine: 77 },
    finds: [{ message: 'The trace ends right there' }],
  },
  {
    name: 'a page that the device may only read: type1 reports it all the same',
    operations: [anUnmap({ ...mappedAt(8 * GIB), mapped: [[8 * GIB, 8 * GIB, 0x5000, 'r']] })],
    finds: [{ count: 1 }],
  },
  {
    name: 'the same where devices log their own DMA',
    operations: [
      anUnmap({
        ...mappedAt(8 * GIB),
        mapped: [[8 * GIB, 8 * GIB, 0x5000, 'r']],
        deviceTracking: true,
      }),
    ],
    finds: [],
  },
  {
    name: 'a single mapping: no release fixes it',
    operations: [
      anUnmap({
        first: 0x10,
        last: 0x10,
        mapped: [[0x10, 0x10, 5 * GIB]],
        carried: 5 * GIB,
        cause: 'page-walk',
      }),
    ],
    finds: [{ fixedIn: null }],
  },
  {
    name: 'an unmap that fails marks nothing',
    operations: [anUnmap({ ...mappedAt(8 * GIB), says: -22 })],
    finds: [],
  },
  {
    name: 'untracked: it would',
    operations: [anUnmap({ ...mappedAt(8 * GIB), tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'would set' }],
  },
]);

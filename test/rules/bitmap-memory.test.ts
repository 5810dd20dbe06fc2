import { bitmapMemory } from '../../src/rules/bitmap-memory/page.ts';
import { anUnmap, TIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const piece = (pages: number) => ({ first: 0, last: pages - 1 });

testRule(bitmapMemory, [
  { name: 'a bitmap below 128 MiB', operations: [anUnmap(piece(4 * TIB - 64))], finds: [] },
  {
    name: 'one of 128 MiB',
    operations: [anUnmap(piece(4 * TIB))],
    finds: [
      {
        mode: 'active',
        severity: 'warning',
        verdict: null,
        bitmapBytes: '0x8000000',
        message: 'allocates a dirty bitmap of 128 MiB',
      },
    ],
  },
  {
    name: 'one that the container refuses is allocated first',
    operations: [anUnmap({ ...piece(16 * TIB), says: -7 })],
    finds: [{ mode: 'active' }],
  },
  {
    name: 'a small one for which there was no memory',
    operations: [anUnmap({ first: 0, last: 0, says: -12 })],
    finds: [{ mode: 'observed', errno: -12, message: 'Here the allocation failed (-12)' }],
  },
  {
    name: 'another failure of a small one',
    operations: [anUnmap({ first: 0, last: 0, says: -22 })],
    finds: [],
  },
  {
    name: 'none where nothing is asked, or a query follows',
    operations: [
      anUnmap({ ...piece(16 * TIB), carried: 'none' }),
      anUnmap({ ...piece(16 * TIB), backend: 'iommufd' }),
      anUnmap({ ...piece(16 * TIB), deviceTracking: true }),
    ],
    finds: [],
  },
  {
    name: 'untracked: it would',
    operations: [anUnmap({ ...piece(4 * TIB), tracked: false })],
    finds: [{ mode: 'what-if', severity: 'note', verdict: null, message: 'would allocate' }],
  },
]);

import { qemu10_2 } from '../../src/emulation/profiles/qemu-10.2.ts';
import { qemu11_0 } from '../../src/emulation/profiles/qemu-11.0.ts';
import { queryOverHole } from '../../src/rules/query-over-hole/page.ts';
import { anUnmap } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const iommufd11 = { backend: 'iommufd', profile: qemu11_0, cause: 'page-walk' } as const;
const range = { ...iommufd11, first: 0x10, last: 0x1f, carried: 0x5000 };
const hole = [
  [0x10, 0x17, 0x5000],
  [0x19, 0x1f, 0x5009],
] as const;

testRule(queryOverHole, [
  {
    name: 'a range that is mapped',
    operations: [anUnmap({ ...range, mapped: [[0x10, 0x1f, 0x5000]] })],
    finds: [],
  },
  {
    name: 'in two mappings without a hole',
    operations: [
      anUnmap({
        ...range,
        mapped: [
          [0x10, 0x17, 0x5000],
          [0x18, 0x1f, 0x5008],
        ],
      }),
    ],
    finds: [],
  },
  {
    name: 'with a hole of a page',
    operations: [anUnmap({ ...range, mapped: hole })],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'fails',
        errno: -22,
        message: 'mapped without holes',
        fixedIn: null,
      },
    ],
  },
  {
    name: 'a page more than is mapped',
    operations: [anUnmap({ ...range, mapped: [[0x10, 0x1e, 0x5000]] })],
    finds: [{ count: 1 }],
  },
  {
    name: "by QEMU's word",
    operations: [anUnmap({ ...range, mapped: hole, says: -22 })],
    finds: [{ mode: 'observed', evidence: 'observed', message: 'failed with -22' }],
  },
  {
    name: 'untracked: it would',
    operations: [anUnmap({ ...range, mapped: hole, tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'would fail' }],
  },
  {
    name: 'iommufd up to 10.2, which does not ask, and the legacy container',
    operations: [
      anUnmap({ ...range, mapped: hole, profile: qemu10_2 }),
      anUnmap({ ...range, mapped: hole, backend: 'legacy' }),
    ],
    finds: [],
  },
]);

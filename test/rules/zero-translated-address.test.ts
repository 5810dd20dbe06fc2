import { zeroTranslatedAddress } from '../../src/rules/zero-translated-address/page.ts';
import { anUnmap, GIB, TIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const mapped = [[0x10, 0x1f, 0x5000]] as const;
const piece = { first: 0, last: 0xff };

testRule(zeroTranslatedAddress, [
  { name: 'nothing is mapped under it', operations: [anUnmap(piece)], finds: [] },
  {
    name: 'what is mapped lives where the marks go',
    operations: [anUnmap({ ...piece, mapped: [[0x10, 0x1f, 0x10]] })],
    finds: [],
  },
  {
    name: 'a mapping that lives elsewhere',
    operations: [anUnmap({ ...piece, mapped })],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'loses-dirty-pages',
        carriedAddress: '0x0',
        expectedAddress: '0x5000000',
        atRisk: [{ gpa: '0x5000000', size: '0x10000' }],
        atRiskBytes: 0x1_0000,
        fixedIn: '11.0',
      },
    ],
  },
  {
    name: 'a mapping that the device may only read',
    operations: [anUnmap({ ...piece, mapped: [[0x10, 0x1f, 0x5000, 'r']] })],
    finds: [],
  },
  {
    name: 'a single page: no release fixes it',
    operations: [anUnmap({ first: 0x10, last: 0x1f, mapped, cause: 'page-walk' })],
    finds: [{ cause: 'page-walk', fixedIn: null }],
  },
  {
    name: 'its own address',
    operations: [anUnmap({ first: 0x10, last: 0x1f, mapped, carried: 0x5000 })],
    finds: [],
  },
  {
    name: 'an unmap that fails has a rule of its own',
    operations: [
      anUnmap({ first: 0, last: 16 * TIB, mapped }),
      anUnmap({ ...piece, mapped, says: -22 }),
    ],
    finds: [],
  },
  {
    name: 'nobody asks, so that nothing is marked',
    operations: [
      anUnmap({ ...piece, mapped, carried: 'none' }),
      anUnmap({ ...piece, mapped, backend: 'iommufd' }),
    ],
    finds: [],
  },
  {
    name: 'untracked: it would lose them',
    operations: [anUnmap({ ...piece, mapped, tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'would lose' }],
  },
  {
    name: 'where the mappings are doubtful, so is the finding',
    operations: [anUnmap({ ...piece, mapped, knowledge: 'doubtful' })],
    finds: [{ evidence: 'assumed', basis: 'mappings of the device: doubtful' }],
  },
  {
    name: 'the ranges at risk of many are one union',
    operations: [
      anUnmap({ ...piece, mapped: [[0x10, 0x10, 0x6000]] }),
      anUnmap({ ...piece, mapped: [[0x20, 0x20, 0x6001]] }),
      anUnmap({ ...piece, mapped: [[0x30, 0x30, GIB]] }),
    ],
    finds: [
      {
        count: 3,
        atRisk: [
          { gpa: '0x6000000', size: '0x2000' },
          { gpa: '0x40000000', size: '0x1000' },
        ],
      },
    ],
  },
]);

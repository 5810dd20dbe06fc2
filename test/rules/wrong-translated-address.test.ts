import { wrongTranslatedAddress } from '../../src/rules/wrong-translated-address/page.ts';
import { anUnmap, GIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const mapped = [[0x10, 0x10, 0x5000]] as const;
const page = { first: 0x10, last: 0x10, cause: 'page-walk' } as const;
/** Guest memory above the hole: its ram_addr is 2 GiB lower. */
const ABOVE = 4 * GIB + 0x10;
const above = { ...page, mapped: [[0x10, 0x10, ABOVE]] as const };

testRule(wrongTranslatedAddress, [
  {
    name: "the mapping's own address",
    operations: [anUnmap({ ...page, mapped, carried: 0x5000 })],
    finds: [],
  },
  {
    name: 'that of the mapping that takes its place',
    operations: [anUnmap({ ...page, mapped, carried: 0x9000, cause: 'changed-translation' })],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'loses-dirty-pages',
        carriedAddress: '0x9000000',
        expectedAddress: '0x5000000',
        message: 'changed a translation in place',
        fixedIn: null,
      },
    ],
  },
  {
    name: 'a guest address in the place of the ram_addr',
    operations: [anUnmap({ ...above, carried: ABOVE })],
    finds: [
      {
        carriedAddress: '0x100010000',
        expectedAddress: '0x80010000',
        message: 'ram_addr 0x80010000, which is guest address 0x100010000',
        fixedIn: null,
      },
    ],
  },
  {
    name: 'the ram_addr itself',
    operations: [anUnmap({ ...above, carried: 2 * GIB + 0x10 })],
    finds: [],
  },
  { name: 'address 0', operations: [anUnmap({ ...page, mapped, carried: 0 })], finds: [] },
  {
    name: 'an unmap that fails',
    operations: [anUnmap({ ...page, mapped, carried: 0x9000, says: -1 })],
    finds: [],
  },
  {
    name: 'untracked: it would',
    operations: [anUnmap({ ...page, mapped, carried: 0x9000, tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null }],
  },
  {
    name: 'nobody asks for dirty bits',
    operations: [anUnmap({ ...page, mapped, carried: 0x9000, backend: 'vfio-user' })],
    finds: [],
  },
]);

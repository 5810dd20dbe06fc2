import { qemu11_0 } from '../../src/emulation/profiles/qemu-11.0.ts';
import { noDirtyQuery } from '../../src/rules/no-dirty-query/page.ts';
import { anUnmap } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const mapped = [[0x10, 0x1f, 0x5000]] as const;
const page = { first: 0x10, last: 0x1f, mapped, carried: 0x5000, cause: 'page-walk' } as const;

testRule(noDirtyQuery, [
  { name: 'a bitmap comes with the unmap', operations: [anUnmap(page)], finds: [] },
  {
    name: 'a query follows the unmap',
    operations: [anUnmap({ ...page, deviceTracking: true })],
    finds: [],
  },
  {
    name: 'a section of RAM',
    operations: [anUnmap({ ...page, carried: 'none', cause: 'region-del' })],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'loses-dirty-pages',
        carriedAddress: null,
        message: 'the memory listener removes a section',
        atRisk: [{ gpa: '0x5000000', size: '0x10000' }],
        fixedIn: '11.0',
      },
    ],
  },
  {
    name: 'iommufd up to 10.2',
    operations: [anUnmap({ ...page, backend: 'iommufd' })],
    finds: [{ message: 'up to 10.2', fixedIn: '11.0' }],
  },
  {
    name: 'iommufd of 11.0, which asks before',
    operations: [anUnmap({ ...page, backend: 'iommufd', profile: qemu11_0 })],
    finds: [],
  },
  {
    name: 'vfio-user, of any version',
    operations: [anUnmap({ ...page, backend: 'vfio-user', profile: qemu11_0 })],
    finds: [{ message: 'vfio-user container tracks no', fixedIn: null }],
  },
  {
    name: 'mappings that the device may only read',
    operations: [anUnmap({ ...page, mapped: [[0x10, 0x1f, 0x5000, 'r']], backend: 'iommufd' })],
    finds: [],
  },
  {
    name: 'nothing mapped',
    operations: [anUnmap({ ...page, mapped: [], backend: 'iommufd' })],
    finds: [],
  },
  {
    name: 'untracked: they would be lost',
    operations: [anUnmap({ ...page, backend: 'iommufd', tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'would be lost' }],
  },
]);

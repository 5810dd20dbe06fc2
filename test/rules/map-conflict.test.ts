import { expect, it } from 'vitest';
import { mapConflict } from '../../src/rules/map-conflict/page.ts';
import { analyzeLines } from '../helpers/analyze.ts';
import { aFailedMap, anUnmap, GIB, mark, space } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

/** A page of 2 MiB, and a part of it. */
const large = { mapped: [[0x200, 0x3ff, 0x5000]], cause: 'page-walk' } as const;
const part = { ...large, first: 0x201, last: 0x201 };

testRule(mapConflict, [
  {
    name: 'an unmap of a whole mapping',
    operations: [anUnmap({ ...large, first: 0x200, last: 0x3ff })],
    finds: [],
  },
  {
    name: 'of several, and of more than there is',
    operations: [anUnmap({ ...large, host: [[0x500, 0x5ff, 0x9000]], first: 0, last: 0xffff })],
    finds: [],
  },
  {
    name: 'one that cuts through a mapping: QEMU returns -1 where it asks for a bitmap',
    operations: [anUnmap(part)],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'fails',
        errno: -1,
        message: 'cuts through a larger mapping',
        followsFrom: 'mappings left behind',
      },
    ],
  },
  {
    name: 'that cuts off its beginning, or its end',
    operations: [
      anUnmap({ ...large, first: 0x100, last: 0x2ff }),
      anUnmap({ ...large, first: 0x300, last: 0x4ff }),
    ],
    finds: [{ count: 2 }],
  },
  {
    name: 'untracked: it fails with -22 all the same',
    operations: [anUnmap({ ...part, tracked: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, errno: -22 }],
  },
  {
    name: "untracked, by QEMU's word: the mapping stays",
    operations: [anUnmap({ ...part, tracked: false, says: -22 })],
    finds: [{ mode: 'observed', severity: 'warning', verdict: 'leaves-mappings' }],
  },
  {
    name: "QEMU's word for an unmap that cuts through nothing",
    operations: [anUnmap({ first: 0x200, last: 0x3ff, says: -22 })],
    finds: [],
  },
  {
    name: 'iommufd leaves what it would cut through',
    operations: [anUnmap({ ...part, backend: 'iommufd' })],
    finds: [],
  },
  {
    name: 'a MAP over a mapping, of which the replay knows nothing',
    operations: [aFailedMap({ errno: -17 })],
    finds: [
      {
        mode: 'observed',
        severity: 'warning',
        verdict: null,
        message: 'This message alone does not tell which',
      },
    ],
  },
  {
    name: 'in the words of early iommufd',
    operations: [aFailedMap({ errno: -98 })],
    finds: [{ mode: 'observed', severity: 'warning', errno: -98 }],
  },
  {
    name: 'over one that should be gone',
    operations: [aFailedMap({ errno: -17, isOverStale: true })],
    finds: [{ severity: 'error', verdict: 'leaves-mappings' }],
  },
  {
    name: 'a MAP that conflicts by the emulation alone',
    operations: [aFailedMap({ errno: -17, observed: false, tracked: true })],
    finds: [{ mode: 'active', severity: 'error', verdict: null, basis: 'found by emulation' }],
  },
  {
    name: 'a MAP of what is mapped already',
    operations: [aFailedMap({ errno: -17, isRepeated: true })],
    finds: [{ mode: 'observed', severity: 'note', verdict: null, message: 'harmless by itself' }],
  },
  {
    name: 'parts of a MAP that QEMU refuses: no message comes',
    operations: [aFailedMap({ errno: -22, observed: false, tracked: true })],
    finds: [{ mode: 'active', verdict: null, message: 'crosses the interrupt range' }],
  },
  {
    name: '-22 in words is another matter, and so are other failures',
    operations: [
      aFailedMap({ errno: -22 }),
      aFailedMap({ errno: -28 }),
      aFailedMap({ errno: -12 }),
    ],
    finds: [],
  },
  {
    name: 'QEMU stops at an event that crosses the interrupt range',
    operations: [{ kind: 'abort', mark: mark(9), space, first: 0, last: GIB - 1 }],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'fails',
        message: 'stops with an assertion',
        fixedIn: '10.2',
      },
    ],
  },
]);

it('what AMD-Vi maps again may lead elsewhere by now, where messages are elsewhere', async () => {
  const lines = [
    'vfio_device_attach  (0000:00:05.0) group 7',
    'amdvi_devtab_inval device table entry for devid: 00:10.0 invalidated',
    'vfio_listener_region_add_iommu region_add [iommu] amd_iommu 0x0 - 0xfedfffff',
    'vfio_iommu_map_notify iommu MAP @ 0x10000000 - 0x10000fff',
    'amdvi_pages_inval AMD-Vi pages for domain 0x5 invalidated',
    'vfio_iommu_map_notify iommu MAP @ 0x10000000 - 0x10000fff',
    'amdvi_pages_inval AMD-Vi pages for domain 0x5 invalidated',
  ];
  const { session } = await analyzeLines(lines);
  const found = session.findings.filter(({ rule }) => rule === 'VTD009');
  expect(found).toMatchObject([{ mode: 'what-if', severity: 'warning', verdict: null, count: 1 }]);
  expect(found[0]?.message).toContain(
    'as it may have at line 6, the device reaches the old memory',
  );
  expect(found[0]?.message).not.toContain('failed with');
  expect(found[0]?.fix).toContain('Found conflicting translation');
});

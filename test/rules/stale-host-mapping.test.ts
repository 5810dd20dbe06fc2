import { staleHostMapping } from '../../src/rules/stale-host-mapping/page.ts';
import { GuestLog } from '../helpers/guest-log.ts';
import { anUnmap, staleMappings } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const HIGH = 0xfef0_0000n;

testRule(staleHostMapping, [
  {
    name: 'an unmap, failed or not, is no matter of it',
    operations: [anUnmap({ first: 0x10, last: 0x10, says: -22 })],
    finds: [],
  },
  {
    name: 'what the overflow of 11.x misses',
    operations: [staleMappings()],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'leaves-mappings',
        cause: 'drain',
        count: 2,
        iova: '0x100000000',
        atRisk: [{ gpa: '0x5000000', size: '0x2000' }],
        message: 'by an overflow',
        fixedIn: null,
      },
    ],
  },
  {
    name: 'had tracking been on',
    operations: [staleMappings({ happened: false })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null, message: 'would stay' }],
  },
  {
    name: 'a failed unmap',
    operations: [staleMappings({ why: 'failed-unmap' })],
    finds: [
      {
        cause: 'whole-unmap',
        message: 'the unmap that should have removed them failed',
        fix: 'Follows from the failure before it: see that finding.',
        followsFrom: 'the failure before it: see that finding',
      },
    ],
  },
  {
    name: 'an invalidation that QEMU skipped',
    operations: [staleMappings({ why: 'skipped-invalidation' })],
    finds: [{ cause: 'page-walk' }],
  },
  {
    name: 'what a dirty sync of AMD-Vi has forgotten',
    operations: [staleMappings({ why: 'forgotten' })],
    finds: [{ cause: 'unknown', message: "although they are no longer in the guest's tables" }],
  },
  {
    name: 'different reasons are different findings',
    operations: [staleMappings(), staleMappings({ why: 'unlisted' }), staleMappings()],
    finds: [{ count: 4 }, { count: 2 }],
  },
  {
    name: 'without lines of walks an UNMAP may be missing',
    operations: [staleMappings()],
    facts: { isTraced: (event) => event !== 'vtd_page_walk_one' },
    finds: [{ evidence: 'assumed', basis: 'that no UNMAP is missing' }],
  },
  {
    name: 'of an assumed version it is assumed',
    operations: [staleMappings()],
    facts: { versionSource: 'assumed', versionsAgree: () => false },
    finds: [{ evidence: 'assumed', basis: 'versions differ here' }],
  },
  {
    name: '11.x under tracking, a mapping above 0xfef00000',
    log: new GuestLog({ version: '11.1' }).map(HIGH, 0x5000n).track(2).drain(),
    finds: [{ mode: 'active', count: 1, iova: '0xfef00000', verdict: 'leaves-mappings' }],
  },
  {
    name: 'the page below it',
    log: new GuestLog({ version: '11.1' }).map(0xfedf_f000n, 0x5000n).track(2).drain(),
    finds: [],
  },
]);

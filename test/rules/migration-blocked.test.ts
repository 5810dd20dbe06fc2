import { migrationBlocked } from '../../src/rules/migration-blocked/page.ts';
import { aMessage } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

testRule(migrationBlocked, [
  {
    name: 'a blocker',
    operations: [aMessage('block-viommu')],
    finds: [
      {
        mode: null,
        severity: 'note',
        verdict: null,
        message: 'QEMU says: what QEMU says of block-viommu',
      },
    ],
  },
  {
    name: 'a migration that failed',
    operations: [aMessage('mig-failed')],
    finds: [{ mode: null, severity: 'note', verdict: null }],
  },
  {
    name: 'a text each is a finding',
    operations: [aMessage('block-viommu'), aMessage('block-dirty'), aMessage('block-viommu')],
    finds: [{ count: 2 }, { count: 1 }],
  },
  {
    name: 'what is no blocker',
    operations: [aMessage('track-start'), aMessage('state-setup'), aMessage('attach-aw')],
    finds: [],
  },
]);

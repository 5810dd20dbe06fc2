import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/inference/operation.ts';
import { bitmapTooBig } from '../../src/rules/bitmap-too-big/page.ts';
import type { SessionFacts } from '../../src/rules/facts.ts';
import { loadRules, ruleOf } from '../../src/rules/index.ts';
import { migrationBlocked } from '../../src/rules/migration-blocked/page.ts';
import type { Rule } from '../../src/rules/rule.ts';
import { RuleRunner } from '../../src/rules/runner.ts';
import { anUnmap, mark, someFacts } from '../helpers/rule-builders.ts';

const rules = await loadRules();

/** An unmap for which rules VTD002, VTD004 and VTD006 have something to say. */
function badUnmap() {
  const unmap = anUnmap({ first: 0, last: 0, cause: 'page-walk' });
  unmap.underTracking.pastRamPage = 1;
  unmap.underTracking.harmfulZero = true;
  unmap.underTracking.noQuery = true;
  return unmap;
}

/** Which rules were heard of operations, where those in `broken` throw. */
function heard({
  broken = [],
  facts = someFacts(),
  of = rules,
  operations,
}: {
  readonly broken?: readonly string[];
  readonly facts?: SessionFacts;
  readonly of?: readonly Rule[];
  readonly operations: readonly Operation[];
}) {
  const said: string[] = [];
  const say = (id: string) => {
    if (broken.includes(id)) throw new Error(`${id} is broken`);
    said.push(id);
  };
  const runner = new RuleRunner(of, facts, ({ id }) => ({
    unmap: () => say(id),
    add: () => say(id),
  }));
  for (const operation of operations) runner.handle(operation, 'what-if');
  runner.finish();
  return { said, silenced: runner.silenced };
}

describe('RuleRunner', () => {
  it('hands each unmap to all rules', () => {
    expect(heard({ operations: [badUnmap(), badUnmap()] })).toEqual({
      said: ['VTD002', 'VTD004', 'VTD006', 'VTD002', 'VTD004', 'VTD006'],
      silenced: [],
    });
  });

  it('goes on with the others where rules throw, and leaves those out from then on', () => {
    const broken = ['VTD002', 'VTD004'];
    const operations = [badUnmap(), badUnmap(), badUnmap()];
    const { said, silenced } = heard({ broken, operations });
    expect(said).toEqual(['VTD006', 'VTD006', 'VTD006']);
    expect(silenced).toEqual([
      'rule VTD002 (zero-translated-address) failed: VTD002 is broken',
      'rule VTD004 (no-dirty-query) failed: VTD004 is broken',
    ]);
  });
});

describe('the silence of a rule', () => {
  const blind = someFacts({ isTraced: () => false, mayLackNotifications: true });
  const unseen = 'no vfio_iommu_map_notify in the trace: unmaps cannot be seen';

  it('says nothing where its events are not in the trace', async () => {
    const of = [await ruleOf(bitmapTooBig)];
    expect(heard({ of, operations: [], facts: blind }).silenced).toEqual([unseen]);
    expect(heard({ of, operations: [] }).silenced).toEqual([]);
  });

  it('is only that of rules that require them', async () => {
    const of = [await ruleOf(migrationBlocked)];
    expect(heard({ of, operations: [], facts: blind }).silenced).toEqual([]);
  });

  it('is said once, for however many rules', () => {
    expect(heard({ operations: [], facts: blind }).silenced).toEqual([unseen]);
  });

  it('keeps no rule from being asked: a message alone may show its hazard', () => {
    const operations = [{ kind: 'refused-bitmap', mark: mark(1), bytes: 0 }] as const;
    expect(heard({ operations, facts: blind }).said).toEqual(['VTD001']);
  });
});

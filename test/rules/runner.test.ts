import { describe, expect, it } from 'vitest';
import { MachineFacts } from '../../src/findings/machine-facts.ts';
import { Machine } from '../../src/inference/machine.ts';
import { Unmap } from '../../src/inference/unmap.ts';
import { loadRules } from '../../src/rules/index.ts';
import { RuleRunner } from '../../src/rules/runner.ts';

const rules = await loadRules();
const machine = new Machine(
  {
    qemu: null,
    backend: null,
    hostPageSize: null,
    bitmapLimit: null,
    awBits: null,
    entryLimit: null,
    ram: null,
    tracking: 'from-trace',
  },
  () => {},
);

/** An unmap for which rules VTD002, VTD004 and VTD006 have something to say. */
function badUnmap(): Unmap {
  const unmap = new Unmap();
  unmap.underTracking.pastRamPage = 1;
  unmap.underTracking.harmfulZero = true;
  unmap.underTracking.noQuery = true;
  return unmap;
}

/** Which rules were heard of unmaps, where those in `broken` throw. */
function heard(broken: readonly string[], unmaps: number) {
  const said: string[] = [];
  const runner = new RuleRunner(rules, new MachineFacts(machine), ({ id }) => ({
    unmap() {
      if (broken.includes(id)) throw new Error(`${id} is broken`);
      said.push(id);
    },
    add() {},
  }));
  for (let count = 0; count < unmaps; count += 1) runner.handle(badUnmap(), 'what-if');
  return { said, failures: runner.failures };
}

describe('RuleRunner', () => {
  it('hands each unmap to all rules', () => {
    expect(heard([], 2)).toEqual({
      said: ['VTD002', 'VTD004', 'VTD006', 'VTD002', 'VTD004', 'VTD006'],
      failures: [],
    });
  });

  it('goes on with the others where rules throw, and leaves those out from then on', () => {
    const { said, failures } = heard(['VTD002', 'VTD004'], 3);
    expect(said).toEqual(['VTD006', 'VTD006', 'VTD006']);
    expect(failures).toEqual([
      'rule VTD002 (zero-translated-address) failed: VTD002 is broken',
      'rule VTD004 (no-dirty-query) failed: VTD004 is broken',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { shadowDrift } from '../../src/rules/shadow-drift/page.ts';
import { analyzeLines } from '../helpers/analyze.ts';
import { GuestLog } from '../helpers/guest-log.ts';
import { anUnmap, mark, space, staleMappings } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

/** VTD011: what only one of QEMU's shadow and the host holds, although nothing failed. */

const A = [0x1000n, 0x5000n] as const;
const B = [0x2000n, 0x9000n] as const;

async function drifts(log: GuestLog) {
  const { session, trace } = await analyzeLines(log.lines);
  const found = session.findings.filter(({ rule }) => rule === 'VTD011');
  return {
    found: found.map(({ count, iova, first }) => ({ count, iova, line: first.line })),
    findings: found,
    rules: session.findings.map(({ rule, mode }) => `${rule} ${mode}`),
    verdict: trace.verdict,
  };
}

const tracked = () =>
  new GuestLog({ version: '10.0' })
    .map(...A)
    .map(...B)
    .track(2);
const lineOfSync = (log: GuestLog) => log.lines.length - 1;

describe('a dirty sync', () => {
  it('that finds what is mapped changes nothing', async () => {
    const log = tracked().sync([A, B]).track(0).map(0x3000n, 0xa000n);
    expect((await drifts(log)).found).toEqual([]);
  });

  it('forgets an entry that the guest cleared and has not invalidated: the host keeps it', async () => {
    const log = tracked().sync([B]);
    const line = lineOfSync(log);
    const { found, findings, rules, verdict } = await drifts(log.track(0).map(0x3000n, 0xa000n));
    // Told at the second replay of the sync, the last that could have found it.
    expect(found).toEqual([{ count: 1, iova: '0x1000', line: line - 1 }]);
    expect(findings[0]).toMatchObject({ mode: 'active', severity: 'warning', evidence: 'assumed' });
    expect(findings[0]?.message).toContain("QEMU's shadow does not know");
    expect(rules).not.toContain('VTD005 active');
    expect(verdict).toBe('clean');
  });

  it('and the invalidation that comes then is skipped: the mapping is stale', async () => {
    const log = tracked().sync([B]).track(0).skippedUnmap(A[0]);
    const { rules } = await drifts(log);
    expect(rules).toContain('VTD005 active');
  });

  it('finds an entry that the guest set and has not invalidated: the host never gets it', async () => {
    const early = [0x7000n, 0xb000n] as const;
    const log = tracked().sync([A, B, early]).track(0).map(0x3000n, 0xa000n);
    const { found, findings } = await drifts(log);
    expect(found).toMatchObject([{ count: 1, iova: '0x7000' }]);
    expect(findings[0]?.message).toContain('the host does not hold');
  });

  it('is told once, however often it is repeated', async () => {
    const log = tracked();
    for (let time = 0; time < 5; time += 1)
      log.sync([B]).map(0x10_0000n, 0xa000n).unmap(0x10_0000n);
    expect((await drifts(log.track(0))).found.map(({ count }) => count)).toEqual([1]);
  });

  it('at the very end of the trace may not be complete', async () => {
    expect((await drifts(tracked().sync([B]))).found).toEqual([]);
  });
});

describe('what has another name', () => {
  it('a MAP that failed is a conflict, and no drift', async () => {
    const log = tracked().map(0x8000n, 0xc000n);
    log.say(
      'vfio_container_dma_map(0x55d5, 0x8000, 0x1000, 0x7f00) = -28 (No space left on device)',
    );
    const again = log
      .sync([A, B, [0x8000n, 0xc000n]])
      .track(0)
      .map(0x3000n, 0xa000n);
    const { found, rules } = await drifts(again);
    expect(found).toEqual([]);
    expect(rules).toContain('VTD008 observed');
  });

  it('after lines were lost nothing is said', async () => {
    const log = tracked();
    // An UNMAP of what was never seen mapped.
    log.unmap(0x9000n).sync([B]).track(0).map(0x3000n, 0xa000n);
    expect((await drifts(log)).found).toEqual([]);
  });
});

it('iommufd leaves what an unmap would cut through, and QEMU takes it for gone', async () => {
  const large = 0x20_0000n;
  const log = new GuestLog({ backend: 'iommufd' })
    .map(large, 0x1000_0000n, large)
    .track(2)
    .track(0);
  log.unmap(large + 0x1000n, 0x1000n, 0x9000n);
  const { found, findings } = await drifts(log);
  expect(found).toMatchObject([{ count: 1, iova: '0x200000' }]);
  expect(findings[0]?.message).toContain('iommufd left in place');
  // The legacy container refuses, which is a failure of its own.
  const refused = new GuestLog().map(large, 0x1000_0000n, large).track(2).track(0);
  const legacy = await drifts(refused.unmap(large + 0x1000n, 0x1000n, 0x9000n));
  expect(legacy.found).toEqual([]);
  expect(legacy.rules).toContain('VTD009 what-if');
});

const drift = { kind: 'drift', mark: mark(5), space, first: 0x10, last: 0x10 } as const;

testRule(shadowDrift, [
  {
    name: 'what has another name',
    operations: [anUnmap({ first: 0, last: 0 }), staleMappings()],
    finds: [],
  },
  {
    name: 'the host holds what the shadow does not',
    operations: [{ ...drift, side: 'host' }],
    finds: [
      {
        mode: 'active',
        severity: 'warning',
        verdict: null,
        evidence: 'assumed',
        iova: '0x10000',
        message: 'can still reach the memory',
      },
    ],
  },
  {
    name: 'each side is a finding',
    operations: [
      { ...drift, side: 'host' },
      { ...drift, side: 'shadow' },
      { ...drift, side: 'host' },
    ],
    finds: [{ count: 2 }, { count: 1, message: 'The device faults there' }],
  },
]);

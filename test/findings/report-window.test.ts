import { describe, expect, it } from 'vitest';
import type { WindowRequest } from '../../src/base/report-window.ts';
import { migrationAnswers } from '../../src/base/vocabulary.ts';
import type { Finding, Trace, UnmapRecord } from '../../src/result/types.ts';
import { analyze } from '../helpers/analyze.ts';
import { root } from '../helpers/ground-truth.ts';

const BILLION = 1_000_000_000n;
/** QEMU 10.0.13, with times of day; unmaps fail from line 15785 on, at 07:46:33. */
const TIMED = `${root}traces/qemu-10.0/blocked-aw48-ts.log.gz`;
/** Two devices, 00:10.0 and 00:11.0, whose unmaps fail; without times. */
const TWO = `${root}traces/qemu-10.0/twodev-aw48.log.gz`;
const BEFORE_FAILURE = BigInt(Date.UTC(2026, 10, 22, 7, 46, 31)) * 1_000_000n;

function within(given: Partial<WindowRequest>): WindowRequest {
  return { since: null, until: null, devices: [], ...given };
}

const since = (nanoseconds: bigint) => within({ since: { from: 'epoch', nanoseconds } });
const until = (nanoseconds: bigint) => within({ until: { from: 'epoch', nanoseconds } });

async function traceIn(path: string, window: WindowRequest) {
  return analyze(path, {}, { window });
}

/** What a window does not change where all is in it. */
function withoutAnswer({ window: _, migration: __, sessions, ...rest }: Trace) {
  return { ...rest, sessions: sessions.map(({ migration: ___, ...session }) => session) };
}

function findingsOf({ sessions }: Trace): readonly Finding[] {
  return sessions.flatMap(({ findings }) => findings);
}

const timeOf = ({ time }: UnmapRecord) => BigInt(time ?? 0);

describe('a window in which all of a trace lies', () => {
  it.each([
    ['of time', TIMED, within({ since: { from: 'first-time', nanoseconds: 0n } })],
    ['of devices', TWO, within({ devices: ['00:10.0', '00:11.0'] })],
  ])('%s changes nothing but the field that tells it', async (_, path, window) => {
    const whole = await analyze(path);
    const part = await traceIn(path, window);
    expect(withoutAnswer(part.trace)).toEqual(withoutAnswer(whole.trace));
    expect(part.unmaps).toEqual(whole.unmaps);
    expect(part.mappings).toEqual(whole.mappings);
    expect(whole.trace.window).toBeUndefined();
    expect(part.trace.window?.devices).toEqual(window.devices);
  });
});

describe('a window before and after a failure', () => {
  it('have each hazard in one of them, as all of the trace was replayed', async () => {
    const whole = await analyze(TIMED);
    const before = await traceIn(TIMED, until(BEFORE_FAILURE - 1n));
    const after = await traceIn(TIMED, since(BEFORE_FAILURE));
    expect(before.trace.verdict).toBe('clean');
    expect(before.trace.totals.observed.failures).toBe(0);
    expect(after.trace.verdict).toBe('fails');
    for (const field of ['unmaps', 'wholeUnmaps', 'walkUnmaps'] as const) {
      const parts = before.trace.totals[field] + after.trace.totals[field];
      expect(parts, field).toBe(whole.trace.totals[field]);
    }
    expect(before.trace.totals.unmaps).toBeGreaterThan(0);
    expect(after.trace.totals.unmaps).toBeGreaterThan(0);
    expect(before.session.model).toEqual(whole.session.model);
    expect(after.session.addressSpaces).toEqual(whole.session.addressSpaces);
    expect(after.session.trackingWindows).toEqual(whole.session.trackingWindows);
    const counts = new Map<string, number>();
    for (const { id, count } of [before, after].flatMap(({ trace }) => findingsOf(trace)))
      counts.set(id, (counts.get(id) ?? 0) + count);
    expect(counts).toEqual(
      new Map(findingsOf(whole.trace).map(({ id, count }) => [id, count] as const)),
    );
  });

  it('begin and end inclusively, at the first and the last hazard inside', async () => {
    const whole = await analyze(TIMED);
    const failed = whole.unmaps.filter(({ mode }) => mode === 'observed');
    const [from, to] = [failed[0], failed[1]] as [UnmapRecord, UnmapRecord];
    const { trace, unmaps } = await traceIn(TIMED, {
      since: { from: 'epoch', nanoseconds: timeOf(from) },
      until: { from: 'epoch', nanoseconds: timeOf(to) },
      devices: [],
    });
    expect(unmaps.filter(({ mode }) => mode === 'observed')).toEqual([from, to]);
    const e2big = findingsOf(trace).find(({ rule }) => rule === 'VTD001');
    expect(e2big).toMatchObject({ count: 2, first: { line: from.line }, last: { line: to.line } });
  });

  it('take the rows of the table that lie in them, and no others', async () => {
    const whole = await analyze(TIMED);
    const first = BigInt(whole.trace.time.first ?? 0);
    const [from, to] = [first + BILLION, first + 3n * BILLION];
    const { unmaps } = await traceIn(TIMED, {
      since: { from: 'first-time', nanoseconds: BILLION },
      until: { from: 'epoch', nanoseconds: to },
      devices: [],
    });
    expect(unmaps).toEqual(whole.unmaps.filter((row) => timeOf(row) >= from && timeOf(row) <= to));
    expect(unmaps.length).toBeGreaterThan(0);
    expect(unmaps.length).toBeLessThan(whole.unmaps.length);
  });
});

describe('a device', () => {
  it('is reported alone, with what is of none that is known', async () => {
    const whole = await analyze(TWO);
    const isIts = ({ device }: { readonly device: string | null }) =>
      device === '00:11.0' || device === null;
    const { trace, unmaps } = await traceIn(TWO, within({ devices: ['00:11.0'] }));
    expect(unmaps).toEqual(whole.unmaps.filter(isIts));
    expect(unmaps.length).toBeLessThan(whole.unmaps.length);
    const told = (all: readonly Finding[]) => all.map(({ id, count }) => [id, count]);
    expect(told(findingsOf(trace))).toEqual(told(findingsOf(whole.trace).filter(isIts)));
    expect(trace.sessions[0]?.addressSpaces.map(({ device }) => device)).toContain('00:10.0');
  });

  it('that is not in the trace is no clean one', async () => {
    const { trace } = await traceIn(TWO, within({ devices: ['00:1a.0'] }));
    expect(trace.verdict).toBe('inconclusive');
    expect(trace.reasons).toContain('no line of the trace names the device 00:1a.0');
  });
});

describe('what a window does not tell', () => {
  it.each([
    ['behind the end', since(BigInt(Date.UTC(2030, 0)) * 1_000_000n)],
    ['before the start', until(0n)],
    [
      'that ends before it begins',
      {
        since: { from: 'first-time', nanoseconds: 2n },
        until: { from: 'first-time', nanoseconds: 1n },
        devices: [],
      } as const,
    ],
  ])('is never clean: one %s', async (_, window) => {
    const { trace, unmaps } = await traceIn(TIMED, window);
    expect(unmaps).toEqual([]);
    expect(trace.verdict).toBe('inconclusive');
    expect(trace.reasons).toContain('no time of the trace lies in the window');
  });

  it.each(['qemu-10.0/iommufd-blocked-aw48.log.gz', 'qemu-10.0/migrate-viommu-refused.log.gz'])(
    'is the answer that all of the trace gives: %s',
    async (name) => {
      const path = `${root}traces/${name}`;
      const whole = await analyze(path);
      const part = await traceIn(path, within({ devices: ['00:10.0'] }));
      expect(whole.trace.migration.answer).toBe('refused');
      expect(part.trace.migration.answer).toBe('unknown');
      expect(part.result.migration.why).toContain('only a window of the trace is reported');
      expect(migrationAnswers.indexOf(part.trace.migration.answer)).toBeLessThan(
        migrationAnswers.indexOf(whole.trace.migration.answer),
      );
    },
  );

  it('are the reasons, which stay those of the whole trace', async () => {
    const path = `${root}traces/qemu-10.0/blocked-aw48-vfio-only.log`;
    const whole = await analyze(path);
    const part = await traceIn(path, within({ since: { from: 'first-time', nanoseconds: 1n } }));
    expect(whole.trace.reasons.length).toBeGreaterThan(0);
    expect(part.trace.reasons).toEqual(expect.arrayContaining([...whole.trace.reasons]));
  });
});

describe('a trace whose clock does not tell', () => {
  it.each([
    ['+1', { from: 'first-time', nanoseconds: BILLION }],
    ['a time of day', { from: 'epoch', nanoseconds: 0n }],
  ] as const)('has no times, and %s is asked for', async (_, bound) => {
    const { result } = await traceIn(TWO, within({ since: bound }));
    expect(result.traces[0]?.error).toBe(
      `${TWO}: the trace has no times, which --since and --until need`,
    );
  });

  it('has the times of another clock, of which only seconds can be told', async () => {
    const path = `${root}test/samples/all-10.2.2.simple.bin.gz`;
    const { result } = await traceIn(path, until(BEFORE_FAILURE));
    expect(result.traces[0]?.error).toContain('the trace has no times of day');
    const later = await traceIn(path, within({ until: { from: 'first-time', nanoseconds: 0n } }));
    expect(later.trace.error).toBeUndefined();
    expect(later.trace.totals.unmaps).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aStep,
  aTrace,
  aWindow,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

interface Event {
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

function eventsOf(result: Result): readonly Event[] {
  const { traceEvents } = JSON.parse(render('perfetto', result)) as {
    readonly traceEvents: readonly Event[];
  };
  return traceEvents;
}

/** What readers of the format refuse, or draw wrongly. */
function problems(events: readonly Event[]): readonly string[] {
  const ends = new Map<string, number>();
  return events.flatMap((event) => {
    const { args, dur, name, ph, pid, tid, ts } = event;
    const wrong = (text: string) => [`${ph} ${name}: ${text}`];
    if (!Number.isInteger(pid) || !Number.isInteger(tid) || name === '') return wrong('no place');
    const { name: label } = args;
    if (ph === 'M') return typeof label === 'string' ? [] : wrong('no name');
    if (typeof ts !== 'number' || !(ts >= 0)) return wrong(`ts ${ts}`);
    if (ph === 'C') {
      return Object.values(args).every((value) => typeof value === 'number') ? [] : wrong('values');
    }
    if (ph === 'i') return [];
    if (ph !== 'X') return wrong('unknown phase');
    if (typeof dur !== 'number' || !(dur > 0)) return wrong(`dur ${dur}`);
    const track = `${pid}/${tid}`;
    const isOver = (ends.get(track) ?? 0) <= ts;
    ends.set(track, ts + dur);
    return isOver ? [] : wrong('overlaps');
  });
}

const timed = aTrace({
  time: { clock: 'wall', first: '1700000000000000000', last: '1700000004000000000' },
  losses: [{ kind: 'torn', count: 1, line: 15, byteOffset: 90, detail: 'a torn line' }],
  sessions: [
    aSession({
      activity: {
        steps: [
          aStep(1, { time: '1700000000000000000' }),
          aStep(14, { time: '1700000001500000000', unmaps: 5, pieces: 3, failures: 1 }),
        ],
        pieces: [],
      },
      trackingWindows: [
        aWindow('migration', {
          firstTime: '1700000001000000000',
          lastTime: '1700000002000000000',
        }),
        aWindow('dirty-rate', {
          firstLine: 35,
          lastLine: null,
          firstTime: '1700000003000000000',
        }),
      ],
      findings: [aFinding({ first: { line: 12, byteOffset: 600, time: '1700000001250000000' } })],
    }),
  ],
});

describe('the trace for Perfetto', () => {
  const events = eventsOf(aResult(timed));
  const named = (name: string) => events.filter((event) => event.name === name);

  it('is of the form that readers take', () => {
    expect(problems(events)).toEqual([]);
    expect(problems([{ ph: 'X', pid: 1, tid: 1, name: 'a', ts: 0, args: {} }])).toHaveLength(1);
  });

  it('has windows of dirty tracking by time, one that is open up to the end', () => {
    const windows = events.filter(({ tid, ph }) => tid === 1 && ph === 'X');
    expect(windows.map(({ dur, ts }) => [ts, dur])).toEqual([
      [1_000_000, 1_000_000],
      [3_000_000, 1_000_000],
    ]);
  });

  it('has findings from their first on, and losses in the step of their line', () => {
    expect(named('VTD001 bitmap-too-big x4')).toMatchObject([{ ph: 'X', ts: 1_250_000 }]);
    expect(named('torn')).toMatchObject([{ ph: 'i', ts: 1_500_000, args: { line: 15 } }]);
  });

  it('has the course of the session as counters', () => {
    expect(named('unmaps').map(({ args, ts }) => [ts, args])).toEqual([
      [0, { 'whole unmaps': 0, others: 0 }],
      [1_500_000, { 'whole unmaps': 3, others: 2 }],
    ]);
    expect(named('host mappings')).toHaveLength(2);
    expect(named('failed unmaps under tracking')[1]?.args).toEqual({ failures: 1 });
  });

  it('goes by lines where there are no times, and says so', () => {
    const session = aSession({
      trackingWindows: [aWindow('migration')],
      activity: { steps: [aStep(1)], pieces: [] },
    });
    const byLine = eventsOf(aResult(aTrace({ sessions: [session] })));
    expect(problems(byLine)).toEqual([]);
    expect(byLine.find(({ tid, ph }) => tid === 1 && ph === 'X')).toMatchObject({
      ts: 10,
      dur: 20,
    });
    expect(byLine[0]?.args).toMatchObject({ name: expect.stringContaining('no times: a line') });
  });

  it.each(hostileTexts.map((text) => ({ shown: JSON.stringify(text), text })))(
    'is of that form whatever texts it holds: $shown',
    ({ text }) => {
      const result = hostile(aResult(timed, anUnusableTrace()), text);
      expect(problems(eventsOf(result).filter(({ ph }) => ph !== 'M'))).toEqual([]);
    },
  );
});

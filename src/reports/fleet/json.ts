import { jsonText } from '../../base/json-text.ts';
import type { Fleet, FleetTrace } from '../../result/fleet.ts';

/** All that is known of the fleet, a trace on each line. */
export function* jsonOfFleet({ traces, ...head }: Fleet): Iterable<string> {
  yield `${jsonText(head, 2).slice(0, -2)},\n  "traces": [`;
  for (const [index, trace] of traces.entries()) {
    yield `${index === 0 ? '' : ','}\n    ${jsonText(trace)}`;
  }
  yield `${traces.length === 0 ? '' : '\n  '}]\n}\n`;
}

/** A line for each trace that has no result, each session and each finding; `row` says which it is. */
export function* ndjsonOfFleet({ traces }: Fleet): Iterable<string> {
  for (const trace of traces) for (const row of rowsOf(trace)) yield `${jsonText(row)}\n`;
}

function* rowsOf({ error, key, migration, sessions, state, trace }: FleetTrace): Iterable<object> {
  if (state !== 'analysed') {
    yield { row: state, trace, key, error, migration };
    return;
  }
  for (const [index, { findings, ...session }] of sessions.entries()) {
    yield { row: 'session', trace, key, session: index, ...session };
    for (const finding of findings) {
      yield { row: 'finding', trace, key, session: index, qemu: session.qemu, ...finding };
    }
  }
}

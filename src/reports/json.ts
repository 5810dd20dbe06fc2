import { jsonText } from '../base/json-text.ts';
import type { Trace } from '../result/types.ts';
import type { Report } from './report.ts';

type Session = Trace['sessions'][number];

/** The result itself, as `result-1.1.schema.json` describes it; one session at a time. */
export const jsonReport: Report = {
  name: 'json',
  extension: 'json',
  *render(result) {
    const { traces, totals, ...head } = result;
    yield* opening(head, 'traces', 0);
    for (const [index, trace] of traces.entries()) {
      yield index === 0 ? '\n    ' : ',\n    ';
      yield* traceText(trace);
    }
    yield `${traces.length === 0 ? '' : '\n  '}],\n  "totals": ${text(totals, 2)}\n}\n`;
  },
};

function* traceText(trace: Trace): Generator<string> {
  const { sessions, ...head } = trace;
  // One that could not be analysed has none, and its error behind them.
  if (sessions.length === 0) {
    yield text(trace, 4);
    return;
  }
  yield* opening(head, 'sessions', 4);
  yield* sessionTexts(sessions);
  yield '\n      ]\n    }';
}

function* sessionTexts(sessions: readonly Session[]): Generator<string> {
  for (const [index, session] of sessions.entries()) {
    yield `${index === 0 ? '' : ','}\n        ${text(session, 8)}`;
  }
}

/** An object, `columns` to the right, up to a list that stands behind `head`'s entries. */
function* opening(head: object, list: string, columns: number): Generator<string> {
  const indent = ' '.repeat(columns);
  yield `${text(head, columns).slice(0, -2 - columns)},\n${indent}  "${list}": [`;
}

/** A value, its lines but the first moved to the right. */
function text(value: unknown, columns: number): string {
  return jsonText(value, 2).replaceAll('\n', `\n${' '.repeat(columns)}`);
}

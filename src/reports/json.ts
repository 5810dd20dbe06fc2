import { jsonText } from '../base/json-text.ts';
import type { Trace } from '../result/types.ts';
import type { Report } from './report.ts';

/** Elements of a list that are printed at a time: a session can list a quarter of a million ranges. */
const PIECE_ELEMENTS = 256;

/** The result itself, as `result-1.1.schema.json` describes it; no list of it as one string. */
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
  for (const [index, session] of sessions.entries()) {
    yield `${index === 0 ? '' : ','}\n        `;
    yield* pieces(session, 8);
  }
  yield '\n      ]\n    }';
}

/** An object, `columns` to the right, up to a list that stands behind `head`'s entries. */
function* opening(head: object, list: string, columns: number): Generator<string> {
  const indent = ' '.repeat(columns);
  yield `${text(head, columns).slice(0, -2 - columns)},\n${indent}  "${list}": [`;
}

/** A value as `text` prints it, long lists in it piece by piece. */
function* pieces(value: object, columns: number): Generator<string> {
  const inner = `\n${' '.repeat(columns + 2)}`;
  const outer = `\n${' '.repeat(columns)}`;
  if (Array.isArray(value)) {
    let separator = '[';
    for (let from = 0; from < value.length; from += PIECE_ELEMENTS) {
      const some = value.slice(from, from + PIECE_ELEMENTS);
      if (some.some(isLong)) {
        for (const element of some) {
          yield separator + inner;
          yield* pieces(element, columns + 2);
          separator = ',';
        }
      } else yield separator + text(some, columns).slice(1, -1 - outer.length);
      separator = ',';
    }
    yield `${outer}]`;
  } else if (isLong(value)) {
    let separator = '{';
    for (const [name, entry] of Object.entries(value)) {
      if (entry === undefined) continue;
      yield `${separator}${inner}${jsonText(name)}: `;
      if (isLong(entry)) yield* pieces(entry, columns + 2);
      else yield text(entry, columns + 2);
      separator = ',';
    }
    yield `${outer}}`;
  } else yield text(value, columns);
}

/** Whether a value is a list of many elements, or has one somewhere inside. */
function isLong(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.length > PIECE_ELEMENTS || value.some(isLong);
  return Object.values(value).some(isLong);
}

/**
 * A value, its lines but the first moved to the right by an even number of columns: printed inside of
 * as many lists as move it there, which are cut off again.
 */
function text(value: unknown, columns: number): string {
  let wrapped = value;
  let front = 0;
  for (let column = 2; column <= columns; column += 2) {
    wrapped = [wrapped];
    front += 2 + column;
  }
  // Behind it, each list is closed in a line of its own.
  const back = front - columns;
  const all = jsonText(wrapped, 2);
  return all.slice(front, all.length - back);
}

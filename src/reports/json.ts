import type { Report } from './report.ts';

/** The result itself, as `result-1.0.schema.json` describes it; one trace at a time. */
export const jsonReport: Report = {
  name: 'json',
  extension: 'json',
  *render(result) {
    const { traces, totals, ...head } = result;
    const opening = JSON.stringify(head, null, 2).slice(0, -2);
    yield `${opening},\n  "traces": [`;
    for (const [index, trace] of traces.entries()) {
      const text = JSON.stringify(trace, null, 2).replaceAll('\n', '\n    ');
      yield `${index === 0 ? '' : ','}\n    ${text}`;
    }
    const closing = JSON.stringify(totals, null, 2).replaceAll('\n', '\n  ');
    yield `${traces.length === 0 ? '' : '\n  '}],\n  "totals": ${closing}\n}\n`;
  },
};

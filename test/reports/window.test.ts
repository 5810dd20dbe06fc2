import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { windowLead } from '../../src/reports/window.ts';
import { redactResult } from '../../src/result/redaction.ts';
import type { ReportedWindow } from '../../src/result/types.ts';
import { aCleanSession, aResult, aTrace } from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

const window: ReportedWindow = { since: '1500000000', until: null, devices: ['00:10.0'] };
const part = aTrace({ window, sessions: [aCleanSession()] });
const LEAD = 'In this window (since 1.500000000 s, of 00:10.0): ';

describe('the words for a window', () => {
  it('are none for a whole trace', () => {
    expect(windowLead(aTrace())).toBe('');
  });

  it('are in the clock of the trace', () => {
    expect(windowLead(part)).toBe(LEAD);
    const time = { clock: 'wall', first: '0', last: '9' } as const;
    expect(windowLead({ ...part, time })).toContain('since 1970-01-01T00:00:01.500Z, of');
  });
});

describe('a report of a window says so', () => {
  it.each(['text', 'markdown', 'html', 'github'])('at its head: %s', (name) => {
    const report = render(name, aResult(part)).replace(/\s+/g, ' ');
    expect(report).toContain(LEAD.trim());
    expect(render(name, aResult(aTrace()))).not.toContain('In this window');
  });

  it('in one line', () => {
    expect(render('text', aResult(part), { verbosity: -1 })).toContain(`\t${LEAD}`);
  });

  it.each(['text', 'markdown', 'html'])('of several traces: %s', (name) => {
    const report = render(name, aResult(part, aTrace({ path: 'b.log', window })));
    expect(report).toContain('Only a window of each trace is reported');
    expect(render(name, aResult(aTrace(), aTrace()))).not.toContain('Only a window');
  });

  it.each([
    ['json', '"since": "1500000000"'],
    ['perfetto', '"since":"1500000000"'],
    ['junit', 'name="window"'],
    ['sarif', `${LEAD}clean`],
  ])('as data: %s', (name, told) => {
    expect(render(name, aResult(part))).toContain(told);
    expect(render(name, aResult(aTrace()))).not.toContain(told);
  });
});

it('the schema describes it, and redaction leaves it', () => {
  const file = new URL('../../src/result/result-1.1.schema.json', import.meta.url);
  const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(file, 'utf8')));
  const valid = (given: unknown) =>
    validate(
      JSON.parse(JSON.stringify({ ...aResult(part), traces: [{ ...part, window: given }] })),
    );
  expect(valid(window), JSON.stringify(validate.errors)).toBe(true);
  expect(valid({ since: null, until: null })).toBe(false);
  expect(redactResult(aResult(part)).traces[0]?.window).toEqual(window);
});

import { describe, expect, it } from 'vitest';
import {
  accept,
  type BaselineEntry,
  baselineText,
  extended,
  isDay,
  parseBaseline,
} from '../../src/result/baseline.ts';
import type { Finding } from '../../src/result/types.ts';
import { aFinding, aResult, aSession, aTrace, aWhatIf } from '../helpers/report-builders.ts';
import { validateResult } from '../helpers/schema.ts';

const TODAY = '2026-06-15';

function resultWith(path: string, ...findings: readonly Finding[]) {
  return aResult(aTrace({ path, sessions: [aSession({ findings })] }));
}

const fitting: readonly { readonly name: string; readonly entry: Omit<BaselineEntry, 'reason'> }[] =
  [
    { name: 'its id', entry: { finding: '0123456789abcdef' } },
    { name: 'its rule', entry: { rule: 'VTD001' } },
    {
      name: 'all that it has',
      entry: {
        finding: '0123456789abcdef',
        trace: 'logs/vm.log',
        rule: 'VTD001',
        device: '00:10.0',
        mode: 'observed',
        cause: 'whole-unmap',
      },
    },
    { name: 'the name of its trace', entry: { rule: 'VTD001', trace: 'vm.log' } },
    { name: 'its last day', entry: { rule: 'VTD001', until: TODAY } },
  ];

const strange: typeof fitting = [
  { name: 'another id', entry: { finding: 'ffffffffffffffff' } },
  { name: 'another rule', entry: { rule: 'VTD003' } },
  { name: 'another device', entry: { rule: 'VTD001', device: '00:11.0' } },
  { name: 'another mode', entry: { rule: 'VTD001', mode: 'active' } },
  { name: 'another cause', entry: { rule: 'VTD001', cause: 'page-walk' } },
  { name: 'another trace', entry: { rule: 'VTD001', trace: 'other.log' } },
  { name: 'the end of a name', entry: { rule: 'VTD001', trace: 'm.log' } },
  { name: 'a day that is over', entry: { rule: 'VTD001', until: '2026-06-14' } },
];

describe('a finding', () => {
  const result = resultWith('./a/logs/vm.log', aFinding(), aWhatIf());
  const acceptedIn = (entry: Omit<BaselineEntry, 'reason'>) =>
    accept(result, [{ ...entry, reason: 'known' }], TODAY);

  it.each(fitting)('is accepted by $name', ({ entry }) => {
    const { count, result: marked } = acceptedIn(entry);
    expect(count).toBe(1);
    const findings = marked.traces[0]?.sessions[0]?.findings;
    expect(findings?.map(({ accepted }) => accepted)).toEqual([
      { reason: 'known', until: entry.until ?? null },
      undefined,
    ]);
    expect(validateResult(marked)).toEqual([]);
  });

  it.each(strange)('is not accepted by $name', ({ entry }) => {
    expect(acceptedIn(entry)).toMatchObject({ count: 0, result });
  });

  it('keeps verdict and answer', () => {
    const { verdict, migration } = acceptedIn({ rule: 'VTD001' }).result;
    expect({ verdict, migration }).toEqual({
      verdict: result.verdict,
      migration: result.migration,
    });
  });

  it('is accepted by an entry that holds beside one that has expired', () => {
    const entries = [
      { rule: 'VTD001', until: '2026-01-01', reason: 'old' },
      { rule: 'VTD001', reason: 'new' },
    ];
    expect(accept(result, entries, TODAY)).toMatchObject({ count: 1, expired: [], unused: [] });
  });
});

describe('entries', () => {
  it('that have expired, and those that nothing has to do with, are told', () => {
    const expired = { rule: 'VTD001', until: '2026-01-01', reason: 'old' };
    const unused = { rule: 'VTD016', reason: 'never' };
    expect(accept(resultWith('vm.log', aFinding()), [expired, unused], TODAY)).toMatchObject({
      count: 0,
      expired: [expired],
      unused: [unused],
    });
  });
});

describe('a baseline that is extended', () => {
  const finding = aFinding();
  const trace = aTrace({ path: '/var/log/vm.log' });
  const reason = { reason: 'ticket 12', until: '2027-01-31' };

  it('names what it accepts, and accepts it', () => {
    const entries = extended([], [{ finding, trace }], reason, TODAY);
    expect(entries).toEqual([
      {
        finding: finding.id,
        trace: 'vm.log',
        rule: 'VTD001',
        device: '00:10.0',
        mode: 'observed',
        cause: 'whole-unmap',
        reason: 'ticket 12',
        until: '2027-01-31',
      },
    ]);
    expect(parseBaseline(baselineText(entries), 'b.json')).toEqual(entries);
    expect(accept(resultWith('/var/log/vm.log', finding), entries, TODAY).count).toBe(1);
  });

  it('keeps its entries, but for expired ones in whose place new ones come', () => {
    const other = { rule: 'VTD016', reason: 'another', until: '2020-01-01' };
    const expired = { rule: 'VTD001', reason: 'old', until: '2020-01-01' };
    const entries = extended([other, expired], [{ finding, trace }], reason, TODAY);
    expect(entries.map((entry) => entry.reason)).toEqual(['another', 'ticket 12']);
  });

  it('has one entry for two boots of a trace', () => {
    const twice = [
      { finding, trace },
      { finding, trace },
    ];
    expect(extended([], twice, reason, TODAY)).toHaveLength(1);
  });

  it('keeps a relative path, without the folder it starts from', () => {
    const [entry] = extended(
      [],
      [{ finding, trace: aTrace({ path: './l/vm.log' }) }],
      reason,
      TODAY,
    );
    expect(entry?.trace).toBe('l/vm.log');
  });
});

describe('a text that is no baseline', () => {
  const entry = (fields: object) => JSON.stringify({ version: 1, accepted: [fields] });
  it.each([
    { text: '{', says: /^b\.json: no JSON: / },
    { text: '[]', says: /no baseline: expected/ },
    { text: '{"version": 2, "accepted": []}', says: /no baseline/ },
    { text: '{"version": 1, "accepted": {}}', says: /no baseline/ },
    { text: '{"version": 1, "accepted": [7]}', says: /entry 1: expected an object/ },
    { text: entry({ rule: 'VTD001' }), says: /entry 1: it has no reason/ },
    { text: entry({ rule: 'VTD001', reason: ' ' }), says: /entry 1: reason: expected text/ },
    { text: entry({ rule: 1, reason: 'x' }), says: /rule: expected text/ },
    { text: entry({ device: '00:10.0', reason: 'x' }), says: /neither a finding nor a rule/ },
    { text: entry({ rule: 'VTD001', reason: 'x', untill: 'x' }), says: /unknown field untill/ },
    { text: entry({ rule: 'VTD001', reason: 'x', until: 'soon' }), says: /until: expected a day/ },
  ])('is refused: $text', ({ text, says }) => {
    expect(() => parseBaseline(text, 'b.json')).toThrow(says);
  });

  it('days are days of the calendar', () => {
    expect(['2027-01-31', '2028-02-29'].filter(isDay)).toHaveLength(2);
    expect(['2027-02-29', '2027-1-1', 'x', '2027-01-31T00:00:00Z'].filter(isDay)).toEqual([]);
  });
});

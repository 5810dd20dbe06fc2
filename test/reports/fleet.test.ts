import { describe, expect, it } from 'vitest';
import { fleetReports } from '../../src/reports/fleet/index.ts';
import { FLEET_SCHEMA, type Fleet, type FleetTrace } from '../../src/result/fleet.ts';

const HOSTILE = '=cmd|"<script>alert(1)</script>\u001b[2J\u202e.log';

const session: FleetTrace['sessions'][number] = {
  vm: HOSTILE,
  qemu: '10.0',
  vIommu: 'intel-iommu',
  verdict: 'fails',
  migration: { answer: 'no', why: 'something failed' },
  exposed: { e2big: true, lostDirtyPages: false, staleMappings: false, via: ['dirty-rate'] },
  unmaps: 12,
  failures: 4,
  atRiskBytes: 8192,
  findings: [
    {
      id: 'a',
      rule: 'VTD001',
      slug: 'bitmap-too-big',
      severity: 'error',
      mode: 'observed',
      evidence: 'observed',
      device: '00:10.0',
      cause: 'drain',
      count: 4,
      errno: -7,
      firstLine: 9,
      firstTime: null,
      atRiskBytes: 8192,
    },
  ],
};

const traces: readonly FleetTrace[] = [
  {
    trace: HOSTILE,
    state: 'analysed',
    error: null,
    key: '0'.repeat(32),
    verdict: 'fails',
    migration: session.migration,
    sessions: [session],
  },
  {
    trace: 'b.log',
    state: 'missing',
    error: null,
    key: '1'.repeat(32),
    verdict: 'inconclusive',
    migration: { answer: 'unknown', why: 'no result' },
    sessions: [],
  },
];

const fleet: Fleet = {
  schema: FLEET_SCHEMA,
  tool: { name: 'vtdscope', version: '0.1.0' },
  verdict: 'fails',
  migration: session.migration,
  counts: {
    traces: 2,
    missing: 1,
    failed: 0,
    migration: { no: 1, unknown: 0, refused: 0, yes: 0 },
    verdict: {
      crashes: 0,
      fails: 1,
      'loses-dirty-pages': 0,
      'leaves-mappings': 0,
      inconclusive: 0,
      clean: 0,
    },
  },
  traces,
};

const render = (name: string) => [...(fleetReports[name]?.(fleet, 80) ?? [])].join('');

describe('the reports of a fleet', () => {
  it.each(Object.keys(fleetReports))('%s lets no name do anything', (name) => {
    const text = render(name);
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\u202e');
    if (name === 'html') expect(text).not.toContain('<script>alert');
    if (name === 'csv') expect(text).toContain(`"'=cmd`);
  });

  it('say first what is missing, then the answer', () => {
    const [missing, answer] = render('text').split('\n');
    expect(missing).toBe('1 trace without a result: of these the answer is not known.');
    expect(answer).toBe('1 of 2: do not migrate. 1 is not known.');
  });

  it('list what is missing before the worst', () => {
    const text = render('text');
    expect(text.indexOf('b.log')).toBeLessThan(text.indexOf('something failed'));
  });

  it('are a row for each session, finding and gap in ndjson', () => {
    const rows = render('ndjson')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly row: string });
    expect(rows.map(({ row }) => row)).toEqual(['session', 'finding', 'missing']);
  });

  it('are JSON as a whole', () => {
    expect(JSON.parse(render('json'))).toEqual(fleet);
  });

  it('count sessions by what goes wrong in them', () => {
    expect(render('text')).toContain(
      '1  VTD001 bitmap-too-big, unmaps mapping by mapping, observed',
    );
  });
});

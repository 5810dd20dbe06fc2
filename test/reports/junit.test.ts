import { describe, expect, it } from 'vitest';
import { rulePages } from '../../src/rules/explain/index.ts';
import {
  aCleanSession,
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

/** The suite of one trace, as its attributes and the names of its cases with what became of them. */
function suite(xml: string): {
  readonly head: string;
  readonly cases: Readonly<Record<string, string>>;
} {
  const [head = ''] = /<testsuite [^>]*>/.exec(xml) ?? [];
  const cases = [
    ...xml.matchAll(/<testcase [^>]*name="(\w+)[^"]*">(?:<(failure|skipped|error))?/g),
  ];
  return {
    head,
    cases: Object.fromEntries(cases.map(([, name = '', outcome = 'passed']) => [name, outcome])),
  };
}

describe('JUnit', () => {
  it('has a case per rule, which fails for what happened', () => {
    const { head, cases } = suite(
      render(
        'junit',
        aResult(aTrace({ sessions: [aSession({ findings: [aFinding(), aWhatIf()] })] })),
      ),
    );
    expect(head).toBe('<testsuite name="qemu.log" tests="15" failures="1" errors="0" skipped="0">');
    expect(Object.keys(cases)).toEqual(rulePages.map(({ id }) => id));
    expect(cases).toMatchObject({ VTD001: 'failure', VTD002: 'passed', VTD003: 'passed' });
  });

  it('tells what failed', () => {
    const xml = render('junit', aResult());
    expect(xml).toContain(
      '<failure message="4 unmaps failed." type="error">error, line 12, 00:10.0, seen in QEMU\'s messages [0123456789abcdef]',
    );
    expect(xml).toContain('  12: vfio_iommu_map_notify iommu UNMAP');
  });

  it('skips rules that found nothing where the trace is inconclusive', () => {
    const session = aSession({ reasons: ['enable vtd_page_walk_one'], verdict: 'fails' });
    const { head, cases } = suite(render('junit', aResult(aTrace({ sessions: [session] }))));
    expect(head).toContain('failures="1" errors="0" skipped="14"');
    expect(cases).toMatchObject({ VTD001: 'failure', VTD002: 'skipped' });
  });

  it('passes what is clean, what-if findings in its output', () => {
    const session = aCleanSession({ findings: [aWhatIf()] });
    const xml = render('junit', aResult(aTrace({ sessions: [session] })));
    expect(suite(xml).head).toContain('failures="0" errors="0" skipped="0"');
    expect(xml).toContain(
      '<system-out>warning, line 5, 00:10.0, would happen with dirty tracking on',
    );
  });

  it('has an error for a trace that could not be analysed', () => {
    const xml = render('junit', aResult(anUnusableTrace()));
    expect(suite(xml).head).toBe(
      '<testsuite name="notes.txt" tests="1" failures="0" errors="1" skipped="0">',
    );
    expect(xml).toContain('<error message="notes.txt: no QEMU trace" type="unusable"></error>');
  });
});

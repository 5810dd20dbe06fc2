import { readFileSync } from 'node:fs';
import { XmlDocument, XmlValidateError, XsdValidator } from 'libxml2-wasm';
import { afterAll, describe, expect, it } from 'vitest';
import { rulePages } from '../../src/rules/pages.ts';
import {
  aCleanSession,
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

const schema = XmlDocument.fromBuffer(
  readFileSync(new URL('../golden/schemas/junit-4.xsd', import.meta.url)),
);
const validator = XsdValidator.fromDoc(schema);
afterAll(() => {
  validator.dispose();
  schema.dispose();
});

/** What the schema has against a report; throws where it is no XML at all. */
function problems(xml: string): readonly string[] {
  // Jenkins's schema has the reason as an attribute since its version 5, and shows it from there.
  const document = XmlDocument.fromString(xml.replace(/<skipped message="[^"]*">/g, '<skipped>'));
  try {
    validator.validate(document);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof XmlValidateError)) throw thrown;
    return thrown.details.map(({ message }) => message);
  } finally {
    document.dispose();
  }
}

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
  const everything = aResult(
    aTrace({
      sessions: [
        aSession({
          reasons: ['unsure'],
          findings: [aFinding(), aWhatIf(), aFinding({ mode: null, device: null })],
        }),
      ],
    }),
    aTrace({ path: 'clean.log', sessions: [aCleanSession()] }),
    anUnusableTrace(),
  );

  it('is valid', () => {
    const xml = render('junit', everything);
    for (const outcome of ['<failure ', '<skipped message=', '<error ', '<system-out>']) {
      expect(xml).toContain(outcome);
    }
    expect(problems(xml)).toEqual([]);
    expect(problems(xml.replace('<testsuite name', '<testsuite title'))).not.toEqual([]);
    expect(problems(xml.replace('<testcase', '<skipped></skipped><testcase'))).not.toEqual([]);
  });

  it.each(hostileTexts.map((text) => ({ text })))(
    'is valid whatever texts it holds: $text',
    ({ text }) => {
      expect(problems(render('junit', hostile(everything, text)))).toEqual([]);
    },
  );

  it('has a case per rule, which fails for what happened', () => {
    const { head, cases } = suite(
      render(
        'junit',
        aResult(aTrace({ sessions: [aSession({ findings: [aFinding(), aWhatIf()] })] })),
      ),
    );
    expect(head).toBe('<testsuite name="qemu.log" tests="16" failures="1" errors="0" skipped="0">');
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
    expect(head).toContain('failures="1" errors="0" skipped="15"');
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

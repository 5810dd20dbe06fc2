import { plain } from '../base/plain.ts';
import type { Finding, Trace } from '../result/types.ts';
import { acceptanceText } from './accepted.ts';
import { compareFindings } from './digest.ts';
import { headlineOf } from './headline.ts';
import type { Report } from './report.ts';
import { type KnownRule, rulesOf } from './rule-list.ts';
import { deviceText, modeMeanings } from './wording.ts';
import { element, openTag } from './xml.ts';

/** Findings described in one case; the rest are counted. */
const MOST_FINDINGS = 100;

/** What became of a rule in a trace. */
type Outcome = 'passed' | 'failed' | 'skipped' | 'error';

interface TestCase {
  readonly outcome: Outcome;
  readonly xml: string;
}

/**
 * For CI: a suite per trace, a case per rule. A rule fails where it found something that happened,
 * and is skipped where the baseline accepts all of that, or where it found nothing and the trace is
 * inconclusive; what-if findings, accepted ones and notes stand in the output of their case.
 */
export const junitReport: Report = {
  name: 'junit',
  extension: 'xml',
  *render(result) {
    const rules = rulesOf(result);
    yield '<?xml version="1.0" encoding="UTF-8"?>\n';
    yield `${openTag('testsuites', { name: result.tool.name })}\n`;
    for (const trace of result.traces) yield* suite(trace, rules);
    yield '</testsuites>\n';
  },
};

function* suite(trace: Trace, rules: readonly KnownRule[]): Iterable<string> {
  const cases = trace.error === undefined ? casesOf(trace, rules) : [unusable(trace, trace.error)];
  const count = (outcome: Outcome) => cases.filter((one) => one.outcome === outcome).length;
  const attributes = {
    name: plain(trace.path),
    tests: cases.length,
    failures: count('failed'),
    errors: count('error'),
    skipped: count('skipped'),
  };
  yield `  ${openTag('testsuite', attributes)}\n`;
  const verdict = element('property', { name: 'verdict', value: trace.verdict });
  const window =
    trace.window === undefined
      ? ''
      : element('property', { name: 'window', value: JSON.stringify(trace.window) });
  yield `    <properties>${verdict}${window}</properties>\n`;
  for (const { xml } of cases) yield `    ${xml}\n`;
  yield '  </testsuite>\n';
}

function unusable(trace: Trace, error: string): TestCase {
  const body = element('error', { message: plain(error), type: 'unusable' });
  return { outcome: 'error', xml: testCase(trace, 'the trace can be analysed', body) };
}

function casesOf(trace: Trace, rules: readonly KnownRule[]): readonly TestCase[] {
  const byRule = new Map<string, Finding[]>();
  for (const { findings } of trace.sessions) {
    for (const finding of findings) {
      const list = byRule.get(finding.rule) ?? [];
      list.push(finding);
      byRule.set(finding.rule, list);
    }
  }
  return rules.map((rule) =>
    caseOf(trace, rule, (byRule.get(rule.id) ?? []).sort(compareFindings)),
  );
}

function caseOf(trace: Trace, rule: KnownRule, findings: readonly Finding[]): TestCase {
  const happened = findings.filter(({ mode }) => mode === 'observed' || mode === 'active');
  const real = happened.filter(({ accepted }) => accepted === undefined);
  const others = findings.filter((finding) => !real.includes(finding));
  const name = `${rule.id} ${rule.slug}${rule.title === undefined ? '' : `: ${rule.title}`}`;
  const output = others.length === 0 ? '' : element('system-out', {}, described(others));
  const [worst] = real;
  if (worst !== undefined) {
    const message = plain(worst.message);
    const body = element('failure', { message, type: worst.severity }, described(real));
    return { outcome: 'failed', xml: testCase(trace, name, body + output) };
  }
  const [acceptance] = happened.flatMap(({ accepted }) => accepted ?? []);
  if (acceptance !== undefined) {
    const message = plain(acceptanceText(acceptance));
    const body = element('skipped', { message: `accepted: ${message}` });
    return { outcome: 'skipped', xml: testCase(trace, name, body + output) };
  }
  if (trace.reasons.length > 0) {
    const message = `${headlineOf(trace).meaning} ${trace.reasons.join('; ')}`;
    const body = element('skipped', { message: `inconclusive: ${plain(message)}` });
    return { outcome: 'skipped', xml: testCase(trace, name, body + output) };
  }
  return { outcome: 'passed', xml: testCase(trace, name, output) };
}

function testCase({ path }: Trace, name: string, body: string): string {
  return `${openTag('testcase', { classname: plain(path), name: plain(name) })}${body}</testcase>`;
}

/** Findings in text, one block each. */
function described(findings: readonly Finding[]): string {
  const blocks = findings.slice(0, MOST_FINDINGS).map((finding) => {
    const { id, severity, mode, first, excerpt } = finding;
    const device = deviceText(finding);
    const how = mode === null ? '' : `, ${modeMeanings[mode]}`;
    const lines = [
      `${severity}, line ${first.line}${device === '' ? '' : `, ${device}`}${how} [${id}]`,
      finding.message,
      ...excerpt.map((line) => `  ${line}`),
      `fix: ${finding.fix}`,
      ...(finding.accepted === undefined ? [] : [`accepted: ${acceptanceText(finding.accepted)}`]),
    ];
    return lines.map(plain).join('\n');
  });
  const left = findings.length - blocks.length;
  if (left > 0) blocks.push(`and ${left} more`);
  return blocks.join('\n\n');
}

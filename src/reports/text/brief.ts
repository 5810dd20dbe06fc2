import { humanSize } from '../../base/address.ts';
import { plural, timesText } from '../../base/words.ts';
import type { Finding, Session, Trace } from '../../result/types.ts';
import { acceptanceText } from '../accepted.ts';
import { adviceOfTrace } from '../advice.ts';
import { doubtsOf, wantsBetterTrace } from '../capture.ts';
import {
  compareFindings,
  digestOf,
  losesSomething,
  memoryAtRisk,
  memoryStillReachable,
} from '../digest.ts';
import { bytesIn, lowest } from '../guest-ranges.ts';
import { timeOfDay } from '../headline.ts';
import { deviceText } from '../wording.ts';
import { rulesOf, SEVERITY_STYLE } from './findings.ts';
import type { Page } from './layout.ts';

/** What stands below the headline of a trace by default: what a screen holds. */

const MOST_FINDINGS = 3;
const MOST_DOUBTS = 2;
const INDENT = '  ';
const LABEL = 9;

/** The findings in a line each, and of everything else the first and how much there is of it. */
export function briefly(page: Page, trace: Trace): void {
  const all = trace.sessions
    .flatMap((session) => session.findings.map((finding) => ({ finding, session })))
    .filter(({ finding }) => finding.rule !== 'VTD014')
    .sort((a, b) => compareFindings(a.finding, b.finding));
  page.gap();
  if (trace.sessions.length > 1)
    page.text(`${plural(trace.sessions.length, 'session')}; the worst findings of all:`, '', 'dim');
  for (const { finding, session } of all.slice(0, MOST_FINDINGS))
    line(page, finding, session, trace);
  const left = all.slice(MOST_FINDINGS).map(({ finding }) => finding);
  if (left.length > 0)
    page.text(`and ${plural(left.length, 'more finding')} (${rulesOf(left)})`, INDENT, 'dim');
  page.gap();
  memory(page, trace);
  unknown(page, trace);
  doubts(page, trace);
  advice(page, trace);
}

function line(page: Page, finding: Finding, session: Session, trace: Trace): void {
  const { rule, slug, severity, mode, count, first, atRiskBytes } = finding;
  const time = timeOfDay(first, trace);
  const parts = [
    mode === 'what-if' ? 'if tracked' : '',
    timesText(count),
    `line ${first.line}${time === '' ? '' : ` at ${time}`}`,
    finding.device === null ? '' : deviceText(finding),
    trace.sessions.length > 1 ? `session ${trace.sessions.indexOf(session) + 1}` : '',
    atRiskBytes === 0 ? '' : humanSize(atRiskBytes),
    finding.accepted === undefined ? '' : `accepted: ${acceptanceText(finding.accepted)}`,
  ].filter((part) => part !== '');
  page.text(
    `${rule} ${slug}: ${parts.join(', ')}`,
    `${INDENT}${severity.padEnd('warning'.length)} `,
    undefined,
    SEVERITY_STYLE[severity],
  );
}

function memory(page: Page, { sessions }: Trace): void {
  const real = sessions.flatMap((session) => digestOf(session).real);
  const lost = memoryAtRisk(real);
  const reachable = memoryStillReachable(real);
  const field = (label: string, of: typeof lost, what: string) => {
    const [first] = lowest(of, 1);
    if (first === undefined) return;
    const from = `from guest address 0x${first.first.toString(16)} on`;
    page.field(
      label,
      `${humanSize(bytesIn(of))} ${what}, in ${plural(of.size, 'range')} ${from}`,
      INDENT,
      LABEL,
    );
  };
  if (lost.size === 0 && losesSomething(real)) {
    page.field('At risk', 'guest memory whose addresses are not in the trace', INDENT, LABEL);
  }
  field('At risk', lost, 'whose dirty bits are lost');
  field('Stale', reachable, 'that a device still reaches');
}

/** Nobody may take them for lines that were judged. */
function unknown(page: Page, { sessions }: Trace): void {
  const all = sessions.flatMap(({ unknownMessages }) => unknownMessages ?? []);
  const [first] = all.flatMap(({ texts }) => texts);
  if (first === undefined) return;
  const count = all.reduce((sum, messages) => sum + messages.count, 0);
  const text = `${plural(count, 'line')} of QEMU that no rule knows, the first ${first.line}: ${first.text}`;
  page.field('Unknown', text, INDENT, LABEL);
}

function doubts(page: Page, trace: Trace): void {
  const all = doubtsOf(trace);
  if (all.length === 0) return;
  const isInconclusive = trace.verdict === 'inconclusive';
  const label = isInconclusive ? 'Why' : 'Unsure';
  for (const [index, doubt] of all.slice(0, MOST_DOUBTS).entries())
    page.field(index === 0 ? label : '', doubt, INDENT, LABEL);
  const left = all.length - MOST_DOUBTS;
  if (left > 0) page.field('', `and ${left} more`, INDENT, LABEL, 'dim');
  if (isInconclusive && wantsBetterTrace(trace))
    page.field('', 'How to capture a better trace: -v', INDENT, LABEL, 'dim');
}

function advice(page: Page, trace: Trace): void {
  const { today, releases } = adviceOfTrace(trace);
  for (const [label, list] of [
    ['Today', today],
    ['Release', releases],
  ] as const) {
    const [first] = list;
    if (first === undefined) continue;
    const left = list.length - 1;
    const more = left === 0 ? '' : ` And ${left} more.`;
    page.field(label, `${first.text} [${first.rules.join(', ')}]${more}`, INDENT, LABEL);
  }
}

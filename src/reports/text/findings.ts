import { humanSize } from '../../base/address.ts';
import type { PageRangeSet } from '../../base/page-range-set.ts';
import { countText, plural, timesText } from '../../base/words.ts';
import type { Finding, Session, Trace } from '../../result/types.ts';
import { acceptanceText } from '../accepted.ts';
import {
  isAboutBitmap,
  isAboutMapping,
  losesSomething,
  memoryAtRisk,
  memoryStillReachable,
} from '../digest.ts';
import { bytesIn, lowest } from '../guest-ranges.ts';
import { placesText } from '../headline.ts';
import { causeMeanings, causeStories, deviceText, errnoText, modeMeanings } from '../wording.ts';
import type { Page } from './layout.ts';

const LABEL = 8;
const INDENT = '  ';

export const SEVERITY_STYLE = { error: 'red', warning: 'yellow', note: 'cyan' } as const;

/** What happened: errors in full, the rest in short. */
export function happened(
  page: Page,
  findings: readonly Finding[],
  session: Session,
  trace: Trace,
): void {
  if (findings.length === 0) return;
  page.heading('What happened');
  // Only errors are worth the lines of the trace.
  const full = findings.filter(({ severity }) => severity === 'error');
  const others = findings.filter((finding) => !full.includes(finding));
  for (const [index, finding] of full.entries()) {
    if (index > 0) page.gap();
    fullFinding(page, finding, session, trace);
  }
  if (others.length > 0 && full.length > 0) page.gap();
  for (const finding of others) shortFinding(page, finding);
}

function title(page: Page, { rule, slug, severity }: Finding, rest: string): void {
  page.text(`${rule} ${slug}${rest}`, `${INDENT}${severity} `, 'bold', SEVERITY_STYLE[severity]);
}

function fullFinding(page: Page, finding: Finding, session: Session, trace: Trace): void {
  const { mode, count, excerpt, first, last } = finding;
  const how = mode === null ? '' : `: ${timesText(count)}, ${modeMeanings[mode]}`;
  title(page, finding, how);
  const field = (label: string, text: string) => page.field(label, text, INDENT.repeat(2), LABEL);
  if (deviceText(finding) !== '') field('device', whoseDevice(finding, session));
  if (finding.iova !== null && finding.size !== null) {
    const label = isAboutMapping(finding) ? 'mapping' : 'unmap';
    field(label, `iova ${finding.iova}, size ${withSize(finding.size)}`);
  }
  if (finding.cause !== null) field('cause', causeStories[finding.cause]);
  if (finding.errno !== null && finding.errno !== 0) field('errno', errnoText(finding.errno));
  if (isAboutBitmap(finding)) field('bitmap', bitmapText(finding, session));
  const { carriedAddress, expectedAddress } = finding;
  if (carriedAddress !== null && expectedAddress !== null)
    field('address', `sent ${carriedAddress}, right would be ${expectedAddress}`);
  const { worst } = finding;
  if (
    worst !== null &&
    worst.size !== null &&
    worst.iova !== null &&
    worst.place.line !== first.line
  ) {
    field(
      'worst',
      `${humanSize(BigInt(worst.size))} at iova ${worst.iova}, line ${worst.place.line}`,
    );
  }
  field('where', placesText(first, last, trace));
  field('why', finding.message);
  if (finding.accepted !== undefined) field('accepted', acceptanceText(finding.accepted));
  for (const line of excerpt) {
    const isFirst = line.startsWith(`${first.line}:`);
    page.quote(line, isFirst ? '  > ' : '    ', isFirst ? 'bold' : 'dim', line.indexOf(':') + 2);
  }
}

function shortFinding(page: Page, finding: Finding): void {
  title(page, finding, `, ${placed(finding)}`);
  page.text(finding.message, INDENT.repeat(2));
  if (finding.accepted !== undefined)
    page.text(`accepted: ${acceptanceText(finding.accepted)}`, INDENT.repeat(2));
}

/** Findings that did not happen, a line or two each. */
export function wouldHappen(page: Page, findings: readonly Finding[]): void {
  for (const finding of findings) page.text(whatIfText(finding), `${INDENT}- `);
}

/** A hazard that dirty tracking would bring about, in one sentence. */
export function whatIfText(finding: Finding): string {
  const { rule, slug, count, cause, atRiskBytes } = finding;
  const what = cause === null || cause === 'unknown' ? '' : `, ${causeMeanings[cause]}`;
  const memory = atRiskBytes === 0 ? '' : `, ${humanSize(atRiskBytes)} of guest memory`;
  const accepted =
    finding.accepted === undefined ? '' : `; accepted: ${acceptanceText(finding.accepted)}`;
  return `${rule} ${slug}: ${timesText(count)}${what}, from ${placed(finding)}${memory}${accepted}`;
}

/** `line 20, 00:10.0`. */
function placed(finding: Finding): string {
  return [`line ${finding.first.line}`, deviceText(finding)]
    .filter((part) => part !== '')
    .join(', ');
}

/** `VTD002 x2, VTD007`. */
export function rulesOf(findings: readonly Finding[]): string {
  const counts = new Map<string, number>();
  for (const { rule } of findings) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return [...counts].map(([rule, count]) => (count === 1 ? rule : `${rule} x${count}`)).join(', ');
}

function whoseDevice(finding: Finding, { containers }: Session): string {
  const container = containers.find(({ id }) => id === finding.container);
  const backend = container === undefined ? '' : `, ${container.backend.value} VFIO container`;
  const domain = finding.domain === null ? '' : `, domain ${finding.domain}`;
  return `${deviceText(finding)}${backend}${domain}`;
}

function bitmapText({ bitmapBytes, limitBytes }: Finding, { model }: Session): string {
  const size = (bytes: string | null) => (bytes === null ? 'unknown' : humanSize(BigInt(bytes)));
  const page = humanSize(model.hostPageSize.value);
  return `needs ${size(bitmapBytes)}, a bit per ${page} page; the container accepts ${size(limitBytes)}`;
}

/** `0x100000000000 (16 TiB)`. */
export function withSize(hexadecimal: string): string {
  return `${hexadecimal} (${humanSize(BigInt(hexadecimal))})`;
}

/** Guest memory whose dirty bits are lost, and memory that a device still reaches. */
export function memory(page: Page, findings: readonly Finding[], { totals }: Session): void {
  const lost = memoryAtRisk(findings);
  const reachable = memoryStillReachable(findings);
  const { tracked } = totals;
  const isUnknown = lost.size === 0 && losesSomething(findings);
  const isReachableUnknown = reachable.size === 0 && hasStale(findings);
  const isSilent = lost.size === 0 && reachable.size === 0 && !isUnknown && !isReachableUnknown;
  if (isSilent && tracked.zeroAddress === 0) return;
  page.heading('Guest memory at risk');
  if (isUnknown)
    page.text('Unknown: the trace does not hold the guest addresses of mappings.', INDENT);
  if (lost.size > 0) {
    page.text(
      `${humanSize(bytesIn(lost))} in ${plural(lost.size, 'range')}: what a device wrote there since the ` +
        'last dirty sync is not copied again. Guest-physical addresses:',
      INDENT,
    );
    spans(page, lost);
  }
  if (reachable.size > 0) {
    page.text(
      `${humanSize(bytesIn(reachable))} in ${plural(reachable.size, 'range')}: a device can still write ` +
        'there although the guest took the memory back:',
      INDENT,
    );
    spans(page, reachable);
  }
  if (isReachableUnknown) {
    page.text(
      'Unknown: which guest memory a device can still write to although the guest took it back. The ' +
        'trace does not hold the guest addresses of mappings.',
      INDENT,
    );
  }
  if (tracked.zeroAddress > 0) {
    page.text(
      `${plural(tracked.zeroAddress, 'unmap')} carried address 0 while dirty pages were tracked; ` +
        `${countText(tracked.harmfulZeroAddress)} of them did harm (writable mappings under them lie elsewhere).`,
      INDENT,
    );
  }
}

function hasStale(findings: readonly Finding[]): boolean {
  return findings.some(({ rule, severity }) => rule === 'VTD005' && severity === 'error');
}

function spans(page: Page, all: PageRangeSet): void {
  for (const { first, last } of lowest(all, all.size)) {
    const range = `0x${first.toString(16)} - 0x${last.toString(16)}`;
    page.quote(`${range}  ${humanSize(last - first + 1n)}`, INDENT.repeat(2));
  }
}

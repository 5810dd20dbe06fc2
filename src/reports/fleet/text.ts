import { humanSize } from '../../base/address.ts';
import { countText } from '../../base/words.ts';
import type { Fleet, FleetTrace } from '../../result/fleet.ts';
import { answersText } from '../migration.ts';
import { Page } from '../text/layout.ts';
import { traceName } from '../wording.ts';
import {
  atRiskOf,
  type Counts,
  failuresOf,
  gapsText,
  sessionsByRule,
  verdictsByVersion,
  versionsOf,
  worstFirst,
} from './tables.ts';

/** Rows of a table; the rest is in the other reports. */
const MOST_ROWS = 20;

/** For people at a terminal: what is missing first, then the answer, then where it comes from. */
export function* textOfFleet(fleet: Fleet, width: number): Iterable<string> {
  const page = new Page(width, false);
  const gaps = gapsText(fleet);
  if (gaps !== '') page.text(`${gaps}: of these the answer is not known.`);
  page.text(answersText(fleet.traces));
  counts(page, 'Sessions by version and verdict', verdictsByVersion(fleet));
  counts(page, 'Sessions with a finding', sessionsByRule(fleet));
  const sorted = worstFirst(fleet);
  page.heading('Traces, worst first');
  for (const trace of sorted.slice(0, MOST_ROWS)) row(page, trace);
  const left = sorted.length - MOST_ROWS;
  if (left > 0) page.text(`and ${countText(left)} more: --format csv, ndjson or html lists them.`);
  for (const line of page.lines) yield `${line.trimEnd()}\n`;
}

function counts(page: Page, heading: string, all: Counts): void {
  if (all.length === 0) return;
  page.heading(heading);
  for (const [name, count] of all.slice(0, MOST_ROWS)) {
    page.text(name, `${countText(count).padStart(8)}  `);
  }
  if (all.length > MOST_ROWS) page.text(`and ${all.length - MOST_ROWS} kinds more`, '          ');
}

function row(page: Page, trace: FleetTrace): void {
  const { error, migration, state, verdict } = trace;
  const start = `${migration.answer.padEnd(8)}${(state === 'analysed' ? verdict : state).padEnd(18)}`;
  page.line(`${start}${traceName(trace.trace)}`);
  const versions = versionsOf(trace).join(' ');
  const facts = [
    ...(versions === '' ? [] : [`QEMU ${versions}`]),
    ...(failuresOf(trace) === 0 ? [] : [`${countText(failuresOf(trace))} failed`]),
    ...(atRiskOf(trace) === 0 ? [] : [`${humanSize(atRiskOf(trace))} at risk`]),
    error ?? migration.why,
  ];
  page.text(facts.join('; '), ' '.repeat(8));
}

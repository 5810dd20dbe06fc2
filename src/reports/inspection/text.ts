import { humanSize } from '../../base/address.ts';
import { countText, listed, plural } from '../../base/words.ts';
import { Page, shorten } from '../text/layout.ts';
import { momentText, traceName } from '../wording.ts';
import type { InspectedEvent, Inspection } from './inspection.ts';

/** Events that are listed by name; JSON has the rest. */
const MOST_EVENTS = 30;
/** Boots of which each has a line. */
const MOST_PRODUCERS = 10;
const LABEL = 9;
const NAME_WIDTH = 40;
const COUNT_WIDTH = 12;

/** For people at a terminal: what a trace is, what it holds, whether that is enough. */
export function* textOfInspection(inspection: Inspection, width: number): Iterable<string> {
  const page = new Page(width, false);
  const { losses, messages, needed, nextTime, verdict } = inspection;
  page.line(shorten(traceName(inspection.path), page.width));
  page.field('format', formatText(inspection), '  ', LABEL);
  page.field('time', timeText(inspection), '  ', LABEL);
  for (const text of producerTexts(inspection)) page.field('QEMU', text, '  ', LABEL);
  page.field('messages', countText(messages), '  ', LABEL);
  page.heading('Events');
  listEvents(page, inspection.events);
  if (losses.length > 0) page.heading('Losses');
  for (const { count, detail, kind, line } of losses) {
    page.text(
      `${kind.replace('-', ' ')} (${countText(count)}, first at line ${line}): ${detail}`,
      '  - ',
    );
  }
  page.heading('Needed events');
  for (const { count, name } of needed) {
    page.line(`  ${name.padEnd(NAME_WIDTH)}${count === 0 ? 'none' : countText(count)}`);
  }
  page.heading('Is a verdict possible?');
  page.text(verdictText(verdict), '  ');
  for (const reason of verdict.reasons) page.text(reason, '  - ');
  const { command, hints, missing } = nextTime;
  if (verdict.reasons.length > 0 || missing.length > 0 || hints.length > 0) {
    page.heading('Next time');
    if (missing.length > 0) page.text(`Enable ${listed(missing)}.`, '  - ');
    for (const hint of hints) page.text(hint, '  - ');
    page.text("Options of QEMU's that trace all that is needed:", '  - ');
    for (const line of command) page.quote(line, '      ');
  }
  for (const line of page.lines) yield `${line.trimEnd()}\n`;
}

function formatText({ bytes, compression, format, hasGrown, lines }: Inspection): string {
  const packed = compression === 'none' ? '' : ` (${compression})`;
  const growing = hasGrown ? '; the file grows' : '';
  return `${format}${packed}, ${plural(lines, 'line')}, ${humanSize(bytes)}${growing}`;
}

function timeText({ time: { clock, first, last, seconds } }: Inspection): string {
  if (first === null || last === null) return 'none';
  const range =
    clock === 'wall'
      ? `${momentText(first, clock)} to ${momentText(last, clock)}`
      : `by a ${clock} clock`;
  return seconds === null ? range : `${range}, ${seconds.toFixed(3)} s`;
}

function producerTexts({ producers }: Inspection): readonly string[] {
  const shown = producers.slice(0, MOST_PRODUCERS).map(({ backends, qemu, vIommu, vm }) => {
    const version = qemu.value === null ? 'version not known' : `~${qemu.value} (${qemu.from})`;
    const parts = [version, vIommu.value ?? 'no VFIO', ...backends];
    return `${vm === null ? '' : `${vm}: `}${parts.join(', ')}`;
  });
  const left = producers.length - shown.length;
  return left > 0 ? [...shown, `and ${plural(left, 'boot')} more: -f json lists them`] : shown;
}

function listEvents(page: Page, events: readonly InspectedEvent[]): void {
  if (events.length === 0) page.line('  none');
  for (const { count, isReplayed, name, perSecond } of events.slice(0, MOST_EVENTS)) {
    const own = page.name(name, NAME_WIDTH - 2).padEnd(NAME_WIDTH);
    const rate = perSecond === null ? '' : `  ${perSecond}/s`;
    const use = isReplayed ? '' : '  (only counted)';
    page.line(`  ${own}${countText(count).padStart(COUNT_WIDTH)}${rate}${use}`);
  }
  const left = events.length - MOST_EVENTS;
  if (left > 0) page.text(`and ${countText(left)} more: -f json lists them.`, '  ');
}

function verdictText({ isPossible, reasons, verdict }: Inspection['verdict']): string {
  if (!isPossible) return 'No: the trace does not show enough.';
  return reasons.length === 0
    ? `Yes (${verdict}).`
    : `Yes (${verdict}), but what is not found may be there all the same.`;
}

import { listed } from '../base/words.ts';
import type { Trace } from '../result/types.ts';
import { momentText } from './wording.ts';

/** What reports say where only a window of a trace is reported. */

/** `In this window (since 2026-11-22T08:14:34.000Z, of 00:10.0): `, before a sentence; '' of a whole trace. */
export function windowLead({ time, window }: Trace): string {
  if (window === undefined) return '';
  const { devices, since, until } = window;
  const shown = (moment: string) => momentText(moment, time.clock);
  const parts = [
    ...(since === null ? [] : [`since ${shown(since)}`]),
    ...(until === null ? [] : [`until ${shown(until)}`]),
    ...(devices.length === 0 ? [] : [`of ${listed(devices)}`]),
  ];
  return `In this window (${parts.join(', ')}): `;
}

/** What a report of several traces says; '' where all are reported whole. */
export function windowNote(traces: readonly Trace[]): string {
  return traces.some(({ window }) => window !== undefined)
    ? 'Only a window of each trace is reported (--since, --until, --device): verdicts are of that window.'
    : '';
}

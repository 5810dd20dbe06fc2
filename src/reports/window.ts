import { listed } from '../base/words.ts';
import type { Trace } from '../result/types.ts';

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

/** ISO 8601 of the wall's clock, else seconds of the trace's own. */
function momentText(time: string, clock: Trace['time']['clock']): string {
  if (clock === 'wall') {
    const moment = new Date(Number(BigInt(time) / 1_000_000n));
    if (!Number.isNaN(moment.getTime())) return moment.toISOString();
  }
  const digits = time.padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)} s`;
}

import type { Fleet } from '../../result/fleet.ts';
import { csvOfFleet } from './csv.ts';
import { htmlOfFleet } from './html.ts';
import { jsonOfFleet, ndjsonOfFleet } from './json.ts';
import { textOfFleet } from './text.ts';

/** A report of what many machines found: a pure function, which yields its text in pieces. */
export type FleetReport = (fleet: Fleet, width: number) => Iterable<string>;

/** All of them, by the names that `merge --format` and `--output` take. */
export const fleetReports: Readonly<Record<string, FleetReport>> = {
  text: textOfFleet,
  json: jsonOfFleet,
  ndjson: ndjsonOfFleet,
  csv: csvOfFleet,
  html: htmlOfFleet,
};

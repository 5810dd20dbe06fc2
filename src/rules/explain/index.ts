import { backendError } from './backend-error.ts';
import { bitmapMemory } from './bitmap-memory.ts';
import { bitmapTooBig } from './bitmap-too-big.ts';
import { dmaEntryLimit } from './dma-entry-limit.ts';
import type { Explanation } from './explanation.ts';
import { mapConflict } from './map-conflict.ts';
import { markPastRam } from './mark-past-ram.ts';
import { migrationBlocked } from './migration-blocked.ts';
import { noDirtyQuery } from './no-dirty-query.ts';
import { queryOverHole } from './query-over-hole.ts';
import { shadowDrift } from './shadow-drift.ts';
import { staleHostMapping } from './stale-host-mapping.ts';
import { traceLoss } from './trace-loss.ts';
import { unmapStorm } from './unmap-storm.ts';
import { wrongTranslatedAddress } from './wrong-translated-address.ts';
import { zeroTranslatedAddress } from './zero-translated-address.ts';

/** What a report or a command can tell of a rule. */
export interface RulePage {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  /** Plain text of at most 80 columns. */
  readonly page: string;
}

const all: readonly Explanation[] = [
  bitmapTooBig,
  zeroTranslatedAddress,
  wrongTranslatedAddress,
  noDirtyQuery,
  staleHostMapping,
  markPastRam,
  bitmapMemory,
  dmaEntryLimit,
  mapConflict,
  queryOverHole,
  shadowDrift,
  unmapStorm,
  migrationBlocked,
  traceLoss,
  backendError,
];

/** Every rule with its page, by number. Knows nothing of the rules themselves. */
export const rulePages: readonly RulePage[] = all.map((explanation) => {
  const { id, slug, title } = explanation;
  return { id, slug, title, page: pageOf(explanation) };
});

/** The page of a rule by its id. */
export const explanations: ReadonlyMap<string, string> = new Map(
  rulePages.map(({ id, page }) => [id, page]),
);

function pageOf(explanation: Explanation): string {
  const { id, slug, title, whatHappens, why, example, exampleNote, versions, whatToDo } =
    explanation;
  const sections = [
    `${id} ${slug}\n${title}.`,
    `WHAT HAPPENS\n${indented(whatHappens)}`,
    `WHY\n${indented(why)}`,
    `IN A TRACE\n${indented(example, '    ')}\n${indented(exampleNote)}`,
    `VERSIONS\n${indented(versions)}`,
    `WHAT TO DO\n${indented(whatToDo)}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function indented(text: string, by = '  '): string {
  const lines = text.trim().split('\n');
  return lines.map((line) => by + line).join('\n');
}

import { backendError } from './backend-error/page.ts';
import { bitmapMemory } from './bitmap-memory/page.ts';
import { bitmapTooBig } from './bitmap-too-big/page.ts';
import { dmaEntryLimit } from './dma-entry-limit/page.ts';
import { mapConflict } from './map-conflict/page.ts';
import { markPastRam } from './mark-past-ram/page.ts';
import { migrationBlocked } from './migration-blocked/page.ts';
import { noDirtyQuery } from './no-dirty-query/page.ts';
import type { Explanation } from './page.ts';
import { queryOverHole } from './query-over-hole/page.ts';
import { shadowDrift } from './shadow-drift/page.ts';
import { staleHostMapping } from './stale-host-mapping/page.ts';
import { traceLoss } from './trace-loss/page.ts';
import { unmapStorm } from './unmap-storm/page.ts';
import { wrongTranslatedAddress } from './wrong-translated-address/page.ts';
import { zeroTranslatedAddress } from './zero-translated-address/page.ts';

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

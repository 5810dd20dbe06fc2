import type { Explanation } from './page.ts';
import * as registry from './registry.ts';

/** What a report or a command can tell of a rule. */
export interface RulePage {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  /** Plain text of at most 80 columns. */
  readonly page: string;
}

/** What is explained of every rule, by number. */
export const pages: readonly Explanation[] = Object.values(registry).sort((a, b) =>
  a.id < b.id ? -1 : 1,
);

/** Every rule with its page, by number. Knows nothing of the rules themselves. */
export const rulePages: readonly RulePage[] = pages.map((explanation) => {
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

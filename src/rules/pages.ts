import type { Explanation } from './page.ts';
import * as registry from './registry.ts';

/** What a report or a command can tell of a rule. */
export interface RulePage {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  /** Plain text of at most 80 columns. */
  readonly page: string;
  /** The same in Markdown. */
  readonly markdown: string;
  /** QEMU's commit that mends it, where the page names one. */
  readonly commit: string | null;
}

/** What is explained of every rule, by number. */
export const pages: readonly Explanation[] = Object.values(registry).sort((a, b) =>
  a.id < b.id ? -1 : 1,
);

/** Every rule with its page, by number. Knows nothing of the rules themselves. */
export const rulePages: readonly RulePage[] = pages.map((explanation) => {
  const { id, slug, title, versions } = explanation;
  const commit = /\bcommit\s+([0-9a-f]{12})\b/.exec(versions)?.[1] ?? null;
  return { id, slug, title, page: pageOf(explanation), markdown: markdownOf(explanation), commit };
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

function markdownOf(explanation: Explanation): string {
  const { id, slug, title, whatHappens, why, example, exampleNote, versions, whatToDo } =
    explanation;
  const sections = [
    `# ${id} ${slug}`,
    `${prose(title)}.`,
    `## What happens\n\n${prose(whatHappens)}`,
    `## Why\n\n${prose(why)}`,
    `## In a trace\n\n\`\`\`text\n${example.trim()}\n\`\`\`\n\n${prose(exampleNote)}`,
    `## Versions\n\n${prose(versions)}`,
    `## What to do\n\n${prose(whatToDo)}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** Text in one paragraph for each of its own, with nothing in it that Markdown takes for more. */
function prose(text: string): string {
  return text
    .trim()
    .split(/\n\n+/)
    .map((paragraph) => paragraph.replaceAll('\n', ' ').replace(/[\\`*_<>[\]#|]/g, '\\$&'))
    .join('\n\n');
}

function indented(text: string, by = '  '): string {
  const lines = text.trim().split('\n');
  return lines.map((line) => by + line).join('\n');
}

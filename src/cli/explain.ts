import { Command, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { jsonText } from '../base/json-text.ts';
import type { Explanation } from '../rules/page.ts';
import type { RulePage } from '../rules/pages.ts';
import { print } from './outputs.ts';
import { nearest } from './suggestions.ts';
import type { Terminal } from './terminal.ts';

const EXAMPLES = `
Examples:
  vtdscope explain                   all rules, a line each
  vtdscope explain VTD001            the page of a rule
  vtdscope explain bitmap-too-big    the same, by its name
  vtdscope explain -f json           all pages, for programs`;

/** How a page can be printed. */
type Form = 'text' | 'markdown' | 'json';
const forms: readonly Form[] = ['text', 'markdown', 'json'];

/** `explain`: what a rule finds, why it happens, since which QEMU it is mended, what to do. */
export function explainCommand(terminal: Terminal): Command {
  return new Command('explain')
    .description('what a rule finds, and what to do about it; without a rule, the list')
    .argument('[rule]', 'VTD001, 1 or bitmap-too-big')
    .addOption(
      new Option('-f, --format <name>', 'how to print it').choices([...forms]).default('text'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (name: string | undefined, { format }: { readonly format: Form }) => {
      // Loaded here: analyses have no use for it, and start sooner.
      const { pages, rulePages } = await import('../rules/pages.ts');
      const page = name === undefined ? null : pageNamed(name, rulePages);
      const pieces = format === 'json' ? [jsonOf(pages, page)] : textOf(rulePages, page, format);
      await print(pieces, terminal.stdout, terminal.signal);
    });
}

/** The page, or all of them: in text the list, a line each. */
function textOf(
  all: readonly RulePage[],
  page: RulePage | null,
  format: 'text' | 'markdown',
): readonly string[] {
  if (page !== null) return [format === 'text' ? page.page : page.markdown];
  return format === 'text' ? [listOf(all)] : all.map(({ markdown }) => `${markdown}\n`);
}

/** A page as an object, its paragraphs without line breaks; or a list of all pages. */
function jsonOf(all: readonly Explanation[], page: RulePage | null): string {
  const objects = all
    .filter(({ id }) => page === null || id === page.id)
    .map(({ example, load: _, ...texts }) => {
      const paragraphs = Object.entries(texts).map(([key, text]) => [key, unbroken(text)] as const);
      return { ...Object.fromEntries(paragraphs), example: example.trim().split('\n') };
    });
  return `${jsonText(page === null ? objects : objects[0], 2)}\n`;
}

function unbroken(text: string): string {
  return text.trim().replace(/(?<!\n)\n(?!\n)/g, ' ');
}

function listOf(rulePages: readonly RulePage[]): string {
  const width = Math.max(...rulePages.map(({ slug }) => slug.length));
  const lines = rulePages.map(({ id, slug, title }) => `${id}  ${slug.padEnd(width)}  ${title}`);
  return `${lines.join('\n')}\n`;
}

function pageNamed(name: string, rulePages: readonly RulePage[]): RulePage {
  const wanted = name.toLowerCase();
  const number = /^(?:vtd)?0*(\d{1,3})$/.exec(wanted)?.[1];
  const id = number === undefined ? null : `VTD${number.padStart(3, '0')}`;
  const page = rulePages.find((known) => known.id === id || known.slug === wanted);
  if (page !== undefined) return page;
  throw new UsageError(
    `no rule is called ${name}${meant(wanted, rulePages)}; 'vtdscope explain' lists them`,
  );
}

/** Rules whose slug is spelt alike, or holds the same words. */
function meant(wanted: string, rulePages: readonly RulePage[]): string {
  const slugs = rulePages.map(({ slug }) => slug);
  const spelt = nearest(wanted, slugs);
  const words = wanted.split(/[^a-z]+/);
  const near = rulePages.filter(({ slug }) =>
    spelt === null ? slug.split('-').some((word) => words.includes(word)) : slug === spelt,
  );
  return near.length === 0
    ? ''
    : ` (did you mean ${near.map(({ id, slug }) => `${id} ${slug}`).join(', ')}?)`;
}

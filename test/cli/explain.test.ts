import { describe, expect, it } from 'vitest';
import { rulePages } from '../../src/rules/pages.ts';
import { runProgram } from '../helpers/program.ts';

async function explained(...args: readonly string[]) {
  const { status, stdout } = await runProgram(['explain', ...args]);
  expect(status).toBe(0);
  return stdout;
}

describe('explain', () => {
  it('prints a page in text, Markdown and JSON', async () => {
    const page = rulePages.find(({ id }) => id === 'VTD001');
    expect(await explained('1')).toBe(page?.page);
    expect(await explained('VTD001', '-f', 'markdown')).toBe(page?.markdown);
    const object = JSON.parse(await explained('bitmap-too-big', '-f', 'json')) as Record<
      string,
      unknown
    >;
    const { example, id, slug, whatHappens } = object;
    expect({ id, slug }).toEqual({ id: 'VTD001', slug: 'bitmap-too-big' });
    expect(whatHappens).not.toContain('\n');
    expect(example).toHaveLength(4);
    expect(Object.values(object).every((value) => value !== '')).toBe(true);
  });

  it('prints all pages without a rule, but for text', async () => {
    const all = JSON.parse(await explained('-f', 'json')) as { readonly id: string }[];
    expect(all.map(({ id }) => id)).toEqual(rulePages.map(({ id }) => id));
    const markdown = await explained('--format', 'markdown');
    expect(markdown.match(/^# VTD\d{3} /gm)).toHaveLength(rulePages.length);
    expect((await explained()).trimEnd().split('\n')).toHaveLength(rulePages.length);
  });
});

describe('a page in Markdown', () => {
  it.each(rulePages)('of $id has its sections, and no markup of its text', ({ markdown }) => {
    expect(markdown.match(/^## .*$/gm)).toEqual([
      '## What happens',
      '## Why',
      '## In a trace',
      '## Versions',
      '## What to do',
    ]);
    const prose = markdown.replace(/```text\n[\s\S]*?\n```/g, '');
    expect(prose).not.toMatch(/(?<!\\)[*_<>`]/);
  });
});

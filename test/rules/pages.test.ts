import { describe, expect, it } from 'vitest';
import { loadRules } from '../../src/rules/index.ts';
import { explanations, rulePages } from '../../src/rules/pages.ts';

const rules = await loadRules();

it('there is a page for every rule, under its own name', () => {
  expect(rulePages.map(({ id, slug, title }) => ({ id, slug, title }))).toEqual(
    rules.map(({ id, slug, title }) => ({ id, slug, title })),
  );
  expect([...explanations.keys()]).toEqual(rules.map(({ id }) => id));
});

describe.each(rulePages)('the page of $id', ({ id, slug, page }) => {
  const lines = page.split('\n');

  it('fits a screen', () => {
    expect(lines.length).toBeGreaterThanOrEqual(15);
    expect(lines.length).toBeLessThanOrEqual(41);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(page).not.toMatch(/[^\n -~’]/);
  });

  it('says what, why, how it looks, where, and what to do', () => {
    expect(lines[0]).toBe(`${id} ${slug}`);
    const headings = lines.filter((line) => /^[A-Z ]+$/.test(line));
    expect(headings).toEqual(['WHAT HAPPENS', 'WHY', 'IN A TRACE', 'VERSIONS', 'WHAT TO DO']);
    expect(page).not.toContain('\n\n\n');
  });

  it('names only rules that exist', () => {
    for (const [name] of page.matchAll(/VTD\d+/g)) expect(explanations.has(name)).toBe(true);
  });
});

it.each(['VTD001', 'VTD002', 'VTD005', 'VTD010'])('%s names the commit and the release', (id) => {
  expect(explanations.get(id)).toMatch(/cac33cb5533a/);
  expect(explanations.get(id)).toMatch(/11\.0/);
});

import type { Explanation } from './page.ts';
import { pages } from './pages.ts';
import type { Rule } from './rule.ts';

/** All rules, by number. They are loaded only where something is analysed. */
export function loadRules(): Promise<readonly Rule[]> {
  return Promise.all(pages.map(ruleOf));
}

/** The rule of a page: named as its page is. */
export async function ruleOf({ id, slug, title, load }: Explanation): Promise<Rule> {
  return { id, slug, title, ...(await load()) };
}

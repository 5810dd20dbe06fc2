import type { Result } from '../result/types.ts';
import { type RulePage, rulePages } from '../rules/pages.ts';

/** A rule; title and page only where there is a page for it. */
export type KnownRule = Pick<RulePage, 'id' | 'slug'> & Partial<RulePage>;

/** All rules, by number: those that have a page, and what else is in a result. */
export function rulesOf({ traces }: Result): readonly KnownRule[] {
  const rules = new Map<string, KnownRule>();
  for (const { sessions } of traces) {
    for (const { findings } of sessions) {
      for (const { rule, slug } of findings) rules.set(rule, { id: rule, slug });
    }
  }
  for (const rule of rulePages) rules.set(rule.id, rule);
  return [...rules.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

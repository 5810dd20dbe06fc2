import type { RuleId } from './types.ts';

/** The order in which findings are told: by the rules' numbers, but what may kill QEMU comes before bits that are lost. */
export function gravityOf(rule: RuleId): string {
  return rule === 'VTD006' ? 'VTD001+' : rule;
}

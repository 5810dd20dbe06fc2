import type { RuleId } from './types.ts';

/**
 * The order in which findings are told: by the rules' numbers, but what may kill QEMU comes before bits that are lost, and
 * a migration that loses all that a device writes before single unmaps that do.
 */
export function gravityOf(rule: RuleId): string {
  if (rule === 'VTD006') return 'VTD001+';
  return rule === 'VTD016' ? 'VTD001++' : rule;
}

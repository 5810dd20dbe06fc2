import { listed } from '../base/words.ts';
import type { Exposed, Via } from './types.ts';

export const viaMeanings: Readonly<Record<Via, string>> = {
  migration: 'a migration',
  'dirty-rate': 'calc-dirty-rate',
  'dirty-limit': 'a vCPU dirty limit',
};

/** What would do harm if dirty pages were tracked, and what could track them; '' where nothing. */
export function exposureText(exposed: Exposed): string {
  const harms = [
    exposed.e2big ? 'unmaps would fail with E2BIG' : '',
    exposed.lostDirtyPages ? 'dirty pages would be lost' : '',
    exposed.staleMappings ? 'host mappings would be left behind' : '',
  ].filter((harm) => harm !== '');
  if (harms.length === 0) return '';
  return `${listed(harms)} if ${viaText(exposed)} tracked dirty pages`;
}

/** What can turn tracking on in this version: `a migration, calc-dirty-rate or a vCPU dirty limit`. */
export function viaText({ via }: Exposed): string {
  if (via.length === 0) return 'something';
  return listed(
    via.map((way) => viaMeanings[way]),
    'or',
  );
}

import { plural } from '../base/words.ts';
import type { Acceptance, Trace } from '../result/types.ts';

/** `known, ticket 12 (until 2027-01-31)`. */
export function acceptanceText({ reason, until }: Acceptance): string {
  return until === null ? reason : `${reason} (until ${until})`;
}

/** How many findings of a trace the baseline accepts, and which; '' where none. */
export function acceptedText({ sessions }: Pick<Trace, 'sessions'>): string {
  const accepted = sessions
    .flatMap(({ findings }) => findings)
    .filter((finding) => finding.accepted !== undefined);
  if (accepted.length === 0) return '';
  const rules = [...new Set(accepted.map(({ rule }) => rule))].sort();
  return `The baseline accepts ${plural(accepted.length, 'finding')} (${rules.join(', ')}); they count for the verdict all the same.`;
}

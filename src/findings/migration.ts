import type { Verdict } from '../base/vocabulary.ts';
import { plural } from '../base/words.ts';
import { exposureText } from '../result/exposure.ts';
import { gravityOf } from '../result/gravity.ts';
import { NOTHING_AGAINST } from '../result/migration.ts';
import type { Exposed, Finding, Migration } from '../result/types.ts';

/** Of the findings that made a verdict, the one that reports lead with: seen rather than emulated, the gravest, the first. */
export function leadingOf(made: readonly Finding[]): Finding | null {
  return made.reduce(
    (leading: Finding | null, one) => (leading === null || leads(one, leading) ? one : leading),
    null,
  );
}

function leads(a: Finding, b: Finding): boolean {
  const [isSeen, wasSeen] = [a.mode === 'observed', b.mode === 'observed'];
  if (isSeen !== wasSeen) return isSeen;
  const [gravity, other] = [gravityOf(a.rule), gravityOf(b.rule)];
  return gravity === other ? a.first.line < b.first.line : gravity < other;
}

/** What the answer depends on whether a VM may be migrated. */
export interface MigrationFacts {
  readonly verdict: Verdict;
  /** The finding that made the verdict; null where none did. */
  readonly leading: Finding | null;
  readonly exposed: Exposed;
  /** What would do harm under dirty tracking and has no part in `exposed`. */
  readonly threat: Finding | null;
  /** Why QEMU does not migrate this VM; null where it does, or nobody knows. */
  readonly refusal: string | null;
  /** A migration of it ran, whatever was said. */
  readonly hasRun: boolean;
  /** Why the verdict cannot be `clean`. */
  readonly reasons: readonly string[];
}

/**
 * Whether to migrate a VM. Harm that was done is a `no`, also where QEMU refuses: it came by another
 * way. Harm that would be done is a `no` where a migration can run, and where more than dirty bits is
 * at stake: unmaps that fail and mappings that stay do harm under a mere dirty-rate measurement.
 */
export function migrationOf(facts: MigrationFacts): Migration {
  const { exposed, leading, reasons, threat, verdict } = facts;
  const refusal = facts.hasRun ? null : facts.refusal;
  if (verdict !== 'clean' && verdict !== 'inconclusive') {
    const what = leading === null ? HARMS[verdict] : `${HARMS[verdict]} (${told(leading)})`;
    return { answer: 'no', why: refusal === null ? what : `${what}; ${refusal}` };
  }
  const harm =
    exposureText(exposed) ||
    (threat === null ? '' : `dirty tracking would do harm (${told(threat)})`);
  const isDangerous = exposed.e2big || exposed.staleMappings || threat !== null;
  if (harm !== '' && (refusal === null || isDangerous)) {
    return { answer: 'no', why: refusal === null ? harm : `${harm}; ${refusal}` };
  }
  if (refusal !== null) {
    return { answer: 'refused', why: harm === '' ? refusal : `${refusal}; ${harm}` };
  }
  return verdict === 'clean' ? NOTHING_AGAINST : { answer: 'unknown', why: unknownFor(reasons) };
}

/** The answer where only a window is reported: what is outside of it may stand against a migration. */
export function migrationOfWindow(migration: Migration): Migration {
  const { answer, why } = migration;
  if (answer !== 'yes' && answer !== 'refused') return migration;
  const only = 'only a window of the trace is reported';
  return { answer: 'unknown', why: answer === 'yes' ? only : `${only}; ${why}` };
}

/** What a verdict comes to, before the finding that made it. */
const HARMS: Readonly<Record<Verdict, string>> = {
  crashes: 'QEMU died',
  fails: 'something failed',
  'loses-dirty-pages': 'dirty bits were lost',
  'leaves-mappings': 'mappings were left behind',
  inconclusive: '',
  clean: '',
};

/** `VTD001 bitmap-too-big, line 12`: no count, as others of its kind may be told together. */
function told({ first, rule, slug }: Finding): string {
  return `${rule} ${slug}, line ${first.line}`;
}

function unknownFor([first = 'it does not show enough', ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first}; and ${plural(others.length, 'more reason')}`;
}

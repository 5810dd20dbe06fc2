import type { RuleBody } from './rule.ts';

/** What `explain` tells of a rule, in plain text; lines of at most 76 columns, as they are indented. */
export interface Explanation {
  /** The rule's own. */
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  readonly whatHappens: string;
  readonly why: string;
  /** The smallest piece of a trace that shows it. */
  readonly example: string;
  readonly exampleNote: string;
  /** Where it occurs, and the commit and first release that mend it where they are known. */
  readonly versions: string;
  readonly whatToDo: string;
  /** Loads what the rule does, which a report or `explain` has no need of. */
  readonly load: () => Promise<RuleBody>;
}

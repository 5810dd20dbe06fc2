/** Words that the model, the rules and the result share; the README explains each. */

/** The kinds of VFIO container. */
export const backends = ['legacy', 'iommufd', 'vfio-user'] as const;
export type Backend = (typeof backends)[number];

/** What made QEMU unmap. */
export const causes = [
  'whole-unmap',
  'page-walk',
  'changed-translation',
  'request',
  'drain',
  'region-del',
  'unknown',
] as const;
export type Cause = (typeof causes)[number];

/** How dirty bits are asked for with an unmap. */
export type DirtyQuery = 'bitmap' | 'before' | 'after' | 'none';

/** How a hazard is known: seen failing, tracking was on, or it would be. */
export const modes = ['observed', 'active', 'what-if'] as const;
export type Mode = (typeof modes)[number];

/** What a finding rests on, best first: all in the trace, partly inferred, partly assumed. */
export const evidences = ['observed', 'derived', 'assumed'] as const;
export type Evidence = (typeof evidences)[number];

export type Severity = 'error' | 'warning' | 'note';

/** Worst first. */
export const verdicts = [
  'crashes',
  'fails',
  'loses-dirty-pages',
  'leaves-mappings',
  'inconclusive',
  'clean',
] as const;
export type Verdict = (typeof verdicts)[number];

/** The worse of two verdicts. */
export function worse(a: Verdict, b: Verdict): Verdict {
  return verdicts.indexOf(a) <= verdicts.indexOf(b) ? a : b;
}

/**
 * Whether to migrate, worst first: harm was done, or would be; the trace does not show enough; QEMU of
 * this version refuses by itself; nothing in the trace speaks against it.
 */
export const migrationAnswers = ['no', 'unknown', 'refused', 'yes'] as const;
export type MigrationAnswer = (typeof migrationAnswers)[number];

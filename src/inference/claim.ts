/** What a claim about an unmap rests on, as bits; `rules/grounds.ts` has the words. */
export const ground = {
  /** It is beyond doubt, and not just the likeliest. */
  sure: 1,
  /** A line of the unmap names it. */
  named: 2,
  /** No other device has a context entry; the walk itself is not in the trace. */
  onlyTranslated: 4,
  /** No line tells whether a RAM section is read-only: it is taken as writable. */
  permissionTaken: 8,
} as const;

/** What the trace lets us say, and on what grounds: a set of `ground`. */
export interface Claim<T> {
  readonly value: T;
  readonly grounds: number;
}

/** A claim in a record that is reused. */
export class ReusedClaim<T> implements Claim<T> {
  value: T;
  grounds = 0;

  constructor(value: T) {
    this.value = value;
  }

  set(value: T, grounds: number): void {
    this.value = value;
    this.grounds = grounds;
  }

  has(bit: number): boolean {
    return (this.grounds & bit) !== 0;
  }
}

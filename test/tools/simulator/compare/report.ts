import type { Forgiven } from './forgiven.ts';

/** One thing on which the analyzer and the simulation disagree. */
export interface Disagreement {
  /** what kind of thing, e.g. `unmap.atRisk`: the same while a case is shrunk */
  readonly kind: string;
  /** line, device or rule that it is about */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** What a comparison came to. */
export class Report {
  readonly disagreements: Disagreement[] = [];
  readonly forgiven = new Map<Forgiven, number>();
  /** how many things were compared */
  checks = 0;

  /** They must be equal. @returns whether they are */
  equal(kind: string, where: string, expected: unknown, found: unknown): boolean {
    this.checks += 1;
    const wanted = text(expected);
    const got = text(found);
    if (wanted === got) return true;
    this.disagreements.push({ kind, where, expected: wanted, found: got });
    return false;
  }

  /** Something that must hold. */
  holds(kind: string, where: string, condition: boolean, expected: string, found: unknown): void {
    this.checks += 1;
    if (condition) return;
    this.disagreements.push({ kind, where, expected, found: text(found) });
  }

  /** Something is not as it was, and nobody could have known. */
  forgive(reason: Forgiven): void {
    this.forgiven.set(reason, (this.forgiven.get(reason) ?? 0) + 1);
  }
}

/** Plain text of plain data; bigints in hexadecimal. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `0x${part.toString(16)}` : part,
  );
}

import { humanSize } from '../../base/address.ts';
import { plain } from '../../base/plain.ts';
import { plural } from '../../base/words.ts';
import type { Finding } from '../../result/types.ts';
import { acceptanceText } from '../accepted.ts';
import { isAboutBitmap, isAboutMapping } from '../digest.ts';
import {
  causeMeanings,
  causeStories,
  deviceText,
  errnoText,
  evidenceMeanings,
  modeMeanings,
} from '../wording.ts';

/** The findings as the page's script is given them: small, as there may be a hundred thousand. */

/** Findings that keep all their details; later ones lose excerpt and ranges. */
const MOST_DETAILED = 2000;
const MOST_RANGES = 50;

/** A finding as a row: numbers, and texts by their number in the list of texts. */
export type FindingRow = readonly [
  trace: number,
  session: number,
  id: string,
  rule: number,
  slug: number,
  severity: number,
  mode: number,
  device: number,
  cause: number,
  count: number,
  line: number,
  lastLine: number,
  atRiskBytes: number,
  message: number,
  fix: number,
  /** Labels and texts in turn. */
  facts: readonly number[],
  basis: readonly number[],
  excerpt: readonly string[],
  /** What tells it from others of its rule, in short. */
  what: number,
];

/** Texts, each once. */
export class Texts {
  readonly #numbers = new Map<string, number>();

  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  get all(): readonly string[] {
    return [...this.#numbers.keys()];
  }
}

/** The row of a finding; `ordinal`: how many came before it; `when`: by the wall clock, or ''. */
export function findingRow(
  finding: Finding,
  trace: number,
  session: number,
  ordinal: number,
  texts: Texts,
  when: string,
): FindingRow {
  const isDetailed = ordinal < MOST_DETAILED;
  const text = (words: string) => texts.number(plain(words));
  return [
    trace,
    session,
    plain(finding.id),
    text(finding.rule),
    text(finding.slug),
    text(finding.severity),
    text(finding.mode ?? 'note'),
    text(finding.device ?? ''),
    text(finding.cause ?? ''),
    finding.count,
    finding.first.line,
    finding.last.line,
    finding.atRiskBytes,
    text(finding.message),
    text(finding.fix),
    [
      ...(when === '' ? [] : [['When', when] as const]),
      ...factsOfFinding(finding, isDetailed),
    ].flatMap(([label, words]) => [text(label), text(words)]),
    finding.basis.map(text),
    isDetailed ? finding.excerpt.map(plain) : [],
    text(differenceOf(finding)),
  ];
}

/** `pieces of whole unmaps, 16 TiB at iova 0x100000000000`; what it says itself where it is about no unmap. */
function differenceOf({ cause, iova, size, message }: Finding): string {
  const where = iova === null || size === null ? '' : `${humanSize(BigInt(size))} at iova ${iova}`;
  const parts = [cause === null ? '' : causeMeanings[cause], where].filter((part) => part !== '');
  return parts.length === 0 ? message : parts.join(', ');
}

function factsOfFinding(
  finding: Finding,
  isDetailed: boolean,
): readonly (readonly [string, string])[] {
  const {
    iova,
    size,
    cause,
    mode,
    errno,
    worst,
    bitmapBytes,
    limitBytes,
    carriedAddress,
    expectedAddress,
  } = finding;
  const facts: (readonly [string, string])[] = [];
  const add = (label: string, text: string | null) => {
    if (text !== null && text !== '') facts.push([label, text]);
  };
  add(
    'Known by',
    mode === null ? null : `${modeMeanings[mode]}; ${evidenceMeanings[finding.evidence]}`,
  );
  add('Device', deviceText(finding));
  add('Container', finding.container);
  add('Domain', finding.domain === null ? null : String(finding.domain));
  add('Cause', cause === null ? null : causeStories[cause]);
  if (iova !== null && size !== null)
    add(
      isAboutMapping(finding) ? 'First mapping' : 'First unmap',
      `iova ${iova}, size ${size} (${humanSize(BigInt(size))})`,
    );
  add('Errno', errno === null || errno === 0 ? null : errnoText(errno));
  if (isAboutBitmap(finding) && bitmapBytes !== null && limitBytes !== null) {
    add(
      'Dirty bitmap',
      `${humanSize(BigInt(bitmapBytes))}; the container accepts ${humanSize(BigInt(limitBytes))}`,
    );
  }
  add('Address sent', carriedAddress);
  if (carriedAddress !== null) add('Right address', expectedAddress);
  if (worst !== null && worst.size !== null) {
    add(
      'Largest',
      `${humanSize(BigInt(worst.size))} at iova ${worst.iova ?? 'unknown'}, line ${worst.place.line}`,
    );
  }
  add('Accepted', finding.accepted === undefined ? null : acceptanceText(finding.accepted));
  add('Guest memory', isDetailed ? rangesOf(finding) : null);
  return facts;
}

function rangesOf({ atRisk, atRiskBytes }: Finding): string {
  if (atRisk.length === 0) return '';
  const shown = atRisk.slice(0, MOST_RANGES).map(({ gpa, size }) => `${gpa} + ${size}`);
  const left = atRisk.length - shown.length;
  return `${humanSize(atRiskBytes)} in ${plural(atRisk.length, 'range')}: ${shown.join(', ')}${left > 0 ? `, and ${left} more` : ''}`;
}

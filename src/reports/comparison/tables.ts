import { humanSize } from '../../base/address.ts';
import { countText, plural } from '../../base/words.ts';
import type {
  ComparedFinding,
  ComparedResult,
  ComparedUnmaps,
  Comparison,
  PairedFinding,
  UnmapFate,
  UnmapGroup,
} from '../../result/comparison.ts';
import { exposureText } from '../../result/exposure.ts';
import { failuresOf } from '../verdicts.ts';
import { causeStories, errnoText, modeMeanings } from '../wording.ts';

/** What the reports of a comparison for people have in common. */

/** Whether something is worse, in a title. */
export function titleOf({ findings, isWorse, unmaps }: Comparison): string {
  if (isWorse) return 'WORSE';
  const isAlike =
    findings.new.length + findings.gone.length === 0 && (unmaps?.changed.length ?? 0) === 0;
  return isAlike ? 'NOTHING NEW' : 'NOTHING WORSE';
}

export interface Row {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** Verdicts and totals side by side. */
export function totalsOf({ before, after }: Comparison): readonly Row[] {
  const row = (name: string, cell: (result: ComparedResult) => string): Row => ({
    name,
    before: cell(before),
    after: cell(after),
  });
  const count = (name: string, number: (result: ComparedResult) => number) =>
    row(name, (result) => countText(number(result)));
  const bytes = (name: string, number: (result: ComparedResult) => number) =>
    row(name, (result) => humanSize(number(result)));
  return [
    row('verdict', ({ verdict }) => verdict),
    row('migrate?', ({ migration }) => migration.answer),
    row('QEMU', ({ qemu }) => qemu.map((version) => version ?? '?').join(' ')),
    count('sessions', ({ sessions }) => sessions),
    count('unmaps', ({ totals }) => totals.unmaps),
    count('whole unmaps', ({ totals }) => totals.wholeUnmaps),
    count('unmaps of page walks', ({ totals }) => totals.walkUnmaps),
    count('tracked', ({ totals }) => totals.tracked.unmaps),
    count('failures', failuresOf),
    count('carry address 0', ({ totals }) => totals.tracked.zeroAddress),
    count('of these harmful', ({ totals }) => totals.tracked.harmfulZeroAddress),
    count('carry a wrong one', ({ totals }) => totals.tracked.wrongAddress),
    count('ask for no bits', ({ totals }) => totals.tracked.noQuery),
    bytes('memory at risk', ({ totals }) => totals.tracked.atRiskBytes),
    count('host mappings left', ({ totals }) => totals.hostMappings.now),
    row('exposed', ({ exposed }) => (exposureText(exposed) === '' ? 'no' : 'yes')),
  ];
}

/** `VTD001 bitmap-too-big, 00:10.0, whole unmap ..., seen in QEMU's messages`. */
export function findingText({ cause, device, mode, rule, slug }: ComparedFinding): string {
  return [
    `${rule} ${slug}`,
    ...(device === null ? [] : [device]),
    ...(cause === null ? [] : [causeStories[cause]]),
    ...(mode === null ? [] : [modeMeanings[mode]]),
  ].join(', ');
}

/** How often, and how much memory. */
export function extentText({ atRiskBytes, count }: ComparedFinding): string {
  const risk = atRiskBytes === 0 ? '' : `, ${humanSize(atRiskBytes)} at risk`;
  return `${countText(count)}${risk}`;
}

/** `4` where it is the same in both, else `4 before, 8 after`. */
export function pairedText({ after, before }: PairedFinding): string {
  const [one, other] = [extentText(before), extentText(after)];
  return one === other ? one : `${one} before; ${other} after`;
}

const FATES: Readonly<Record<UnmapFate, string>> = {
  fails: 'fails',
  loses: 'loses dirty bits',
  'would-fail': 'would fail',
  'would-lose': 'would lose dirty bits',
  harmless: 'harmless',
};

/** `fails with -7 (E2BIG, Argument list too long)`. */
export function fateText({ errno, fate }: UnmapGroup): string {
  return errno === 0 ? FATES[fate] : `${FATES[fate]} with ${errnoText(errno)}`;
}

/** `00:10.0, iova 0x100000000000, 16 TiB`. */
export function rangeText({ device, iova, size }: UnmapGroup): string {
  return `${device ?? 'unnamed device'}, iova ${iova}, ${humanSize(BigInt(size))}`;
}

/** How the unmaps compare, where no range is named. */
export function unmapLines(unmaps: ComparedUnmaps): readonly string[] {
  const { alike, changed, leftAfter, leftBefore, onlyAfter, onlyBefore } = unmaps;
  const worse = changed.filter(({ isWorse }) => isWorse).length;
  const side = (name: string, { harmful, ranges, unmaps: count }: typeof onlyAfter) =>
    `${plural(ranges, 'range')} only ${name}, ${plural(count, 'unmap')}; ${harmful.length} of the ranges with harm`;
  const lines = [
    `${plural(alike, 'range')} with the same end in both`,
    `${plural(changed.length, 'range')} with another end, ${worse} with a worse one`,
    side('before', onlyBefore),
    side('after', onlyAfter),
  ];
  if (leftBefore + leftAfter > 0) {
    lines.push(
      `not compared, as there are too many ranges: ${plural(leftBefore, 'unmap')} before, ${plural(leftAfter, 'unmap')} after`,
    );
  }
  return lines;
}

export const NO_UNMAPS = 'Unmaps are compared where both are traces: a result does not list them.';

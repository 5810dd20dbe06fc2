import { reports } from '../../../../src/reports/index.ts';
import type { Finding, Result, Session, Trace } from '../../../../src/result/types.ts';

/**
 * What no sentence of a report may say against the result that it is made of. Each invariant looks
 * for its sentences in the text of one trace's report and says what is wrong with them.
 */

interface Read {
  readonly trace: Trace;
  /** The report without its line breaks. */
  readonly text: string;
  /** Its first sentences, up to the answer whether to migrate. */
  readonly head: string;
}

type Invariant = (read: Read) => readonly string[];

const LOSING = ['VTD002', 'VTD003', 'VTD004'];

function findingsOf({ sessions }: Trace): readonly Finding[] {
  return sessions.flatMap(({ findings }) => findings);
}

/** Errors of the sessions whose verdict is the trace's: what a leading sentence is about. */
function leadingErrors({ sessions, verdict }: Trace): readonly Finding[] {
  return sessions
    .filter((session) => session.verdict === verdict)
    .flatMap(({ findings }) => findings)
    .filter(({ mode, severity }) => mode !== 'what-if' && mode !== null && severity === 'error');
}

function sumOf(findings: readonly Finding[], rules: readonly string[]): number {
  return findings
    .filter(({ rule }) => rules.includes(rule))
    .reduce((sum, { count }) => sum + count, 0);
}

function numberIn(text: string): number {
  return Number(text.replaceAll(',', ''));
}

/** A number before a sentence of a kind is the sum of its findings. */
function counts(pattern: RegExp, rules: readonly string[]): Invariant {
  return ({ trace, head }) =>
    [...head.matchAll(pattern)].flatMap(([sentence, number = '']) => {
      const expected = sumOf(leadingErrors(trace), rules);
      return numberIn(number) === expected ? [] : [`${sentence}: the findings have ${expected}`];
    });
}

const hasMigrated = ({ trackingWindows }: Session) =>
  trackingWindows.some(({ by }) => by.split('+').includes('migration'));

/** Whether QEMU refuses by its version, as the specification has it. */
function refusesByVersion({ model }: Session): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(model.qemu.value ?? '') ?? [];
  const version = Number(major) * 100 + Number(minor);
  const isBehindOne = model.vIommu.value !== null && model.vIommu.value !== 'none';
  const isKnown = model.qemu.source !== 'assumed' && isBehindOne;
  return isKnown && version >= 800 && version <= 1002;
}

const WAYS: Readonly<Record<string, string>> = {
  'a migration': 'migration',
  'calc-dirty-rate': 'dirty-rate',
  'a vCPU dirty limit': 'dirty-limit',
};

const invariants: Readonly<Record<string, Invariant>> = {
  'unmaps that failed with -7 are those of the findings': counts(
    /([\d,]+) DMA unmaps?(?: of (?:(?!unmap).)*?)? (?:failed|fails?) with -7/g,
    ['VTD001'],
  ),
  'unmaps that lose dirty bits are those of the findings': counts(
    /([\d,]+) (?:DMA )?unmaps?(?: of (?:(?!unmap).)*?)? loses? the dirty bits/g,
    LOSING,
  ),
  'mappings that stay are those of the findings': counts(
    /([\d,]+) host mappings?(?: of (?:(?!mapping).)*?)? outlives? /g,
    ['VTD005'],
  ),
  'unmaps that mark past RAM are those of the findings': counts(
    /([\d,]+) DMA unmaps?(?: of (?:(?!unmap).)*?)? makes? QEMU set/g,
    ['VTD006'],
  ),

  'nothing fails with 0': ({ text }) => text.match(/\bfail(?:s|ed)? with 0\b/g) ?? [],
  'one is one, and several are several': ({ text }) =>
    [
      /(?<![\d.,x-])1 (?:DMA |host |more |tracked )?(?:unmaps|mappings|MAPs|findings|ranges|traces|sessions|reasons|messages|lines|pages|texts)\b/g,
      /(?<![\d.,x-])(?:0|[2-9]|[1-9][\d,]+) (?:DMA |host |more |tracked )?(?:unmap|mapping|MAP|finding|range|trace|session|reason|message|text)\b(?!-)/g,
      /(?<![\d.,x-])1 (?:DMA |host )?(?:unmap|mapping|MAP)(?: of [^,.:;]*)? (?:fail|lose|stay|outlive|make|cut)\b/g,
      /(?<![\d.,x-])(?:[2-9]|[1-9][\d,]+) (?:DMA |host )?(?:unmaps|mappings|MAPs)(?: of [^,.:;]*)? (?:fails|loses|stays|outlives|makes|cuts)\b/g,
    ].flatMap((pattern) => text.match(pattern) ?? []),

  'what tracked dirty pages at a line has a window there': ({ trace, head }) =>
    [
      ...head.matchAll(/line (\d+)\)?(?: on)?(?:, [\w:. ]+?)?, while (.+?) tracked dirty pages/g),
    ].flatMap(([sentence, line = '', ways = '']) => {
      const isThere = trace.sessions.some(({ lastLine, trackingWindows }) =>
        trackingWindows.some(
          (window) =>
            window.firstLine <= Number(line) &&
            Number(line) <= (window.lastLine ?? lastLine) &&
            ways.split(/, | and /).every((way) => window.by.split('+').includes(WAYS[way] ?? '')),
        ),
      );
      return isThere ? [] : [`${sentence}: no such window`];
    }),
  'that dirty pages were tracked at a line is proved': ({ trace, head }) =>
    [
      ...head.matchAll(/line (\d+)\)?(?: on)?(?:, [\w:. ]+?)?, while dirty pages were tracked/g),
    ].flatMap(([sentence, line = '']) => {
      const isProved = findingsOf(trace).some(
        ({ first, mode, rule }) =>
          first.line === Number(line) &&
          (mode === 'active' || (mode === 'observed' && rule === 'VTD001')),
      );
      const isInside = trace.sessions.some(({ lastLine, trackingWindows }) =>
        trackingWindows.some(
          (window) =>
            window.firstLine <= Number(line) && Number(line) <= (window.lastLine ?? lastLine),
        ),
      );
      return isProved || isInside ? [] : [`${sentence}: nothing proves it`];
    }),
  'what came outside of all tracking is in no window': ({ trace, head }) =>
    [...head.matchAll(/line (\d+)\)?(?: on)?[^:]*?, outside of all dirty tracking/g)].flatMap(
      ([sentence, line = '']) =>
        trace.sessions.some(({ trackingWindows }) =>
          trackingWindows.some(
            (window) =>
              window.firstLine <= Number(line) && Number(line) <= (window.lastLine ?? Infinity),
          ),
        )
          ? [`${sentence}: it is in a window`]
          : [],
    ),
  'unmaps fail under tracking only where some did': ({ trace, text }) =>
    /unmaps? fails? while dirty pages are tracked/.test(text) &&
    sumOf(leadingErrors(trace), ['VTD001', 'VTD009', 'VTD010']) === 0
      ? ['DMA unmaps fail while dirty pages are tracked: none did']
      : [],

  'QEMU refuses to migrate only where it says so, or must': ({ trace, text }) => {
    if (!/refuses to migrate/.test(text)) return [];
    const refuses = trace.sessions.some(
      (session) =>
        session.findings.some(({ rule }) => rule === 'VTD013') ||
        (refusesByVersion(session) && !hasMigrated(session)),
    );
    return refuses
      ? []
      : ['refuses to migrate: it did, or has no vIOMMU, or its version is not known'];
  },
  'a VM that was migrated is not called refused': ({ trace, head }) =>
    /Migrate\? Refused/.test(head) && trace.sessions.every(hasMigrated)
      ? ['refused, but a migration ran in every session']
      : [],
  'no migration ran only where none did': ({ trace, text }) =>
    /No migration ran then/.test(text) &&
    trace.sessions.every((s) => s.trackingWindows.length === 0 || hasMigrated(s))
      ? ['No migration ran then: one did, or nothing is known']
      : [],
  'a migration ran only where one did': ({ trace, text }) =>
    /A migration ran in this trace/.test(text) && !trace.sessions.some(hasMigrated)
      ? ['A migration ran in this trace: none is shown']
      : [],
  'how a migration ended as its window has it': ({ trace, text }) => {
    const ends = trace.sessions.flatMap(({ trackingWindows }) =>
      trackingWindows.map(({ migration }) => migration),
    );
    const isWrong =
      (/A migration completed in this trace/.test(text) && !ends.includes('completed')) ||
      (/migration in this trace was cancelled/.test(text) && !ends.includes('cancelled')) ||
      (/migration in this trace failed/.test(text) && !ends.includes('failed'));
    return isWrong ? ['a migration ended in a way that no window shows'] : [];
  },
  'the memory below is there': ({ text }) =>
    /the memory below/.test(text) &&
    !/GUEST MEMORY AT RISK\s+[\d.,]+ \w+ in [\d,]+ range/.test(text)
      ? ['the memory below: there is none']
      : [],

  'the answer is that of the result': ({ trace, head }) => {
    const words = { no: 'No', unknown: 'Not known', refused: 'Refused', yes: 'Yes' };
    const expected = `Migrate? ${words[trace.migration.answer]}: `;
    return head.includes(expected) ? [] : [`no "${expected}" in: ${head}`];
  },
  'an exposed VM is not shown as if it were fine': ({ trace, head, text }) => {
    const { e2big, lostDirtyPages, staleMappings } = trace.exposed;
    if (!e2big && !lostDirtyPages && !staleMappings) return [];
    const isFine = trace.migration.answer === 'yes' || /Migrate\? Yes/.test(head);
    const isSaid =
      (trace.verdict !== 'clean' && trace.verdict !== 'inconclusive') || /BUT EXPOSED/.test(text);
    return isFine || !isSaid ? ['exposed, and not said'] : [];
  },
  'harm is no yes, and what shows too little is none': ({ trace }) => {
    const { answer } = trace.migration;
    const isHarm = trace.verdict !== 'clean' && trace.verdict !== 'inconclusive';
    if (isHarm && answer !== 'no') return [`${trace.verdict}, and migrate: ${answer}`];
    return trace.verdict === 'inconclusive' && answer === 'yes' ? ['inconclusive, and yes'] : [];
  },
  'a VM without a vIOMMU gets no advice about one': ({ trace, text }) => {
    const hasNone = trace.sessions.every(({ model }) => model.vIommu.value === 'none');
    if (!hasNone || trace.sessions.length === 0) return [];
    return (
      text.match(/[^.]*\b(?:aw-bits|intel-iommu|leaves? its domain|move the device)\b[^.]*/g) ?? []
    );
  },
  'a version is that of the model': ({ trace, text }) =>
    [...text.matchAll(/QEMU of this version \(~?([^)]+)\)/g)].flatMap(([sentence, version]) =>
      trace.sessions.some(({ model }) => model.qemu.value === version) ? [] : [sentence],
    ),
};

/** What the text report of a result of one trace says against it; nothing where it is true. */
export function lies(result: Result): readonly string[] {
  const [trace] = result.traces;
  if (trace === undefined || trace.error !== undefined) return [];
  const report = reports.find(({ name }) => name === 'text');
  if (report === undefined) throw new Error('there is no text report');
  const printed = [...report.render(result, { color: false, width: 100, verbosity: 1 })].join('');
  return liesIn(printed, trace);
}

/** The same of a text as it is printed. */
export function liesIn(printed: string, trace: Trace): readonly string[] {
  // A field is a sentence of its own.
  const own = withoutQuotes(printed).replace(/^ {2,4}(\w[\w ]*?) {2,}(?=\S)/gm, '; $1: ');
  const [opening = '', ...rest] = own.split('\n\n');
  const unwrapped = (text: string) => text.replace(/\s+/g, ' ');
  const read = { trace, head: unwrapped(opening), text: unwrapped([opening, ...rest].join(' ')) };
  return Object.entries(invariants).flatMap(([name, invariant]) =>
    invariant(read).map((sentence) => `${name}: ${sentence}`),
  );
}

/** A report without the lines of the trace, which it quotes as they are, wrapped under their own beginning. */
function withoutQuotes(printed: string): string {
  let indent = '';
  const own = printed.split('\n').filter((line) => {
    const [number] = /^ +(?:> )?\d+: /.exec(line) ?? [];
    const isWrapped = indent !== '' && line.startsWith(indent) && line[indent.length] !== ' ';
    if (number !== undefined) indent = ' '.repeat(number.length);
    else if (!isWrapped) indent = '';
    return indent === '';
  });
  return own.join('\n');
}

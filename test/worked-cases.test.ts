import { describe, expect, it } from 'vitest';
import { profileNamed } from '../src/emulation/profiles/index.ts';
import { textReport } from '../src/reports/text/index.ts';
import type { RuleId } from '../src/result/types.ts';
import { analyze } from './helpers/analyze.ts';
import { capture, root } from './helpers/ground-truth.ts';

/** A worked case of the specification of AMD-Vi and virtio-iommu, as a real log has it. */
interface WorkedCase {
  readonly number: number;
  readonly capture: string;
  readonly verdict: string;
  /** Whether to migrate. */
  readonly answer: string;
  /** Each finding, but of the rules in BESIDE: rule, mode, severity, cause, count and memory at risk. */
  readonly found: readonly string[];
  /** How many unmaps there are by cause, query and what they returned. */
  readonly unmaps: Readonly<Record<string, number>>;
}

/** The memory and time of bitmaps, and what QEMU refuses, are not what the cases are about. */
const BESIDE: ReadonlySet<RuleId> = new Set(['VTD007', 'VTD012', 'VTD013']);

const cases: readonly WorkedCase[] = [
  {
    // A sync of 3 mappings; 4 pages mapped and unmapped; blocked: 44 UNMAPs, of which 24 succeed over 3 mappings.
    // When tracking is over: blocked again, 44 plain UNMAPs, so that 20 more would fail beside those of the registration.
    number: 1,
    capture: 'qemu-11.1/amd-dirtyrate-block',
    verdict: 'fails',
    answer: 'no',
    found: [
      'VTD001 observed error, whole-unmap: 20',
      'VTD001 what-if warning, whole-unmap: 40',
      'VTD002 active error, page-walk: 4',
      'VTD002 active error, whole-unmap: 3',
      'VTD009 observed note, none: 3',
      'VTD016 active error, none: 1',
    ],
    unmaps: {
      'region-del none 0': 7,
      'whole-unmap none 0': 88,
      'page-walk bitmap 0': 4,
      'whole-unmap bitmap 0': 24,
      'whole-unmap bitmap -7': 6,
      'whole-unmap bitmap -12': 14,
    },
  },
  {
    // 3 rounds of 4 MAPs, no query; the UNMAP behind `completed` asks for a bitmap, and loses nothing.
    number: 2,
    capture: 'qemu-11.1/amd-migrate',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD001 what-if warning, whole-unmap: 20',
      'VTD009 observed note, none: 12',
      'VTD016 active error, none: 3',
    ],
    unmaps: { 'region-del none 0': 7, 'whole-unmap none 0': 44, 'page-walk bitmap 0': 1 },
  },
  {
    // 4276 MAPs of 1,069 rounds; 3 pages in 2 UNMAPs, and 2 of the detach; RAM is asked for at the last round.
    number: 3,
    capture: 'qemu-11.1/virtio-migrate',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, request: 4, 5 pages',
      'VTD009 observed note, none: 4276',
      'VTD016 active error, none: 1069, 5 pages',
    ],
    unmaps: { 'region-del none 0': 8, 'request bitmap 0': 4 },
  },
  {
    // 5 UNMAPs of a whole space, of 44 each; nothing is found but what-ifs. That the device went from domain 5 to 6 is no
    // finding (VTD005), but a reason: the line names the device, and not its domain.
    number: 4,
    capture: 'qemu-11.1/amd-untracked-reset',
    verdict: 'inconclusive',
    answer: 'no',
    found: [
      'VTD001 what-if warning, whole-unmap: 100',
      'VTD002 what-if warning, page-walk: 3',
      'VTD002 what-if warning, whole-unmap: 6',
    ],
    unmaps: { 'region-del unknown 0': 17, 'whole-unmap unknown 0': 220, 'page-walk unknown 0': 3 },
  },
  {
    // The log ends with the assertion.
    number: 5,
    capture: 'qemu-11.1/amd-switch-abort',
    verdict: 'crashes',
    answer: 'no',
    found: [
      'VTD001 what-if warning, whole-unmap: 20',
      'VTD002 what-if warning, page-walk: 1',
      'VTD015 observed error, none: 1',
    ],
    unmaps: { 'region-del unknown 0': 7, 'whole-unmap unknown 0': 44, 'page-walk unknown 0': 1 },
  },
  {
    // A sync of 4 pieces; 4 pages unmapped at once, and 5 by the attach to domain 2. At round 2 RAM is asked for.
    number: 6,
    capture: 'qemu-11.1/virtio-dirtyrate',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, request: 5, 9 pages',
      'VTD009 observed note, none: 4',
      'VTD016 active error, none: 1, 5 pages',
    ],
    unmaps: { 'region-del none 0': 12, 'request bitmap 0': 5, 'region-del bitmap 0': 3 },
  },
  {
    // Devices that cannot migrate: 4 syncs map nothing again. 4 UNMAPs and 3 sections of RAM with bitmaps; one MAP of the
    // device that joins domain 1.
    number: 7,
    capture: 'qemu-11.1/virtio-twodev',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, request: 1, 2 pages',
      'VTD002 active error, request: 3, 5 pages',
      'VTD009 observed note, none: 1',
    ],
    unmaps: { 'region-del none 0': 20, 'request bitmap 0': 4, 'region-del bitmap 0': 3 },
  },
  {
    // The control of VTD016: see the queries in viommu-captures.test.ts.
    number: 8,
    capture: 'qemu-11.1/vtd-migrate',
    verdict: 'clean',
    answer: 'yes',
    found: [],
    unmaps: { 'region-del none 0': 7 },
  },
  {
    // A sync; pass-through, back and a reset: three groups of 20 failures, the second with nothing mapped. VTD016 is no
    // warning: section 6 has the severity and verdict of VTD002, in any window; the text says that no memory was lost.
    number: 9,
    capture: 'qemu-11.1/amd-dirtyrate-reset',
    verdict: 'fails',
    answer: 'no',
    found: [
      'VTD001 observed error, whole-unmap: 60',
      'VTD001 what-if warning, whole-unmap: 20',
      'VTD002 active error, whole-unmap: 2',
      'VTD009 observed note, none: 2',
      'VTD016 active error, none: 1',
    ],
    unmaps: {
      'region-del none 0': 14,
      'whole-unmap none 0': 44,
      'whole-unmap bitmap 0': 72,
      'whole-unmap bitmap -7': 18,
      'whole-unmap bitmap -12': 42,
      'region-del bitmap 0': 3,
    },
  },
  {
    // As 1, and no message is in the log: -7 by the emulation.
    number: 10,
    capture: 'qemu-11.1/amd-dirtyrate-sepfile',
    verdict: 'fails',
    answer: 'no',
    found: [
      'VTD001 active error, whole-unmap: 20',
      'VTD001 what-if warning, whole-unmap: 20',
      'VTD002 active error, page-walk: 1',
      'VTD002 active error, whole-unmap: 1',
      'VTD009 active note, none: 2',
      'VTD016 active error, none: 1',
    ],
    unmaps: {
      'region-del none 0': 7,
      'whole-unmap none 0': 44,
      'page-walk bitmap 0': 1,
      'whole-unmap bitmap 0': 24,
      'whole-unmap bitmap -7': 20,
    },
  },
  {
    // About 97 rounds; blocked: the first failure is in `migrate_error` alone. The page at 0x900000000000 stays, and is in the
    // way when the device is back. The 289th MAP of that kind is of it.
    number: 11,
    capture: 'qemu-11.1/amd-migrate-block-nots',
    verdict: 'fails',
    answer: 'no',
    found: [
      'VTD001 observed error, whole-unmap: 20',
      'VTD001 what-if warning, whole-unmap: 40',
      'VTD002 active error, whole-unmap: 1',
      'VTD002 what-if warning, whole-unmap: 1',
      'VTD005 active error, whole-unmap: 1',
      'VTD009 observed error, none: 1',
      'VTD009 observed note, none: 288',
      'VTD016 active error, none: 96',
    ],
    unmaps: {
      'region-del none 0': 7,
      'whole-unmap none 0': 88,
      'whole-unmap bitmap 0': 24,
      'whole-unmap bitmap -7': 6,
      'whole-unmap bitmap -12': 14,
    },
  },
  {
    // 340 rounds of 2 MAPs; one UNMAP of 4 pages in the migration that is cancelled, one of a page behind it.
    number: 12,
    capture: 'qemu-11.1/virtio-cancel',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, request: 1, 4 pages',
      'VTD002 what-if warning, request: 1, 1 pages',
      'VTD009 observed note, none: 680',
      'VTD016 active error, none: 340, 5 pages',
    ],
    unmaps: { 'region-del none 0': 7, 'request bitmap 0': 1, 'request none 0': 1 },
  },
  {
    // No sync reaches the device. VTD002 is no warning: it is an error in any window (section 6). 12 sections of RAM are
    // unmapped without a query, 6 of them writable; the two whole regions of the IOMMU meet nothing.
    number: 13,
    capture: 'qemu-10.0/virtio-dirtyrate',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, request: 5, 9 pages',
      'VTD002 what-if warning, request: 1, 1 pages',
      'VTD004 active error, region-del: 6, 262096 pages',
      'VTD004 what-if warning, region-del: 7, 262144 pages',
    ],
    unmaps: { 'region-del none 0': 29, 'request bitmap 0': 5, 'request none 0': 1 },
  },
  {
    // VT-d: a page, and two walks behind the move to domain 6; 2 mappings outlive the block; pass-through removes 4 pages
    // without a query; the 4 pages unmapped behind `completed` carry their addresses.
    number: 14,
    capture: 'qemu-11.1/vtd-switch',
    verdict: 'loses-dirty-pages',
    answer: 'no',
    found: [
      'VTD002 active error, page-walk: 3, 3 pages',
      'VTD004 active error, region-del: 1, 4 pages',
      'VTD005 active error, drain: 2, 2 pages',
    ],
    unmaps: {
      'region-del none 0': 10,
      'page-walk bitmap 0': 4,
      'region-del bitmap 0': 5,
      'drain bitmap 0': 4,
    },
  },
];

/** No line of it tells 11.1 from 10.2, and they treat sections of RAM differently. */
const WITHOUT_VERSION = 'qemu-11.1/virtio-twodev';

function analysisOf(name: string) {
  const qemu = name === WITHOUT_VERSION ? (profileNamed('11.1') ?? null) : null;
  return analyze(`${root}${capture(name).log}`, { qemu });
}

const ofCase = (wanted: number) =>
  analysisOf(cases.find(({ number }) => number === wanted)?.capture ?? '');

describe('the worked cases of AMD-Vi and virtio-iommu', () => {
  it.each(cases)('$number: $capture', async (given) => {
    const { result, session, unmaps } = await analysisOf(given.capture);
    const found = session.findings
      .filter(({ rule }) => !BESIDE.has(rule))
      .map(({ atRiskBytes, cause, count, mode, rule, severity }) => {
        const pages = atRiskBytes > 0 ? `, ${atRiskBytes / 4096} pages` : '';
        return `${rule} ${mode} ${severity}, ${cause ?? 'none'}: ${count}${pages}`;
      });
    const kinds: Record<string, number> = {};
    for (const { cause, errno, query } of unmaps) {
      const kind = `${cause} ${query ?? 'unknown'} ${errno}`;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
    expect({
      ...given,
      verdict: result.verdict,
      answer: session.migration.answer,
      found: found.sort(),
      unmaps: kinds,
    }).toEqual(given);
  });

  it('1: what comes behind the end of tracking is a what-if', async () => {
    const { session, unmaps } = await ofCase(1);
    const [window] = session.trackingWindows;
    expect(window).toMatchObject({ by: 'dirty-rate', unmaps: 48 });
    const later = unmaps.filter(({ line }) => line > (window?.lastLine ?? 0));
    expect(later.map(({ tracked }) => tracked)).toEqual(Array(44).fill(false));
  });

  it('2: the first five lines say what was lost, what fixes it, and what to do', async () => {
    const { result } = await ofCase(2);
    const text = [...textReport.render(result, { color: false, width: 80, verbosity: 0 })].join('');
    expect(text.trimStart().split('\n').slice(1, 5)).toEqual([
      'From 2026-11-26 19:39:18 UTC (line 100) on, 00:10.0: 3 dirty syncs fetched no',
      'dirty bits of what the device wrote: the migration lost that memory.',
      'Migrate? No: dirty bits were lost (VTD016 no-dirty-sync, line 100).',
      'No release fixes this. Unplug the device first, or use pass-through (iommu=pt),',
    ]);
  });

  it('3: the VTD016 of a device that is bypassed before the end says so', async () => {
    const { session } = await ofCase(3);
    const syncs = session.findings.find(({ rule }) => rule === 'VTD016');
    expect(syncs?.message).toContain('unless a query of RAM (line 18307) has sent it again');
  });

  it('4: the move from one domain to another is a reason', async () => {
    const { session } = await ofCase(4);
    expect(session.reasons.join()).toContain('whether a device went to another domain (line 107)');
  });

  it('6: each piece of the domain that is left goes with address 0, wherever it led', async () => {
    const { session, unmaps } = await ofCase(6);
    const asked = unmaps.filter(({ cause }) => cause === 'request');
    expect(asked.map(({ carriedAddress }) => carriedAddress)).toEqual(Array(5).fill('0x0'));
    const lost = session.findings.find(({ rule }) => rule === 'VTD002');
    expect(lost?.atRisk.map(({ gpa }) => gpa)).toEqual(['0x3000000', '0x3010000', '0x3020000']);
  });

  it('9: failures come in three groups, of which the second meets no mapping', async () => {
    const { unmaps } = await ofCase(9);
    const failed = unmaps.filter(({ errno }) => errno !== 0).map(({ line }) => line);
    const gaps = failed.filter((line, index) => line - (failed[index - 1] ?? line) > 5);
    expect([failed.length, gaps.length]).toEqual([60, 2]);
  });

  it('10: with the messages of its own file, what each failure returned is seen', async () => {
    const { log } = capture('qemu-11.1/amd-dirtyrate-sepfile');
    const stderr = `${root}${log.replace('.log.gz', '.stderr')}`;
    const { unmaps } = await analyze(`${root}${log}`, {}, { stderr });
    const failed = unmaps.filter(({ errno }) => errno !== 0);
    const counts = [-7, -12].map((code) => failed.filter(({ errno }) => errno === code).length);
    expect(counts).toEqual([6, 14]);
    expect(failed.every(({ mode }) => mode === 'observed')).toBe(true);
  });

  it('12: nothing was lost in the end, and the text says that none completed', async () => {
    const { session } = await ofCase(12);
    const syncs = session.findings.find(({ rule }) => rule === 'VTD016');
    expect(syncs?.message).toContain('none in this trace has completed');
  });

  it('14: the mappings that a drain leaves are gone behind the walks of domain 6', async () => {
    const { session, unmaps } = await ofCase(14);
    expect(session.addressSpaces.flatMap(({ stale }) => stale)).toEqual([]);
    const walked = unmaps.filter(({ cause }) => cause === 'page-walk');
    expect(walked.map(({ carriedAddress, iova, size }) => [iova, size, carriedAddress])).toEqual([
      ['0x10000000', '0x1000', '0x0'],
      ['0xfef00000', '0x1100000', '0x0'],
      ['0xc0000000', '0x3ee00000', '0x0'],
      ['0x100000000', '0x40000000', '0x0'],
    ]);
  });
});

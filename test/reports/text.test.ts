import { describe, expect, it } from 'vitest';
import type { GuestRange, Trace } from '../../src/result/types.ts';
import {
  aCleanSession,
  aFinding,
  aHazards,
  aModel,
  anUnusableTrace,
  aResult,
  aSession,
  aTotals,
  aTrace,
  aWhatIf,
  manyFindings,
  NOT_EXPOSED,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

const EXPOSED = {
  e2big: true,
  lostDirtyPages: true,
  staleMappings: false,
  via: ['migration'],
} as const;

/** As `-v` prints it. */
const inFull = (...traces: readonly Trace[]) =>
  render('text', aResult(...traces), { verbosity: 1 });

describe('one trace', () => {
  it('that fails', () => {
    const session = aSession({ findings: [aWhatIf(), aFinding()], exposed: EXPOSED });
    expect(render('text', aResult(aTrace({ sessions: [session] })))).toMatchInlineSnapshot(`
      "qemu.log                                                                   FAILS
      4 DMA unmaps of 00:10.0 failed with -7 (E2BIG), first at line 12, while
      calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO
      container accepts.
      Migrate? No: something failed (VTD001 bitmap-too-big, line 12).
      Do not migrate this VM, and do not measure its dirty rate, until this is fixed.

        error   VTD001 bitmap-too-big: 4 times, line 12, 00:10.0, 16 KiB
        warning VTD002 zero-translated-address: if tracked, 2 times, line 5, 00:10.0,
                8 KiB

        At risk   16 KiB whose dirty bits are lost, in 1 range from guest address
                  0xa000000 on
        Today     aw-bits=39. [VTD001]
        Release   Whole unmaps: fixed in QEMU 11.0. [VTD001]

      More: -v (findings in full, with lines of the trace; guest memory, what if, and
      what it rests on), 'vtdscope explain VTD001', '-o html=report.html' (charts).
      FAILS. Migrate? No.
      "
    `);
  });

  it('that fails, in full', () => {
    const session = aSession({ findings: [aWhatIf(), aFinding()], exposed: EXPOSED });
    expect(inFull(aTrace({ sessions: [session] }))).toMatchInlineSnapshot(`
      "qemu.log                                                                   FAILS
      4 DMA unmaps of 00:10.0 failed with -7 (E2BIG), first at line 12, while
      calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO
      container accepts.
      Migrate? No: something failed (VTD001 bitmap-too-big, line 12).
      Do not migrate this VM, and do not measure its dirty rate, until this is fixed.

      qemu-log, 40 lines, 2 KiB; 30 unmaps, 2 of them by page walks, 2 whole unmaps.
      Dirty tracking was on: lines 10 to 30 by calc-dirty-rate (28 unmaps). No
      migration ran then: no memory was lost on the way to another host.

      WHAT HAPPENED
        error VTD001 bitmap-too-big: 4 times, seen in QEMU's messages
          device   00:10.0, legacy VFIO container, domain 1
          unmap    iova 0x100000000000, size 0x100000000000 (16 TiB)
          cause    whole unmap: the device left its domain, or was reset
          errno    -7 (E2BIG, Argument list too long)
          bitmap   needs 512 MiB, a bit per 4 KiB page; the container accepts 256 MiB
          worst    128 TiB at iova 0x800000000000, line 21
          where    lines 12 to 21
          why      4 unmaps failed.
          11: before
        > 12: vfio_iommu_map_notify iommu UNMAP
          13: after

      GUEST MEMORY AT RISK
        16 KiB in 1 range: what a device wrote there since the last dirty sync is not
        copied again. Guest-physical addresses:
          0xa000000 - 0xa003fff  16 KiB
        28 unmaps carried address 0 while dirty pages were tracked; 1 of them did harm
        (writable mappings under them lie elsewhere).

      WHAT FIXES IT
        - Whole unmaps: fixed in QEMU 11.0. [VTD001]

      WHAT TO DO TODAY
        - aw-bits=39. [VTD001]

      WHAT IF DIRTY TRACKING HAD BEEN ON
        Of the 0 unmaps that came while it was off or not known to be on, some would
        also do harm if a migration turned it on:
        - VTD002 zero-translated-address: 2 times, unmaps of single pages, from line
          5, 00:10.0, 8 KiB of guest memory

      WHAT THIS RESTS ON
        QEMU          10.0 [derived] 8.2 to 10.0 (vfio_attach_device)
        container     legacy of 00:10.0 [trace] vfio_attach_device at line 2
        vIOMMU        intel-iommu [trace] vtd_dmar_enable
        aw-bits       48 [derived] vtd_as_unmap_whole at line 40
        host page     4 KiB [derived] 4 KiB host pages, as on x86
        bitmap limit  256 MiB [derived] the kernel's limit for type1, 256 MiB
        mappings      65535 at most [assumed] default of the kernel's module parameter
        guest RAM     1 GiB [option] --ram-size
        tracking      from-trace [trace] global_dirty_changed

      More: 'vtdscope explain VTD001', '-o html=report.html' (charts).
      FAILS. Migrate? No.
      "
    `);
  });

  it('that is clean', () => {
    const trace = aTrace({ sessions: [aCleanSession()] });
    const text = render('text', aResult(trace));
    expect(text.split('\n').slice(0, 4)).toMatchInlineSnapshot(`
      [
        "qemu.log                                                                   CLEAN",
        "Nothing failed, and no line shows that dirty pages were tracked.",
        "Migrate? Yes: nothing in the trace speaks against a migration.",
        "",
      ]
    `);
  });

  it('that is clean only because nothing was tracked', () => {
    const session = aCleanSession({ exposed: EXPOSED, findings: [aWhatIf()] });
    const text = render('text', aResult(aTrace({ sessions: [session] })));
    expect(text).toContain('CLEAN, BUT EXPOSED');
    expect(unwrapped(text)).toContain('This is no all-clear');
    expect(unwrapped(text)).toContain('Do not migrate this VM until this is fixed.');
  });

  it('that is exposed, but that QEMU refuses to migrate', () => {
    const exposed = { ...EXPOSED, via: ['dirty-rate', 'dirty-limit'] } as const;
    const migration = { answer: 'refused', why: 'QEMU 10.0 refuses to migrate it' } as const;
    const session = aCleanSession({ exposed, migration, findings: [aWhatIf()] });
    const text = unwrapped(render('text', aResult(aTrace({ sessions: [session] }))));
    expect(text).toContain('Migrate? Refused: QEMU 10.0 refuses to migrate it.');
    expect(text).toContain(
      'Avoid calc-dirty-rate or a vCPU dirty limit on this VM until this is fixed.',
    );
  });

  it('that is inconclusive, with how to capture a better one', () => {
    const session = aCleanSession({
      verdict: 'inconclusive',
      reasons: ['guest addresses of mappings are not in the trace: enable vtd_page_walk_one'],
    });
    const loss = {
      kind: 'dropped',
      count: 11,
      line: 3,
      byteOffset: 90,
      detail: '11 events dropped',
    } as const;
    const text = inFull(aTrace({ sessions: [session], losses: [loss] }));
    expect(text.slice(text.indexOf('WHY IT IS'))).toMatchInlineSnapshot(`
      "WHY IT IS INCONCLUSIVE
        - guest addresses of mappings are not in the trace: enable vtd_page_walk_one
        - dropped (11, first at line 3): 11 events dropped

      WHAT THIS RESTS ON
        QEMU          10.0 [derived] 8.2 to 10.0 (vfio_attach_device)
        container     legacy of 00:10.0 [trace] vfio_attach_device at line 2
        vIOMMU        intel-iommu [trace] vtd_dmar_enable
        aw-bits       48 [derived] vtd_as_unmap_whole at line 40
        host page     4 KiB [derived] 4 KiB host pages, as on x86
        bitmap limit  256 MiB [derived] the kernel's limit for type1, 256 MiB
        mappings      65535 at most [assumed] default of the kernel's module parameter
        guest RAM     1 GiB [option] --ram-size
        tracking      from-trace [trace] global_dirty_changed

      HOW TO CAPTURE A BETTER TRACE
        Not traced, or not all of it: vtd_page_walk_one.
        Events were dropped: trace fewer events, or write to a faster file (-D) than
        standard error.
        Start QEMU with these options, and keep its messages (standard error) in the
        same file:
          -msg timestamp=on
          -trace 'vtd_*' -trace 'vfio_*' -trace 'iommufd_*'
          -trace 'global_dirty_changed' -trace 'migrate_*'
          -trace 'dirtyrate_set_state' -trace 'memory_region_sync_dirty'
          -trace '-vfio_region_read' -trace '-vfio_region_write'
          -trace '-vfio_pci_*_config' -trace '-vtd_ir_*'
          -trace '-vtd_reg_read' -trace '-vtd_reg_write' -trace '-vtd_inv_qi_*'

      More: '-o html=report.html' (charts).
      INCONCLUSIVE. Migrate? Not known.
      "
    `);
  });

  it('that could not be analysed', () => {
    expect(render('text', aResult(anUnusableTrace()))).toBe(
      'NOT ANALYSED: notes.txt: no QEMU trace\n',
    );
  });

  it('says both numbers of unmaps that carry address 0', () => {
    const tracked = aHazards({ unmaps: 9, zeroAddress: 8, harmfulZeroAddress: 3 });
    const session = aSession({ totals: aTotals({ unmaps: 9, tracked }) });
    expect(unwrapped(inFull(aTrace({ sessions: [session] })))).toContain(
      '8 unmaps carried address 0 while dirty pages were tracked; 3 of them did harm',
    );
  });

  it('tells sessions apart, the worst first', () => {
    const clean = aCleanSession({ vm: 'first-boot', firstLine: 1, lastLine: 20 });
    const bad = aSession({ vm: 'second-boot', firstLine: 21, lastLine: 60 });
    const trace = aTrace({ sessions: [clean, bad], verdict: 'fails' });
    const text = inFull(trace);
    const headings = text.split('\n').filter((line) => line.startsWith('== '));
    expect(headings).toEqual([
      '== Session 2 of 2, second-boot, lines 21 to 60: FAILS',
      '== Session 1 of 2, first-boot, lines 1 to 20: CLEAN',
    ]);
  });

  it('says that no migration ran', () => {
    const text = unwrapped(inFull(aTrace()));
    expect(text).toContain('by calc-dirty-rate (28 unmaps). No migration ran then');
    const window = {
      firstLine: 10,
      lastLine: null,
      firstTime: null,
      lastTime: null,
      by: 'migration',
      unmaps: 1,
    };
    const migrating = aSession({ trackingWindows: [window] });
    const other = unwrapped(inFull(aTrace({ sessions: [migrating] })));
    expect(other).toContain('lines 10 to the end by a migration (1 unmap).');
    expect(other).not.toContain('No migration ran');
  });
});

describe('several traces', () => {
  const clean = aTrace({ path: 'clean.log', sessions: [aCleanSession()] });
  const exposed = aTrace({
    path: 'exposed.log',
    sessions: [aCleanSession({ exposed: EXPOSED, findings: [aWhatIf()] })],
  });

  it('are listed worst first', () => {
    const text = render(
      'text',
      aResult(clean, exposed, aTrace({ path: 'bad.log' }), anUnusableTrace()),
    );
    expect(text.split('\n').slice(0, 10)).toMatchInlineSnapshot(`
      [
        "2 of 4: do not migrate. 1 is not known and 1 may be migrated.",
        "4 traces: 1 could not be analysed, 1 fails and 2 are clean.",
        "",
        "migrate verdict  QEMU   failed stale   at risk trace",
        "no      fails    ~10.0       4     -    16 KiB bad.log",
        "no      clean*   ~10.0       -     -         - exposed.log",
        "unknown unusable ?           -     -         - notes.txt",
        "yes     clean    ~10.0       -     -         - clean.log",
        "* unmaps of these would fail or lose dirty pages if dirty pages were tracked",
        "~ inferred from the events of the trace: a version that behaves so",
      ]
    `);
  });

  it('get one line each where that is asked for', () => {
    const text = render('text', aResult(clean, exposed, aTrace({ path: 'bad.log' })), {
      verbosity: -1,
    });
    expect(text).toMatchInlineSnapshot(`
      "clean	clean.log	Nothing failed, and no line shows that dirty pages were tracked.
      clean	exposed.log	Nothing failed, and no line shows that dirty pages were tracked. But unmaps would fail with E2BIG and dirty pages would be lost if a migration tracked dirty pages.
      fails	bad.log	4 DMA unmaps of 00:10.0 failed with -7 (E2BIG), first at line 12, while calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO container accepts.
      "
    `);
  });
});

describe('the table of traces', () => {
  const at = (path: string, session = aSession()) => aTrace({ path, sessions: [session] });
  const table = (...traces: readonly Trace[]) =>
    render('text', aResult(...traces))
      .split('\n')
      .slice(3, 7);

  it('tells the folder of all paths once', () => {
    expect(table(at('/logs/a/one.log'), at('/logs/a/two.log'), at('/logs/b.log'))).toEqual([
      'Paths below /logs/',
      'migrate verdict QEMU   failed stale   at risk trace',
      'no      fails   ~10.0       4     -    16 KiB a/one.log',
      'no      fails   ~10.0       4     -    16 KiB a/two.log',
    ]);
    expect(table(at('/a.log'), at('/b.log'))[0]).toMatch(/^migrate/);
    expect(table(at('one.log'), at('/logs/one.log'))[0]).toMatch(/^migrate/);
  });

  it('counts stale mappings, and says unknown where memory has no name', () => {
    const findings = [
      aFinding({ rule: 'VTD005', mode: 'active', count: 12 }),
      aFinding({ rule: 'VTD005', mode: 'what-if', severity: 'warning', count: 99 }),
      aFinding(),
    ];
    const session = aSession({ findings, totals: aTotals() });
    expect(table(at('bad.log', session), at('other.log')).slice(1, 3)).toEqual([
      'no      fails   ~10.0       4     -    16 KiB other.log',
      'no      fails   ~10.0       -    12   unknown bad.log',
    ]);
  });

  it('has names in full, but on a terminal, and there too where they would be the same', () => {
    const long = (middle: string, name: string) =>
      `/${'folder/'.repeat(4)}${middle}/${'folder/'.repeat(4)}${name}`;
    const traces = [
      at(long('one', 'log-of-some-machine.log')),
      at(long('two', 'log-of-some-machine.log')),
      at(long('two', 'other.log')),
      at('/z.log'),
    ];
    const namesAt = (cutsNames: boolean) =>
      render('text', aResult(...traces), { cutsNames })
        .split('\n')
        .filter((line) => line.startsWith('no '))
        .map((line) => line.replace(/^.* /, ''));
    expect(namesAt(false)).toEqual(traces.map(({ path }) => path));
    const [first, second, other] = namesAt(true);
    expect([first, second]).toEqual(namesAt(false).slice(0, 2));
    expect(other).toMatch(/^\/folder.*~.*\/other\.log$/);
  });
});

describe('the version of QEMU in the table', () => {
  it.each([
    { value: '10.0.13', shown: '10.0.13' },
    { value: '10.0.13-distribution', shown: '10.0.13-' },
  ])('is $shown for $value', ({ value, shown }) => {
    const model = { ...aModel, qemu: { value, source: 'trace', from: 'libvirt' } } as const;
    const trace = aTrace({ sessions: [aSession({ model })] });
    const text = render('text', aResult(trace, aTrace({ path: 'other.log' })));
    expect(text).toMatch(new RegExp(`^no +fails +${shown} +4 .* qemu\\.log$`, 'm'));
  });
});

describe('what nobody sees', () => {
  it('is not called none: memory that devices still reach', () => {
    const finding = aFinding({ rule: 'VTD005', mode: 'active', atRisk: [], atRiskBytes: 0 });
    const session = aSession({ verdict: 'leaves-mappings', findings: [finding] });
    expect(unwrapped(inFull(aTrace({ sessions: [session] })))).toContain(
      'Unknown: which guest memory a device can still write to',
    );
  });

  it('is not called 0: unmaps in a window that QEMU tracks nothing in', () => {
    const [window] = aSession().trackingWindows;
    if (window === undefined) throw new Error('no window');
    const session = aSession({ trackingWindows: [{ ...window, unmaps: 0 }] });
    expect(unwrapped(inFull(aTrace({ sessions: [session] })))).toContain(
      'lines 10 to 30 by calc-dirty-rate (no tracked unmap)',
    );
  });
});

describe('what does not apply', () => {
  it('is left out: limits of type1 where all containers are of iommufd', () => {
    const [container] = aSession().containers;
    if (container === undefined) throw new Error('no container');
    const iommufd = { ...container, backend: { ...container.backend, value: 'iommufd' } as const };
    const textOf = (containers: readonly (typeof container)[]) =>
      inFull(aTrace({ sessions: [aSession({ containers })] }));
    expect(textOf([iommufd])).not.toMatch(/bitmap limit|mappings +\d+ at most/);
    expect(textOf([iommufd, container])).toMatch(/bitmap limit[\s\S]*mappings +\d+ at most/);
  });

  it.each(['text', 'markdown'])(
    'is left out of %s: the right address where none is sent',
    (name) => {
      const textOf = (carriedAddress: '0x0' | null) => {
        const finding = aFinding({ rule: 'VTD002', carriedAddress, expectedAddress: '0x8000000' });
        const result = aResult(aTrace({ sessions: [aSession({ findings: [finding] })] }));
        return render(name, result, { verbosity: 1 });
      };
      expect(textOf('0x0')).toMatch(/sent `?0x0`?, right would be `?0x8000000/);
      expect(textOf(null)).not.toContain('right would be');
    },
  );
});

describe('many containers', () => {
  it('that are alike share a row', () => {
    const [container] = aSession().containers;
    if (container === undefined) throw new Error('no container');
    const containers = Array.from({ length: 9 }, (_, index) => ({
      ...container,
      id: `container-${index}`,
      devices: [`00:1${index}.0`],
      backend: { ...container.backend, from: `vfio_attach_device at line ${index}` },
    }));
    const text = unwrapped(inFull(aTrace({ sessions: [aSession({ containers })] })));
    expect(text).toContain(
      'container legacy of 00:10.0, 00:11.0, 00:12.0, 00:13.0, 00:14.0, 00:15.0 and 3 other devices [trace] vfio_attach_device at line 0, and 8 more lines',
    );
  });
});

describe('length and width', () => {
  const ranges: readonly GuestRange[] = Array.from({ length: 60 }, (_, index) => ({
    gpa: `0x${(index * 0x2000 + 0x100000).toString(16)}` as const,
    size: '0x1000',
  }));
  const long = aTrace({
    path: `${'very/'.repeat(60)}long.log`,
    reasons: Array.from({ length: 40 }, (_, index) => `reason ${index} ${'word '.repeat(20)}`),
    sessions: Array.from({ length: 4 }, () =>
      aSession({
        findings: Array.from({ length: 40 }, (_, index) =>
          aFinding({
            atRisk: ranges,
            message: 'x'.repeat(600),
            fix: `fix ${index}. Today: do ${index}`,
            excerpt: ['1: '.padEnd(900, 'y')],
          }),
        ),
      }),
    ),
  });
  const results = [
    { name: 'one long trace', result: aResult(long) },
    { name: 'a hundred thousand findings', result: aResult(manyFindings(100_000)) },
    { name: 'a hundred traces', result: aResult(...Array.from({ length: 100 }, () => long)) },
  ];

  it.each(results)('$name: a screen or two, at any width', ({ result }) => {
    for (const width of [1, 40, 63, 64, 80, 100, 1000]) {
      const lines = render('text', result, { width, cutsNames: true }).split('\n');
      expect(lines.length).toBeLessThan(width < 80 ? 90 : 70);
      const widest = Math.min(100, Math.max(40, width));
      expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(widest);
    }
  });

  it('fits a screen where nothing is long, and ends with the verdict', () => {
    const lines = render('text', aResult()).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(25);
    expect(lines.at(-1)).toBe('FAILS. Migrate? No.');
  });

  it('says what is left out, and -v leaves nothing out', () => {
    expect(unwrapped(render('text', aResult(long)))).toContain('and 38 more');
    expect(inFull(long)).toContain('reason 39');
    expect(inFull(long)).not.toMatch(/and \d+ more/);
  });
});

describe('colours', () => {
  const sequence = '\u001b[';
  it('only where they are wanted', () => {
    expect(render('text', aResult())).not.toContain(sequence);
    const colored = render('text', aResult(), { color: true });
    expect(colored).toContain(`${sequence}31m`);
    expect(withoutColors(colored)).toBe(render('text', aResult()));
  });
});

describe('no traces', () => {
  it('says so', () => {
    const result = { ...aResult(), traces: [], exposed: NOT_EXPOSED };
    expect(render('text', result)).toContain('No trace was analysed.');
  });
});

/** Without line ends and indents, so that a sentence is one. */
function unwrapped(text: string): string {
  return text.replace(/\s+/g, ' ');
}

function withoutColors(text: string): string {
  const [first = '', ...pieces] = text.split('\u001b[');
  return first + pieces.map((piece) => piece.replace(/^\d+m/, '')).join('');
}

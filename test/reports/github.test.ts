import { describe, expect, it } from 'vitest';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
  manyFindings,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

const linesOf = (text: string) => text.trimEnd().split('\n');

describe('annotations for GitHub', () => {
  it('name file, line, rule and device; what would happen is a notice', () => {
    const trace = aTrace({
      path: 'logs/a, b.log',
      sessions: [
        aSession({ findings: [aWhatIf(), aFinding(), aFinding({ severity: 'warning' })] }),
      ],
    });
    const lines = linesOf(render('github', aResult(trace)));
    expect(lines[0]).toBe(
      '::error file=logs/a%2C b.log,line=12,title=VTD001 bitmap-too-big%2C 00%3A10.0%3A 4 times%2C ' +
        "seen in QEMU's messages::4 unmaps failed. Whole unmaps: fixed in QEMU 11.0. Today: aw-bits=39.",
    );
    expect(lines[1]).toMatch(/^::warning .*line=12/);
    expect(lines[2]).toMatch(/^::notice .*line=5,title=VTD002 /);
    expect(lines[3]).toBe('vtdscope: logs/a, b.log: FAILS; migrate: no');
    expect(lines).toHaveLength(4);
  });

  it('say that a finding is accepted, and why, in a notice', () => {
    const accepted = { reason: '100% known', until: null };
    const trace = aTrace({ sessions: [aSession({ findings: [aFinding({ accepted })] })] });
    const [first = ''] = linesOf(render('github', aResult(trace)));
    expect(first).toMatch(/^::notice .* Accepted: 100%25 known\.$/);
  });

  it('are of traces that could not be analysed, or show too little', () => {
    const unsure = aTrace({ verdict: 'inconclusive', reasons: ['a reason'], sessions: [] });
    const lines = linesOf(render('github', aResult(anUnusableTrace(), unsure)));
    expect(lines[0]).toBe('::error file=notes.txt,title=not analysed::notes.txt: no QEMU trace');
    expect(lines[1]).toMatch(/^::warning file=qemu\.log,title=inconclusive::.* a reason$/);
    expect(lines[2]).toMatch(/^vtdscope: notes\.txt: NOT ANALYSED;/);
  });

  it('are as many as GitHub shows, the rest is counted', () => {
    const lines = linesOf(render('github', aResult(manyFindings(100))));
    for (const level of ['error', 'notice']) {
      expect(lines.filter((line) => line.startsWith(`::${level} `)).length).toBeLessThanOrEqual(10);
    }
    expect(lines.at(-1)).toMatch(/^vtdscope: and \d+ more of level \w+$/);
  });

  it.each(hostileTexts.map((text) => ({ shown: JSON.stringify(text), text })))(
    'hold no command of a trace: $shown',
    ({ text }) => {
      const result = hostile(aResult(aTrace(), anUnusableTrace()), `${text}\n::set-env name=A::b`);
      for (const line of linesOf(render('github', result))) {
        expect(line).toMatch(/^(?:::(?:error|warning|notice) |vtdscope: )/);
        expect(line).not.toMatch(/^::\w+ [^:]*::[^\n]*\r/);
      }
    },
  );
});

import { describe, expect, it } from 'vitest';
import { probesScript, witnessScript } from '../../src/recording/bpftrace.ts';
import { decode } from '../helpers/decoded.ts';

const PROGRAM = '/usr/libexec/qemu-kvm';

interface Probe {
  readonly name: string;
  readonly format: string;
  readonly values: readonly string[];
}

/** The probes of a script, with what they print. */
function probesIn(script: string): readonly Probe[] {
  const found = script.matchAll(
    /^usdt:\S+:qemu:(\w+)\n\{\n {2}printf\("((?:[^"\\]|\\.)*)\\n", (.*)\);\n\}$/gm,
  );
  return [...found].map(([, name = '', format = '', values = '']) => ({
    name,
    format,
    values: values.split(/, (?![^(]*\))/),
  }));
}

/** The line that bpftrace would print: stamps of now, words for texts, numbers for numbers. */
function lineOf({ format, name, values }: Probe): string {
  let at = 0;
  return format.replaceAll('\\"', '"').replace(/%(s|d|llx)/g, (_all, form: string) => {
    const value = values[at] ?? '';
    at += 1;
    if (value.startsWith('strftime')) {
      return value.includes('%s.%f') ? '1700000000.000001' : '2026-11-22T07:35:47.845867Z';
    }
    if (form === 'd') return '1';
    if (form === 'llx') return '1000';
    return name === 'vfio_iommu_map_notify' ? 'UNMAP' : 'words';
  });
}

describe.each(['7.2', '10.0', '10.2', '11.1'])('the probes of QEMU %s', (version) => {
  const script = probesScript('verdict', version, PROGRAM);
  const probes = probesIn(script);

  it('are all read', () => {
    expect(probes.length).toBe(script.match(/^usdt:/gm)?.length);
    expect(probes.length).toBeGreaterThan(40);
  });

  it('have a value for each place, none twice, and no more than six arguments', () => {
    for (const { format, name, values } of probes) {
      expect(format.match(/%(?:s|d|llx)/g), name).toHaveLength(values.length);
      const given = values.flatMap((value) => /arg(\d+)/.exec(value)?.[1] ?? []).map(Number);
      expect(given, name).toEqual(given.map((_, index) => index));
      expect(given.length, name).toBeLessThanOrEqual(6);
    }
    expect(script).toContain(' *   vtd_replay_ce_valid\n');
  });

  it('print lines that are read as those of the log backend', async () => {
    for (const probe of probes) {
      const line = lineOf(probe);
      const { events } = await decode('qemu-log', `${line}\n`);
      expect(
        events.map(({ name }) => name),
        line,
      ).toEqual([probe.name]);
      expect(events[0]?.time, line).not.toBeNull();
    }
  });
});

describe('the witness', () => {
  it('looks where dirty bits are set from 11.0 on', () => {
    const old = witnessScript('10.0', PROGRAM);
    const recent = witnessScript('11.1', PROGRAM);
    expect(old).toContain(`uretprobe:${PROGRAM}:vfio_container_dma_unmap`);
    expect(old).not.toContain('physical_memory_set_dirty_lebitmap');
    expect(recent).toContain(`uprobe:${PROGRAM}:physical_memory_set_dirty_lebitmap`);
  });

  it('prints JSON with the names of --unmaps', () => {
    const texts = [...witnessScript('11.1', PROGRAM).matchAll(/printf\("((?:[^"\\]|\\.)*)"/g)];
    const printed = texts
      .map(([, text = '']) => text)
      .map((text) => text.replaceAll('\\"', '"').replaceAll('\\n', '\n'))
      .map((text) => text.replace(/%llu|%d/g, '7').replaceAll('%llx', 'a0'));
    const [start, none, address, end, marks] = printed;
    for (const middle of [none, address]) {
      const record = JSON.parse(`${start}${middle}${end}`) as Record<string, unknown>;
      expect(Object.keys(record)).toEqual(['time', 'iova', 'size', 'carriedAddress', 'errno']);
    }
    expect(JSON.parse(marks ?? '')).toEqual({ marks: '0xa0', pages: 7 });
  });
});

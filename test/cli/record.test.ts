import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

async function recorded(...args: readonly string[]) {
  const { status, stderr, stdout } = await runProgram(['record', ...args]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const linesOf = (text: string) => text.trimEnd().split('\n');

describe('record', () => {
  it('prints the same events in every form', async () => {
    const events = linesOf(await recorded('--qemu', '10.0', '--as', 'events')).slice(1);
    expect(events).toContain('vfio_iommu_map_notify');
    const form = async (as: string) => linesOf(await recorded('--qemu', '10.0.13', '--as', as));
    expect(await form('options')).toEqual([
      '-msg timestamp=on',
      ...events.map((name) => `-trace ${name}`),
    ]);
    expect(await form('hmp')).toEqual(events.map((name) => `trace-event ${name} on`));
    const qmp = (await form('qmp')).map((line) => JSON.parse(line) as unknown);
    expect(qmp).toEqual(
      events.map((name) => ({
        execute: 'trace-event-set-state',
        arguments: { name, enable: true },
      })),
    );
    const xml = (await form('libvirt')).flatMap(
      (line) => /<qemu:arg value='([^']*)'\/>/.exec(line)?.[1] ?? [],
    );
    expect(xml).toEqual(events.flatMap((name) => ['-trace', name]));
    const stap = (await form('systemtap')).slice(1).map((line) => line.trim().split(' ')[0]);
    expect(stap).toEqual(events);
  });

  it('records less where less is asked', async () => {
    const failures = await recorded('--for', 'failures', '--as', 'events');
    expect(await recorded('--for', 'VTD001', '--as', 'events')).toBe(failures);
    expect(await recorded('--for', 'bitmap-too-big', '--as', 'events')).toBe(failures);
    const verdict = await recorded('--for', 'VTD005', '--as', 'events');
    expect(verdict).toBe(await recorded('--as', 'events'));
    expect(linesOf(failures).length).toBeLessThan(12);
  });

  it('tells the way, with the options of the call', async () => {
    const text = await recorded('--for', 'VTD001', '--qemu', '10.0');
    expect(text).toContain('10 trace events of QEMU 10.0 (failures).');
    expect(text).toContain('vtdscope record --for VTD001 --qemu 10.0 --as events >vtd.events');
    expect(text).toContain('2876 lines');
    expect(linesOf(text).filter((line) => line.length > 100)).toEqual([]);
  });

  it('writes scripts of one version', async () => {
    const script = await recorded('--qemu', '11.1', '--as', 'bpftrace', '--program', '/opt/qemu');
    expect(script).toContain('usdt:/opt/qemu:qemu:vtd_page_walk_one\n');
    const witness = await recorded('--qemu', '11.1', '--witness', 'bpftrace');
    expect(witness).toContain('uprobe:/usr/libexec/qemu-kvm:vfio_container_dma_unmap\n');
  });

  it.each([
    { args: ['--for', 'verdikt'], says: '(did you mean verdict?)' },
    { args: ['--for', 'VTD999'], says: 'expected verdict, failures or a rule' },
    { args: ['--as', 'bpftrace'], says: 'needs --qemu' },
    { args: ['--witness', 'bpftrace'], says: 'needs --qemu' },
    { args: ['--qemu', 'new'], says: 'Expected a version' },
    { args: ['--program', "a'; rm"], says: 'letters, digits' },
  ])('refuses $args', async ({ args, says }) => {
    const { status, stderr } = await runProgram(['record', ...args]);
    expect(stderr).toContain(says);
    expect(status).toBe(2);
  });
});

describe('README.md', () => {
  it('names no event that record does not', async () => {
    const readme = readFileSync(`${root}README.md`, 'utf8');
    const section = readme.slice(
      readme.indexOf('## Capturing a trace'),
      readme.indexOf('\n## Use\n'),
    );
    const named = section.match(/`((?:vtd|vfio|global)_[a-z_]+)`/g) ?? [];
    const events = await recorded('--as', 'events');
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !events.includes(name.replaceAll('`', '')))).toEqual([]);
  });
});

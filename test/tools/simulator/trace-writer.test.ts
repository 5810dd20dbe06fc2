import { describe, expect, test } from 'vitest';
import {
  Simulation,
  type SimulationOptions,
  simulate,
} from '../../../src/tools/simulator/index.ts';
import { simulationOptions } from '../../../src/tools/simulator/options.ts';
import { TraceWriter } from '../../../src/tools/simulator/trace-writer.ts';

function writer(changes: Partial<SimulationOptions>): TraceWriter {
  return new TraceWriter(simulationOptions(changes));
}

describe('prefixes', () => {
  test('none', () => {
    const out = writer({});
    out.trace('vtd_context_cache_reset', '');
    out.error('UNMAP: Size of bitmap too big 0x20000000');
    expect(out.take()).toBe(
      'vtd_context_cache_reset \nqemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000\n',
    );
  });

  test('a thread id and micro-seconds for events, ISO for messages', () => {
    const out = writer({ prefix: 'tid', guestName: 'vm-a' });
    out.trace('vtd_inv_desc_cc_global', 'context invalidate globally');
    out.error('oops');
    const [event = '', message = ''] = out.take().split('\n');
    expect(event).toMatch(/^\d+@\d{10}\.\d{6}:vtd_inv_desc_cc_global context invalidate globally$/);
    expect(message).toMatch(
      /^2026-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z vm-a qemu-system-x86_64: oops$/,
    );
  });

  test('ISO leaves out a fraction of zero, and time never runs backwards', () => {
    const out = writer({ qemu: '10.2', prefix: 'iso' });
    for (let i = 0; i < 400; i++) {
      out.trace('vtd_inv_qi_fetch', '');
      if (i % 3 === 0) out.idle(900);
    }
    // everything but the queue events is traced by default
    expect(out.take()).toBe('');
    const all = writer({ qemu: '10.2', prefix: 'iso', events: 'everything' });
    for (let i = 0; i < 400; i++) {
      all.trace('vtd_inv_qi_fetch', '');
      if (i % 3 === 0) all.idle(900);
    }
    const stamps = all
      .take()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '');
    const bare = stamps.filter((stamp) => /:\d\dZ$/.test(stamp));
    expect(bare.length).toBeGreaterThan(5);
    expect(stamps.every((stamp) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/.test(stamp))).toBe(
      true,
    );
    const times = stamps.map((stamp) => stamp.replace(/(:\d\d)Z$/, '$1.000000Z'));
    expect(times.toSorted()).toEqual(times);
    expect(stamps.some((stamp) => stamp.endsWith('.000000Z'))).toBe(false);
  });
});

test('line numbers count what was written, also with noise and without the event', () => {
  const out = writer({ noise: 1, events: 'everything' });
  const line = out.trace('vtd_inv_desc_iotlb_global', 'iotlb invalidate global') ?? 0;
  const lines = out.take().split('\n');
  expect(lines[line - 1]).toBe('vtd_inv_desc_iotlb_global iotlb invalidate global');
  expect(line).toBe(2);
  const minimal = writer({ events: 'minimal' });
  expect(minimal.trace('vtd_page_walk_one', 'x')).toBeNull();
  expect(minimal.trace('global_dirty_changed', 'bitmask 0x1')).toBe(1);
  expect(writer({ errorsInLog: false }).error('x')).toBeNull();
});

test('a list of events may end in a star', () => {
  const out = writer({ events: ['vfio_*', 'vtd_ce_not_present'] });
  expect(
    ['vfio_iommu_map_notify', 'vtd_ce_not_present', 'vtd_dmar_enable'].map((name) =>
      out.traces(name),
    ),
  ).toEqual([true, true, false]);
});

test('the shape of the file: CRLF, torn end, header', () => {
  const options = { seed: 7, steps: 5, crlf: true, tornEnd: true, libvirtHeader: true };
  const { log, truth } = simulate({ ...options, prefix: 'tid' });
  expect(log.startsWith('2026-')).toBe(true);
  expect(log).toContain(': starting up libvirt version: 11.3.0');
  expect(log).toContain('qemu version: 10.0.13,');
  expect(log.endsWith('\n')).toBe(false);
  const lines = log.split('\n');
  expect(lines.slice(0, -1).every((line) => line.endsWith('\r'))).toBe(true);
  expect(truth.lines).toBe(lines.length - 1);
});

test('a run stops at the wanted size, and may keep totals alone', () => {
  const simulation = new Simulation({
    mix: 'bulk',
    steps: 1e9,
    bytes: 3_000_000,
    keepRecords: false,
    liveMappings: 500,
  });
  const log = simulation.finish();
  expect(log.length).toBeGreaterThanOrEqual(3_000_000);
  expect(log.length).toBeLessThan(4_000_000);
  const { truth } = simulation;
  expect(truth.unmaps).toEqual([]);
  expect(truth.totals.unmaps).toBeGreaterThan(500);
  expect(truth.totals.maps).toBeGreaterThan(500);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Act,
  planActs,
  randomOptions,
  run,
  Simulation,
  type SimulationOptions,
  simulate,
  type Truth,
} from '../../../src/tools/simulator/index.ts';

/** Reads logs back with the simplest means, to see that text and truth tell the same story. */

const PREFIX = /^(?:\d+@\d+\.\d{6}:|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z )/;

interface Line {
  readonly number: number;
  readonly text: string;
}

/** Complete lines only: a torn one can look like a shorter valid line. */
function linesOf(log: string): Line[] {
  return log
    .split('\n')
    .slice(0, -1)
    .map((raw, i) => ({ number: i + 1, text: raw.replace(/\r$/, '').replace(PREFIX, '') }));
}

interface Node {
  readonly iova: bigint;
  readonly last: bigint;
  readonly gpa: bigint;
  readonly permission: number;
}

/** Nodes by an array searched from end to end. */
class Nodes {
  all: Node[] = [];

  remove(iova: bigint, last: bigint): void {
    this.all = this.all.filter((node) => node.iova > last || node.last < iova);
  }

  put(node: Node): void {
    this.remove(node.iova, node.last);
    this.all.push(node);
  }

  get sorted() {
    return [...this.all]
      .sort((a, b) => (a.iova < b.iova ? -1 : 1))
      .map(({ iova, last, gpa, permission }) => ({
        iova,
        size: last - iova + 1n,
        gpa,
        permission,
      }));
  }
}

/** What the walk lines of a one-device log say about the shadow. */
function shadowFrom(log: string, { qemu, deviceAddresses }: SimulationOptions) {
  const nodes = new Nodes();
  const device = deviceAddresses[0] ?? '';
  for (const { text } of linesOf(log)) {
    const walked =
      /^vtd_page_walk_one domain \S+ iova (\S+) -> gpa (\S+) mask (\S+) perm (\d)/.exec(text);
    if (walked !== null) {
      const [, iova = '', gpa = '', mask = '', permission = ''] = walked;
      const node = {
        iova: BigInt(iova),
        last: BigInt(iova) + BigInt(mask),
        gpa: BigInt(gpa),
        permission: Number(permission),
      };
      if (node.permission === 0) nodes.remove(node.iova, node.last);
      else nodes.put(node);
    }
    const whole = /^vtd_as_unmap_whole Device (\S+) start (\S+) size (\S+)/.exec(text);
    if (whole !== null && whole[1] === device) {
      const start = BigInt(whole[2] ?? '');
      const size = BigInt(whole[3] ?? '');
      nodes.remove(start, start + size - (qemu === '7.2' ? 0n : 1n));
    }
    if (text.startsWith('vtd_replay_ce_') && qemu !== '7.2') nodes.all = [];
    const unmapped = /^vfio_iommu_map_notify iommu UNMAP @ (\S+) - (\S+)/.exec(text);
    if (unmapped !== null && qemu.startsWith('11')) {
      nodes.remove(BigInt(unmapped[1] ?? ''), BigInt(unmapped[2] ?? ''));
    }
  }
  return nodes.sorted;
}

/** What the notifications and sections of a one-device log say about the host, given which operations failed. */
function hostFrom(log: string, truth: Truth, { backend }: SimulationOptions) {
  const nodes = new Nodes();
  const failedMaps = new Set(truth.failedMaps.map(({ line }) => line));
  const unmapOf = new Map(truth.unmaps.map((record) => [record.line, record]));
  for (const { number, text } of linesOf(log)) {
    const notified = /^vfio_iommu_map_notify iommu (MAP|UNMAP) @ (\S+) - (\S+)/.exec(text);
    const section =
      /^vfio_listener_region_(add_ram region_add \[ram\]|del region_del) (\S+) - (\S+)/.exec(text);
    const [, what = '', first = '0', end = '0'] = notified ?? section ?? [];
    const iova = BigInt(first);
    const last = BigInt(end);
    if (what === 'MAP' ? !failedMaps.has(number) : what.startsWith('add_ram')) {
      nodes.put({ iova, last, gpa: 0n, permission: 0 });
    } else if (what === 'UNMAP' || what.startsWith('del')) {
      const record = unmapOf.get(number);
      // a plain unmap is done before its query can fail
      const done = record?.errno === 0 || record?.query === 'after';
      if (!done && backend === 'legacy') continue;
      // iommufd leaves a mapping that reaches out of the range
      nodes.all = nodes.all.filter((node) => node.iova < iova || node.last > last);
    }
  }
  return nodes.sorted.map(({ iova, size }) => [iova, size]);
}

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const RUNS = { numRuns: 60 };

/** Random options, cut down so that a run takes milliseconds. */
function quick(seed: number, more: Partial<SimulationOptions> = {}): SimulationOptions {
  return { ...randomOptions(seed), steps: 60, ...more };
}

describe('the log and the truth', () => {
  test('name the same unmaps, on the same lines, in the same order', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { log, truth } = simulate(quick(seed));
        const lines = linesOf(log);
        const expected = truth.unmaps.flatMap(({ line, cause, iova, size }) => {
          const range = `0x${iova.toString(16)} - 0x${(iova + size - 1n).toString(16)}`;
          const text =
            cause === 'region-del'
              ? `vfio_listener_region_del region_del ${range}`
              : `vfio_iommu_map_notify iommu UNMAP @ ${range}`;
          return line === null ? [] : [{ number: line, text }];
        });
        const written = lines.filter(({ text }) =>
          /^vfio_(iommu_map_notify iommu UNMAP|listener_region_del region_del)/.test(text),
        );
        expect(written).toEqual(expected);
        expect(truth.lines).toBe(lines.length);
      }),
      RUNS,
    );
  });

  test('agree about the shadow at the end', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = quick(seed, { devices: 1, events: 'standard', bootLines: true, noise: 0 });
        const { log, truth } = simulate(options);
        const { shadow } = truth.devices[0] ?? {};
        if (truth.ending.kind === 'finished') expect(shadow).toEqual(shadowFrom(log, options));
      }),
      RUNS,
    );
  });

  test('agree about the host at the end', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom('legacy', 'iommufd'), (seed, backend) => {
        const options = quick(seed, {
          backend,
          devices: 1,
          events: 'standard',
          bootLines: true,
          noise: 0,
        });
        const simulation = new Simulation(options);
        const log = simulation.finish();
        const { truth } = simulation;
        const host = truth.devices[0]?.host.map(({ iova, size }) => [iova, size]);
        // a run that dies in the middle of an unmap leaves its last line undone
        if (truth.ending.kind === 'finished') {
          expect(host).toEqual(hostFrom(log, truth, simulation.options));
        }
      }),
      RUNS,
    );
  });

  test('agree about tracking: tracked unmaps lie in a window, others do not', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = quick(seed, { bootLines: true });
        const simulation = new Simulation(options);
        simulation.finish();
        const { truth } = simulation;
        const { backend, iommuDirtyTracking, deviceTracking } = simulation.options;
        const canTrack =
          backend === 'legacy' || (backend === 'iommufd' && (iommuDirtyTracking || deviceTracking));
        for (const { line, tracked } of truth.unmaps) {
          if (line === null) continue;
          const inside = truth.windows.some(
            ({ firstLine, lastLine }) => line >= firstLine && line <= (lastLine ?? truth.lines),
          );
          expect(tracked).toBe(inside && canTrack);
        }
      }),
      RUNS,
    );
  });

  test('agree about failures: each has its message right after its line', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = quick(seed, { errorsInLog: true, noise: 0, backend: 'legacy' });
        const { log, truth } = simulate(options);
        const lines = linesOf(log);
        for (const { line, errno, bitmapBytes } of truth.unmaps) {
          if (errno !== -7 || line === null) continue;
          expect(lines[line]?.text).toContain(
            `Size of bitmap too big 0x${bitmapBytes.toString(16)}`,
          );
        }
        for (const { line, reason } of truth.failedMaps) {
          if (line === null) continue;
          const after = lines.slice(line, line + 2).map(({ text }) => text);
          const message =
            reason === 'granularity'
              ? 'granularity incompatible'
              : reason === 'non-memory'
                ? 'non memory area'
                : ` = ${reason} (`;
          expect(after.some((text) => text.includes(message))).toBe(true);
        }
      }),
      RUNS,
    );
  });
});

describe('a list of acts', () => {
  test('gives the same log and truth as the seed that planned it, in any portions', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = quick(seed);
        const whole = simulate(options);
        expect(run(options, planActs(options))).toEqual(whole);
        const simulation = new Simulation(options);
        let stepped = '';
        for (let text = simulation.step(); text !== ''; text = simulation.step()) stepped += text;
        expect(stepped).toBe(whole.log);
        expect(simulation.finished).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  test('can lose any of its acts', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.array(fc.boolean(), { minLength: 40, maxLength: 200 }),
        (seed, kept) => {
          const options = quick(seed, {
            devices: 1,
            events: 'standard',
            bootLines: true,
            noise: 0,
          });
          const acts: Act[] = planActs(options).filter((_, i) => kept[i % kept.length]);
          const { log, truth } = run(options, acts);
          expect(truth.devices[0]?.shadow).toEqual(shadowFrom(log, options));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('is refused by nobody, not even in any order', () => {
    fc.assert(
      fc.property(seeds, seeds, (a, b) => {
        const options = quick(a);
        // acts that were planned for another machine
        const { truth } = run(options, planActs(quick(b, { steps: 120 })).toReversed());
        expect(['finished', 'sigsegv', 'abort']).toContain(truth.ending.kind);
      }),
      RUNS,
    );
  });
});

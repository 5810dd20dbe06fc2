import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { ResultFolder } from '../../src/bytes/result-folder.ts';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import { mergeResults } from '../../src/fleet/merge.ts';
import { runShard, type ShardOptions } from '../../src/fleet/run-shard.ts';
import { parseShard } from '../../src/fleet/shard.ts';
import { fleetReports } from '../../src/reports/fleet/index.ts';
import type { Fleet } from '../../src/result/fleet.ts';
import { testFolder } from '../helpers/folder.ts';

const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff\n';
const TRACKED = 'global_dirty_changed bitmask 0x2\n';

/** A folder of traces; in every other one tracking was on. */
function fleetOf(traces: number): string {
  const folder = testFolder();
  for (let index = 0; index < traces; index += 1) {
    const text = index % 2 === 0 ? UNMAP : `${TRACKED}${UNMAP}`;
    writeFileSync(join(folder, `vm-${index}.log`), text);
  }
  return folder;
}

const share = (inputs: readonly string[], shard = '1/1', more: Partial<ShardOptions> = {}) => ({
  inputs,
  shard: parseShard(shard),
  model: {},
  maxDecompressedBytes: null,
  jobs: 1,
  ...more,
});

const bytesOf = (fleet: Fleet) =>
  Object.values(fleetReports).map((report) => [...report(fleet, 80)].join(''));

describe('results of many machines', () => {
  it('are the same bytes whatever the shares were, in which order, and how often', async () => {
    const traces = fleetOf(12);
    const one = new ResultFolder(testFolder());
    await runShard(one, share([traces]));
    const whole = bytesOf(await mergeResults(one));
    const shards = fc.uniqueArray(fc.constantFrom('1/3', '2/3', '3/3', '1/2', '2/2', '2/5'), {
      minLength: 0,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(
        shards,
        fc.shuffledSubarray(['1/3', '2/3', '3/3'], { minLength: 3 }),
        async (some, all) => {
          const folder = new ResultFolder(testFolder());
          for (const shard of [...some, ...all]) await runShard(folder, share([traces], shard));
          expect(bytesOf(await mergeResults(folder))).toEqual(whole);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('name what is missing and what failed, first, until it is there', async () => {
    const traces = fleetOf(6);
    const gone = join(traces, 'gone.log');
    const inputs = [traces, gone];
    const path = testFolder();
    const folder = new ResultFolder(path);
    await runShard(folder, share(inputs, '1/2'));
    const before = await mergeResults(folder);
    expect(before.counts.missing + before.counts.failed).toBeGreaterThan(0);
    expect(before.migration.answer).not.toBe('yes');

    const rest = await runShard(folder, share(inputs));
    expect(rest.failed.join()).toContain('gone.log');
    const { counts } = await mergeResults(folder);
    expect(counts).toMatchObject({ traces: 7, missing: 0, failed: 1 });
    const [text = ''] = bytesOf(await mergeResults(folder));
    expect(text.split('\n')[0]).toContain('1 could not be analysed');

    // A failure is tried again; what was made stays.
    writeFileSync(gone, UNMAP);
    const again = await runShard(folder, share(inputs));
    expect(again).toMatchObject({ analysed: 1, failed: [], there: 6 });
    expect((await mergeResults(folder)).counts).toMatchObject({ traces: 7, missing: 0, failed: 0 });
  });

  it('are made again where the trace has changed, and the newest counts', async () => {
    const traces = fleetOf(1);
    const folder = new ResultFolder(testFolder());
    await runShard(folder, share([traces]));
    expect((await mergeResults(folder)).verdict).not.toBe('fails');
    const trace = join(traces, 'vm-0.log');
    writeFileSync(trace, TRACKED + UNMAP);
    utimesSync(trace, 4e9, 4e9);
    await runShard(folder, share([traces]));
    expect(await mergeResults(folder)).toMatchObject({ verdict: 'fails', counts: { traces: 1 } });
  });

  it('of runs with other options are not mixed', async () => {
    const traces = fleetOf(2);
    const folder = new ResultFolder(testFolder());
    await runShard(folder, share([traces]));
    const qemu = profileNamed('10.0') ?? null;
    await runShard(folder, share([traces], '1/1', { model: { qemu } }));
    await expect(mergeResults(folder)).rejects.toThrow(
      /results of several runs.*--run [0-9a-f]{8}/,
    );
    const [run = ''] = /(?<=--run )[0-9a-f]{8}/.exec(await messageOf(mergeResults(folder))) ?? [];
    expect((await mergeResults(folder, run)).counts.traces).toBe(2);
    await expect(mergeResults(folder, 'none')).rejects.toThrow(UsageError);
  });

  it('are no traces where they lie among them', async () => {
    const traces = fleetOf(3);
    const inside = join(traces, 'results');
    await runShard(new ResultFolder(inside), share([traces]));
    const summary = await runShard(new ResultFolder(inside), share([traces]));
    expect(summary.failed).toEqual([]);
    expect((await mergeResults(new ResultFolder(inside))).traces.map(({ trace }) => trace)).toEqual(
      [0, 1, 2].map((index) => join(traces, `vm-${index}.log`)),
    );
  });

  it('of a killed run leave nothing half written, and a broken one is named', async () => {
    const traces = fleetOf(2);
    const path = testFolder();
    await runShard(new ResultFolder(path), share([traces]));
    const [name = ''] = readdirSync(path).filter((file) => /^[0-9a-f]{32}\.json$/.test(file));
    writeFileSync(join(path, name), readFileSync(join(path, name), 'utf8').slice(0, 40));
    await expect(mergeResults(new ResultFolder(path))).rejects.toThrow(`${name}: is no result`);
    rmSync(join(path, name));
    expect((await mergeResults(new ResultFolder(path))).counts.missing).toBe(1);
  });

  it('say so where there are none', async () => {
    const path = testFolder();
    mkdirSync(join(path, 'empty'));
    await expect(mergeResults(new ResultFolder(join(path, 'empty')))).rejects.toThrow(
      'no manifest',
    );
  });
});

describe('a share', () => {
  it.each(['0/2', '3/2', '1', '1/0', 'a/b', '-1/2'])('%j is none', (text) => {
    expect(() => parseShard(text)).toThrow(UsageError);
  });

  it('cannot be of standard input', async () => {
    const folder = new ResultFolder(testFolder());
    await expect(runShard(folder, share(['-']))).rejects.toThrow('can be read again');
  });
});

function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => '',
    (thrown: Error) => thrown.message,
  );
}

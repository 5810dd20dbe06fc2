import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

const generated = async (...args: string[]) => {
  const ended = await runProgram(['generate', ...args]);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  return ended.stdout;
};
const analysed = async (log: string) => {
  const ended = await runProgram(['analyze', '-', '--format', 'json'], { stdin: log });
  expect(ended.stderr).toBe('');
  return JSON.parse(ended.stdout) as Result;
};

describe('vtdscope generate', () => {
  it('makes the same bytes of the same seed, and others of another', async () => {
    const args = [
      '--acts',
      '20',
      '--devices',
      '2',
      '--migratable',
      '--timestamps',
      '--noise',
      '0.1',
    ];
    const first = await generated(...args, '--seed', '3');
    expect(await generated(...args, '--seed', '3')).toBe(first);
    expect(await generated(...args, '--seed', '4')).not.toBe(first);
  });

  it.each([
    ['7.2', 'legacy', '39', '1'],
    ['10.0', 'legacy', '48', '2'],
    ['10.2', 'iommufd', '48', '1'],
    ['10.2', 'vfio-user', '48', '1'],
    ['11.1', 'legacy', '48', '2'],
    ['11.1', 'iommufd', '39', '1'],
  ])(
    'is coherent: nothing seems to be lost (QEMU %s, %s, %s bits, devices: %s)',
    async (...setup) => {
      const [qemu, backend, awBits, devices] = setup;
      const kind = [
        '--qemu',
        qemu,
        '--backend',
        backend,
        '--aw-bits',
        awBits,
        '--devices',
        devices,
      ];
      const log = await generated(...kind, '--acts', '60', '--migratable', '--timestamps');
      const { traces } = await analysed(log);
      const [trace] = traces;
      expect(trace?.losses).toEqual([]);
      expect(trace?.totals.unmaps).toBeGreaterThan(0);
      const findings = trace?.sessions.flatMap((session) => session.findings) ?? [];
      expect(findings.filter(({ rule }) => rule === 'VTD014')).toEqual([]);
      const backends = trace?.sessions.flatMap(({ containers }) => containers) ?? [];
      expect(new Set(backends.map((container) => container.backend.value))).toEqual(
        new Set([backend]),
      );
    },
  );

  it('makes as many bytes as are asked for, in whole lines, and nothing seems to be lost', async () => {
    const log = await generated('--bytes', '3m', '--seed', '2');
    expect(log.length).toBeGreaterThanOrEqual(3 * 2 ** 20);
    expect(log.endsWith('\n')).toBe(true);
    const { traces } = await analysed(log);
    expect(traces[0]?.bytes).toBe(log.length);
    expect(traces[0]?.losses).toEqual([]);
  });

  it('writes what happened, and the analysis finds as many unmaps', async () => {
    const truthFile = join(testFolder(), 'truth.json');
    const log = await generated('--acts', '40', '--seed', '7', '--truth', truthFile);
    const truth = JSON.parse(readFileSync(truthFile, 'utf8')) as { unmaps: { iova: string }[] };
    const { traces } = await analysed(log);
    expect(traces[0]?.totals.unmaps).toBe(truth.unmaps.length);
    expect(truth.unmaps[0]?.iova).toMatch(/^0x[0-9a-f]+$/);
  });

  it.each([
    ['amd', 'amd-iommu'],
    ['virtio', 'virtio-iommu'],
  ])('makes a trace of a machine with %s', async (kind, name) => {
    const log = await generated('--viommu', kind, '--qemu', '11.1', '--migratable', '--seed', '4');
    const { traces } = await analysed(log);
    expect(traces[0]?.losses).toEqual([]);
    expect(traces[0]?.sessions[0]?.model.vIommu).toMatchObject({ value: name, source: 'trace' });
    expect(log).not.toMatch(/vtd_/);
  });

  it('ends quietly where its reader has had enough', async () => {
    const ended = await runProgram(['generate', '--bytes', '1g'], {
      onStart: (child) => {
        child.stdin.end();
        child.stdout?.once('data', () => child.stdout?.destroy());
      },
    });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
  });

  it.each([
    [['--qemu', '7.2', '--backend', 'iommufd'], 'QEMU 7.2 has no iommufd'],
    [['--qemu', '10.0', '--backend', 'vfio-user'], 'QEMU 10.0 has no vfio-user'],
    [['--qemu', '10.0', '--viommu', 'amd'], 'QEMU 10.0 has no VFIO behind amd'],
    [['--qemu', '11.1', '--viommu', 'virtio', '--backend', 'iommufd'], 'container behind virtio'],
    [['--seed', 'x'], "'x'"],
    [['--bytes', '0'], 'a size such as 100k'],
    [['--noise', '1'], 'from 0 to below 1'],
    [['--bytes', '1m', '--truth', 'truth.json'], 'use --acts'],
  ])('refuses %j', async (args, text) => {
    const ended = await runProgram(['generate', ...args]);
    expect(ended).toMatchObject({ status: 2, stdout: '' });
    expect(ended.stderr).toContain(text);
  });
});

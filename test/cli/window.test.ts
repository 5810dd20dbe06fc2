import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const TIMED = 'traces/qemu-10.0/blocked-aw48-ts.log.gz';
const TWO = 'traces/qemu-10.0/twodev-aw48.log.gz';
const WINDOW = ['--since', '2026-11-22T08:46:31+01:00', '--until', '+60', '--device', '00:10.0'];

describe('--since, --until and --device', () => {
  it('give the same whatever the number of threads, from a file and from standard input', async () => {
    const one = await runProgram([TIMED, ...WINDOW, '-f', 'json', '--jobs', '1']);
    const two = await runProgram([TIMED, ...WINDOW, '-f', 'json', '--jobs', '2']);
    expect(one.status).toBe(1);
    expect(two.stdout).toBe(one.stdout);
    const [trace] = (JSON.parse(one.stdout) as Result).traces;
    expect(trace?.window).toEqual({
      since: '1795333591000000000',
      until: String(BigInt(trace?.time.first ?? 0) + 60_000_000_000n),
      devices: ['00:10.0'],
    });
    const stdin = bytesOf(TIMED);
    const piped = await runProgram(['-', ...WINDOW, '-f', 'json'], { stdin });
    const [ofPipe] = (JSON.parse(piped.stdout) as Result).traces;
    expect(ofPipe?.sessions).toEqual(trace?.sessions);
  });

  it('make a bad row of a trace without times, and status 2', async () => {
    const { status, stderr, stdout } = await runProgram([TIMED, TWO, '--since', '+1', '-q']);
    expect(status).toBe(2);
    expect(stdout).toContain('In this window (since 2026-11-22T07:46:30.');
    expect(stderr).toContain(`${TWO}: the trace has no times, which --since and --until need`);
  });

  it('take several devices', async () => {
    const args = ['--device', '00:10.0', '--device', '0000:00:11.0', '-f', 'json'];
    const { stdout } = await runProgram([TWO, ...args]);
    const [trace] = (JSON.parse(stdout) as Result).traces;
    expect(trace?.window?.devices).toEqual(['00:10.0', '00:11.0']);
  });

  it.each([
    [['--since', '2026-11-22T07:46:31'], 'Expected a time with its zone'],
    [['--until', 'noon'], 'Expected a time with its zone'],
    [['--device', 'vfio0'], 'Expected a PCI device such as 00:10.0'],
    [['--device', '00:10.0', '--results', 'there'], 'do not go with --results'],
  ])('refuse %j', async (args, says) => {
    const { status, stderr } = await runProgram([TWO, ...args]);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });

  it('make a result that is compared with none', async () => {
    const file = join(testFolder(), 'part.json');
    writeFileSync(file, (await runProgram([TWO, '--device', '00:10.0', '-f', 'json'])).stdout);
    const { status, stderr } = await runProgram(['compare', TWO, file]);
    expect(status).toBe(2);
    expect(stderr).toContain(`${file}: is of a window`);
  });
});

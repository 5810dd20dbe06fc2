import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Finding, Trace } from '../../src/result/types.ts';
import { analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';

/** A log of 11.1 as its trace file has it, without stamps: only what an unmap under tracking does tells the version. */
const stamped = gunzipSync(readFileSync(`${root}traces/qemu-11.1/blocked-aw48.log.gz`)).toString();
const unstamped = stamped
  .split('\n')
  .map((line) => line.replace(/^[\dT:.-]+Z /, ''))
  .filter((line) => !line.includes('qemu-system'));

const shown = ({ rule, mode, device, cause, count }: Finding) =>
  [rule, mode, device, cause, count].join(' ');
const findingsOf = ({ sessions }: Trace) => sessions.flatMap(({ findings }) => findings.map(shown));

describe('a trace whose version comes out late', () => {
  it('is analysed as if it had been known from the first line on', async () => {
    const path = join(testFolder(), 'qemu.log');
    writeFileSync(path, unstamped.join('\n'));
    const { trace, unmaps } = await analyze(path);
    const { trace: known } = await analyze(`${root}traces/qemu-11.1/blocked-aw48.log.gz`);
    expect(findingsOf(trace)).toEqual(findingsOf(known));
    expect(findingsOf(trace).join()).not.toContain('VTD001');
    // The table is of the second reading alone.
    expect(unmaps).toHaveLength(trace.totals.unmaps);
  });

  it('is read again from standard input, where that is short', async () => {
    const { trace } = await analyze('-', {}, { stdin: streamOf(1) });
    expect(findingsOf(trace).join()).not.toContain('VTD001');
    expect(trace.reasons.join()).not.toContain('another version');
  });

  it('says so where it cannot be read again', async () => {
    const { trace } = await analyze('-', {}, { stdin: streamOf(9) });
    expect(trace.reasons.join()).toContain(
      'unmaps were evaluated for another version of QEMU than later lines tell',
    );
    expect(trace.migration.answer).not.toBe('yes');
  });
});

async function* streamOf(times: number): AsyncGenerator<Uint8Array> {
  for (let time = 0; time < times; time += 1) yield Buffer.from(`${unstamped.join('\n')}\n`);
}

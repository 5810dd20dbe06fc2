import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { madeUpLogs } from '../helpers/made-up-logs.ts';
import { runProgram } from '../helpers/program.ts';

it('a trace for which the heap is too small ends with a sentence, and leaves nothing', async () => {
  const folder = testFolder();
  const { processes } = madeUpLogs;
  const log = join(folder, 'made-up.log');
  writeFileSync(log, `${processes?.(12_000).join('\n')}\n`);
  for (const jobs of ['1', '2']) {
    const unmaps = join(folder, 'unmaps.ndjson');
    const ended = await runProgram([log, '--jobs', jobs, '--unmaps', unmaps, '-q'], {
      environment: { NODE_OPTIONS: '--max-old-space-size=48' },
    });
    expect(ended.stderr).toContain('made-up.log: needs more memory than the ');
    expect(ended.stderr).not.toContain('GC');
    expect(ended.status).toBe(2);
    expect(readdirSync(folder).filter((name) => !name.startsWith('unmaps.ndjson'))).toEqual([
      'made-up.log',
    ]);
    expect(readdirSync(folder).filter((name) => name.includes('.ndjson.'))).toEqual([]);
  }
}, 240_000);

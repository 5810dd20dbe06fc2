import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { run } from '../../src/engine/run.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';
import { simpleBytes } from '../helpers/simple-trace.ts';

/** A trace without a header, and the list that names its events. */
function files() {
  const folder = testFolder();
  const trace = join(folder, 'trace.bin');
  const list = join(folder, 'trace-events-all');
  writeFileSync(trace, Buffer.concat([simpleBytes().event(1, []), simpleBytes().event(0, [5n])]));
  writeFileSync(list, 'qcow2_writev(int a) "%d"\nvtd_reset_exit(void) ""\n');
  return { trace, list, none: join(folder, 'none') };
}

it('names the events of a trace without a header', async () => {
  const { trace, list } = files();
  const { traces } = await run({ inputs: [trace], traceEvents: list, jobs: 1 });
  expect(traces).toMatchObject([
    { format: 'simple-headerless', events: 2, skippedEvents: { qcow2_writev: 1 } },
  ]);
});

it.each([
  ['none', 'the list of trace events cannot be read'],
  ['trace', 'is no trace-events-all'],
] as const)('refuses %s: %s', async (name, message) => {
  const paths = files();
  const failed = run({ inputs: [paths.trace], traceEvents: paths[name], jobs: 1 });
  await expect(failed).rejects.toThrow(UsageError);
  await expect(failed).rejects.toThrow(message);
});

it('that cannot be read keeps a whole queue from being filled', async () => {
  const { none, trace } = files();
  const queue = ['--queue', 'redis://127.0.0.1:1', '--results', testFolder()];
  const args = ['submit', trace, ...queue, '--trace-events-all', none];
  const { status, stderr } = await runProgram(args);
  expect(status).toBe(2);
  expect(stderr).toContain('the list of trace events cannot be read');
});

it('is never overwritten', async () => {
  const { trace, list } = files();
  const failed = run({ inputs: [trace], traceEvents: list, unmaps: list, jobs: 1 });
  await expect(failed).rejects.toThrow('an input, which an output would overwrite');
});

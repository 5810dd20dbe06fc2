import { Session } from 'node:inspector/promises';
import { pathToFileURL } from 'node:url';

/*
 * Counts the work of analysing logs: how often V8 ran each block of the built program, all added up.
 * Unlike time, that is the same in every run. Called with the library and the logs; prints a JSON
 * list of the counts.
 */

const [, , library, ...logs] = process.argv;
const { run } = await import(pathToFileURL(library).href);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** Blocks run since it was asked last. */
async function blocksRun() {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  let count = 0;
  for (const { url, functions } of result) {
    if (!url.includes('/dist/')) continue;
    for (const { ranges } of functions) for (const range of ranges) count += range.count;
  }
  return count;
}

// What is made once comes first.
for (const log of logs.slice(0, 1)) await run({ inputs: [log], jobs: 1 });
await blocksRun();
const counts = [];
for (const log of logs) {
  await run({ inputs: [log], jobs: 1 });
  counts.push(await blocksRun());
}
process.stdout.write(JSON.stringify(counts));

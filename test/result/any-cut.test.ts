import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RunOptions, run as runOf } from '../../src/index.ts';
import { jsonReport } from '../../src/reports/json.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf, captures, root } from '../helpers/ground-truth.ts';

// As it is built: threads take a second each to start from source.
const built = `${root}dist/src/index.js`;
const { run } = (await import(built)) as { readonly run: typeof runOf };

/** The result and both tables of a trace, to the byte. */
async function outcome(folder: string, options: Pick<RunOptions, 'jobs' | 'rangeBytes'>) {
  const [unmaps, mappings] = [join(folder, 'unmaps.ndjson'), join(folder, 'mappings.ndjson')];
  const result = await run({ ...options, inputs: [join(folder, 'trace')], unmaps, mappings });
  return {
    errors: result.traces.flatMap(({ error }) => error ?? []),
    json: [...jsonReport.render(result, { color: false, verbosity: 0, width: 80 })].join(''),
    unmaps: readFileSync(unmaps, 'utf8'),
    mappings: readFileSync(mappings, 'utf8'),
  };
}

/** A part of a real capture of some hundred lines, from its start or out of its middle. */
const part = fc.record({
  log: fc.constantFrom(...captures.map(({ log }) => log)),
  from: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.9, noNaN: true })),
  length: fc.integer({ min: 1000, max: 60_000 }),
});
type Part = typeof part extends fc.Arbitrary<infer Value> ? Value : never;

function contentOf({ log, from, length }: Part): Buffer {
  const bytes = bytesOf(log);
  const first = Math.floor(bytes.length * from);
  return bytes.subarray(first, first + length);
}

const start = Buffer.from(
  '\n2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13, kernel: 6.1\n',
);

it('a trace is the same to the byte for any number of threads and wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.array(
        fc.record({
          jobs: fc.constantFrom(1, 2, 4),
          rangeBytes: fc.integer({ min: 150, max: 900 }),
        }),
        {
          minLength: 2,
          maxLength: 2,
        },
      ),
      async (parts, hasBoots, cuts) => {
        const folder = testFolder();
        const boots = parts
          .map(contentOf)
          .flatMap((bytes) => (hasBoots ? [start, bytes] : [bytes]));
        writeFileSync(join(folder, 'trace'), Buffer.concat(boots));
        const whole = await outcome(folder, { jobs: 1 });
        // A few lines of noise may be no trace at all.
        fc.pre(whole.errors.length === 0);
        for (const cut of cuts) expect(await outcome(folder, cut)).toEqual(whole);
      },
    ),
    { numRuns: 8 },
  );
});

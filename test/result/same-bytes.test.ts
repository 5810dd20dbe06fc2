import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import { jsonReport } from '../../src/reports/json.ts';
import { testFolder } from '../helpers/folder.ts';
import { capture, root } from '../helpers/ground-truth.ts';
import { validateResult } from '../helpers/schema.ts';

const names = ['qemu-10.0/blocked-aw48', 'qemu-11.1/stale-aw48', 'qemu-7.2/blocked-aw48'];

async function jsonOf(input: string, stdin?: AsyncIterable<Uint8Array>): Promise<string> {
  const result = await run({
    inputs: [input],
    jobs: 1,
    ...(stdin !== undefined && { stdin }),
  });
  expect(validateResult(result)).toEqual([]);
  return [...jsonReport.render(result, { color: false, verbosity: 0, width: 80 })].join('');
}

/** Without the two fields that say where the bytes came from. */
const neutral = (text: string) =>
  text
    .replace(/"path": "[^"]*"/g, '"path": "…"')
    .replace(/"compression": "[^"]*"/g, '"compression": "…"');

describe.each(names)('%s', (name) => {
  it('gives the same bytes as plain file, as gzip, in two members, and from a pipe', async () => {
    const folder = testFolder();
    const packed = readFileSync(`${root}${capture(name).log}`);
    const bytes = gunzipSync(packed);
    const half = Math.floor(bytes.length / 2);
    const write = (file: string, content: Uint8Array) => {
      writeFileSync(join(folder, file), content);
      return join(folder, file);
    };
    const plain = await jsonOf(write('plain.log', bytes));
    const others = [
      await jsonOf(write('packed.log.gz', packed)),
      await jsonOf(
        // A name that lies about the content.
        write(
          'members.log',
          Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]),
        ),
      ),
      await jsonOf('-', createReadStream(join(folder, 'plain.log'), { highWaterMark: 1000 })),
      await jsonOf('-', createReadStream(join(folder, 'packed.log.gz'), { highWaterMark: 777 })),
    ];
    for (const other of others) expect(neutral(other)).toBe(neutral(plain));
    expect(others.map((text) => /"compression": "([^"]*)"/.exec(text)?.[1])).toEqual([
      'gzip',
      'gzip',
      'none',
      'gzip',
    ]);
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { root } from './ground-truth.ts';

export const samplesFolder = join(root, 'test/samples');

/** The bytes of a file in `test/samples`, which is compressed there if its name ends in `.gz`. */
export function sample(name: string): Buffer {
  const bytes = readFileSync(join(samplesFolder, name));
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** The first `count` lines. */
export function firstLines(bytes: Buffer, count: number): Buffer {
  let end = 0;
  for (let line = 0; line < count; line += 1) {
    const lf = bytes.indexOf('\n', end);
    if (lf < 0) return bytes;
    end = lf + 1;
  }
  return bytes.subarray(0, end);
}

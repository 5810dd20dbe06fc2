import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { inRotationOrder } from '../../src/bytes/rotation.ts';
import { run } from '../../src/engine/run.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf } from '../helpers/ground-truth.ts';

const CAPTURES = [
  'qemu-10.0/blocked-aw48.log.gz',
  'qemu-7.2/blocked-aw48.log.gz',
  'qemu-11.1/blocked-aw48.log.gz',
];

describe.each(CAPTURES)('%s in five pieces', (name) => {
  it.each([
    ['plain', 'none', false],
    ['the older ones compressed', 'gzip, none', true],
  ])('is analysed as the whole: %s', async (_, compression, isPacked) => {
    const folder = testFolder();
    const bytes = bytesOf(`traces/${name}`);
    const whole = join(folder, 'whole');
    writeFileSync(whole, bytes);
    const pieces = [4, 3, 2, 1, 0].map((age, index) => {
      // Most cuts are inside a line.
      const [from, to] = [index, index + 1].map((at) => Math.floor((bytes.length * at) / 5) + at);
      const piece = bytes.subarray(from, index === 4 ? bytes.length : to);
      const path = join(
        folder,
        `vm.log${age === 0 ? '' : `.${age}`}${age > 0 && isPacked ? '.gz' : ''}`,
      );
      writeFileSync(path, age > 0 && isPacked ? gzipSync(piece) : piece);
      return path;
    });
    const { traces } = await run({ inputs: pieces, isJoined: true, jobs: 1 });
    const [expected] = (await run({ inputs: [whole], jobs: 1 })).traces;
    expect(traces).toEqual([{ ...expected, path: join(folder, 'vm.log'), compression }]);
  });
});

describe('pieces', () => {
  it('are put in order by their numbers', () => {
    expect(inRotationOrder(['a/vm.log', 'a/vm.log.10.gz', 'a/vm.log.0', 'a/vm.log.2'])).toEqual([
      'a/vm.log.10.gz',
      'a/vm.log.2',
      'a/vm.log.0',
      'a/vm.log',
    ]);
  });

  it.each([
    [['a.log', 'b.log.1'], 'are not pieces of one log'],
    [['a.log.1', 'a.log.1.gz'], 'is there twice'],
  ])('of %j are refused', (paths, message) => {
    expect(() => inRotationOrder(paths)).toThrow(message);
  });
});

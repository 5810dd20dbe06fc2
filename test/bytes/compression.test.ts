import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { root } from '../helpers/ground-truth.ts';
import { inChunks, readSource } from './read-source.ts';

/** One log of QEMU 11.1.3, as the tools of each compression wrote it. */
const packed = (ending: string) =>
  readFileSync(join(root, `test/bytes/compressed/iso.log.${ending}`));
const BYTES = 1_171_424;
const SHA256 = '52406035c445a6a9';

const hashOf = (bytes: Uint8Array) =>
  createHash('sha256').update(bytes).digest('hex').slice(0, SHA256.length);
/** From a pipe, which has no name to be told by. */
const read = (bytes: Uint8Array, size = 65_536, options = {}) =>
  readSource('-', { stdin: inChunks(bytes, size), ...options });

const plain = (await read(packed('zst'))).bytes;

describe.each([
  // What a damaged place takes with it: a block, of bzip2 the whole.
  ['zstd', 'zst', 0],
  ['xz', 'xz', 65_536],
  ['bzip2', 'bz2', 1_000_000],
])('%s', (name, ending, blockBytes) => {
  const bytes = packed(ending);

  it('is decompressed, told by its content', async () => {
    const result = await read(bytes);
    expect([result.compression, result.losses]).toEqual([name, []]);
    expect([result.bytes.length, hashOf(result.bytes)]).toEqual([BYTES, SHA256]);
  });

  it.each([1, 7, 4096, 1 << 20])('does not depend on how a pipe cuts it: %i', async (size) => {
    const result = await read(bytes, size);
    expect([result.bytes.equals(plain), result.losses]).toEqual([true, []]);
  });

  it('may have many members, and be inside another compression', async () => {
    const result = await read(gzipSync(Buffer.concat([bytes, bytes])));
    expect([result.compression, result.losses]).toEqual([`gzip+${name}`, []]);
    expect(result.bytes.equals(Buffer.concat([plain, plain]))).toBe(true);
  });

  it('is told to be cut, wherever it is, and gives what comes before', async () => {
    for (let part = 1; part < 24; part += 1) {
      const cut = Math.floor((bytes.length * part) / 24);
      const result = await read(bytes.subarray(0, cut));
      expect(result.losses.map(({ kind }) => kind)).toEqual(['truncated']);
      expect(plain.subarray(0, result.bytes.length).equals(result.bytes)).toBe(true);
      const least = Math.floor((BYTES * cut) / bytes.length) - Math.max(200_000, blockBytes);
      expect(result.bytes.length).toBeGreaterThanOrEqual(least);
    }
    for (const missing of [1, 4, 8]) {
      const { losses } = await read(bytes.subarray(0, bytes.length - missing));
      expect(losses.map(({ kind }) => kind)).toEqual(['truncated']);
    }
  });

  it('that is damaged never passes for a whole one', async () => {
    let state = 1;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    for (let round = 0; round < 60; round += 1) {
      const damaged = Buffer.from(bytes);
      // The first bytes are what it is told by.
      const at = 20 + random(bytes.length - 20);
      damaged[at] = (damaged[at] as number) ^ (1 << random(8));
      const result = await read(damaged);
      if (!result.bytes.equals(plain)) expect(result.losses, `byte ${at}`).not.toEqual([]);
    }
  });

  it('gives what comes before the damage', async () => {
    const damaged = Buffer.from(bytes);
    damaged.fill(0xff, bytes.length - 2000, bytes.length - 1900);
    const result = await read(damaged);
    expect(result.losses.map(({ kind }) => kind)).toEqual(['unreadable']);
    expect(result.losses[0]?.detail).toMatch(/^the compressed input is damaged after \d+ /);
    const right = plain.subarray(0, result.bytes.length).equals(result.bytes);
    expect(right || name !== 'bzip2').toBe(true);
    expect(result.bytes.length).toBeGreaterThan(BYTES / 2);
  });

  it('in which one of a hundred bytes is another ends, with a loss', async () => {
    for (let round = 0; round < 5; round += 1) {
      const damaged = bytes.map((byte, at) => ((at * 31 + round) % 100 === 99 ? ~byte : byte));
      damaged.set(bytes.subarray(0, 12));
      expect((await read(Buffer.from(damaged))).losses).not.toEqual([]);
    }
  });

  it('of which the last checksum is another is delivered to the last byte, and told', async () => {
    const damaged = Buffer.from(bytes);
    damaged[bytes.length - 3] = (damaged[bytes.length - 3] as number) ^ 1;
    const result = await read(damaged);
    expect(result.bytes.equals(plain)).toBe(true);
    expect(result.losses.map(({ kind }) => kind)).toEqual(['unreadable']);
  });

  it('that is followed by something else is delivered to the last byte, and told', async () => {
    const result = await read(Buffer.concat([bytes, Buffer.from('something else')]));
    expect(result.bytes.equals(plain)).toBe(true);
    expect(result.losses.map(({ kind }) => kind)).toEqual(['unreadable']);
  });

  it('is decompressed up to the limit that the user sets', async () => {
    const result = await read(bytes, 65_536, { maxDecompressedBytes: 500_000 });
    expect(result.bytes.equals(plain.subarray(0, 500_000))).toBe(true);
    expect(result.losses[0]?.detail).toMatch(/--max-decompressed/);
  });

  it('can be read by several at a time', async () => {
    const all = await Promise.all([read(bytes, 1000), read(bytes, 5000), read(bytes)]);
    expect(all.map((result) => result.bytes.equals(plain))).toEqual([true, true, true]);
  });
});

describe('zstd', () => {
  it('passes over frames that are to be skipped', async () => {
    const skipped = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const result = await read(Buffer.concat([skipped, packed('zst'), skipped]));
    expect([result.compression, result.losses]).toEqual(['zstd', []]);
    expect(result.bytes.equals(plain)).toBe(true);
  });

  it('that unpacks to gigabytes is given up, without having them in memory', async () => {
    // One frame of blocks of 128 KiB, each a byte that is repeated.
    const block = Buffer.from([0x02, 0x00, 0x10, 0x41]);
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
    const bomb = Buffer.concat([head, ...Array.from({ length: 10_000 }, () => block)]);
    const result = await read(bomb, 65_536, { maxDecompressedBytes: 3_000_000 });
    expect(result.bytes.equals(Buffer.alloc(3_000_000, 'A'))).toBe(true);
    expect(result.losses[0]?.detail).toMatch(/--max-decompressed/);
  });

  it('that asks for more memory than tools give it is told', async () => {
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]);
    const { bytes, losses } = await read(head);
    expect(bytes.length).toBe(0);
    expect(losses[0]?.detail).toMatch(/the window is larger than 128 MiB/);
  });
});

describe('bzip2', () => {
  it('of nothing is nothing', async () => {
    const nothing = Buffer.from('425a683917724538509000000000', 'hex');
    const { bytes, compression, losses } = await read(nothing);
    expect([bytes.length, compression, losses]).toEqual([0, 'bzip2', []]);
  });
});

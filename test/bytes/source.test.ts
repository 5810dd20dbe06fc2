import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TraceError } from '../../src/base/errors.ts';
import { openSource } from '../../src/bytes/source.ts';
import { testFolder } from '../helpers/folder.ts';
import { inChunks, type ReadSource, readSource, someLog } from './read-source.ts';

/** A file of these bytes, for the running test. */
function fileOf(bytes: Uint8Array | string, name = 'trace'): string {
  const path = join(testFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const fromPipe = (bytes: Uint8Array, size = 65_536) =>
  readSource('-', { stdin: inChunks(bytes, size) });

/** Reads bytes as a file and as a pipe, which must not differ. */
async function read(bytes: Uint8Array): Promise<ReadSource> {
  const file = await readSource(fileOf(bytes));
  const pipe = await fromPipe(bytes);
  expect(pipe.bytes.equals(file.bytes)).toBe(true);
  expect(pipe.head.equals(file.head)).toBe(true);
  expect({ ...pipe, bytes: 0, head: 0 }).toEqual({ ...file, bytes: 0, head: 0 });
  return file;
}

const log = someLog(400_000);

describe('plain input', () => {
  it('comes as it is', async () => {
    const { bytes, head, compression, losses } = await read(log);
    expect(bytes.equals(log)).toBe(true);
    expect(head.equals(log.subarray(0, 65_536))).toBe(true);
    expect([compression, losses]).toEqual(['none', []]);
  });

  it('has a size to be cut in ranges only as a file', async () => {
    const file = await openSource(fileOf(log));
    expect(file.ranges?.bytes).toBe(log.length);
    file.close();
    const pipe = await openSource('-', { stdin: inChunks(log, 1000) });
    expect([pipe.ranges, pipe.inputBytes]).toEqual([null, null]);
  });

  it('counts the bytes of the input as they are read', async () => {
    const packed = gzipSync(log);
    for (const bytes of [log, packed]) {
      const source = await openSource(fileOf(bytes));
      expect(source.inputBytes).toBe(bytes.length);
      for await (const _ of source.chunks());
      expect(source.readBytes()).toBe(bytes.length);
      source.close();
    }
  });

  it('may be empty', async () => {
    const { bytes, head, losses } = await read(Buffer.alloc(0));
    expect([bytes.length, head.length, losses]).toEqual([0, 0, []]);
  });

  it('is not taken for gzip by one byte of its magic number', async () => {
    expect((await read(Buffer.from([0x1f]))).compression).toBe('none');
  });
});

describe('gzip', () => {
  it('is decompressed, whatever the name', async () => {
    const { bytes, compression, losses } = await read(gzipSync(log));
    expect(bytes.equals(log)).toBe(true);
    expect([compression, losses]).toEqual(['gzip', []]);
  });

  it('may have many members, and empty ones', async () => {
    const members = [gzipSync('one\n'), gzipSync(''), gzipSync(log), gzipSync('end\n')];
    const { bytes, losses } = await read(Buffer.concat(members));
    expect(bytes.equals(Buffer.concat([Buffer.from('one\n'), log, Buffer.from('end\n')]))).toBe(
      true,
    );
    expect(losses).toEqual([]);
  });

  it('does not depend on how a pipe cuts it', async () => {
    const small = someLog(3000);
    const packed = Buffer.concat([gzipSync(small), gzipSync(small)]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: packed.length }), async (size) => {
        const { bytes, losses } = await fromPipe(packed, size);
        expect(bytes.equals(Buffer.concat([small, small]))).toBe(true);
        expect(losses).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('may be inside gzip', async () => {
    const { bytes, compression } = await read(gzipSync(gzipSync(log)));
    expect(bytes.equals(log)).toBe(true);
    expect(compression).toBe('gzip+gzip');
  });

  it('may be padded with NUL', async () => {
    const { bytes, losses } = await read(Buffer.concat([gzipSync('a\n'), Buffer.alloc(100_000)]));
    expect([bytes.toString(), losses]).toEqual(['a\n', []]);
  });

  it('of nothing is nothing', async () => {
    const { bytes, compression, losses } = await read(gzipSync(''));
    expect([bytes.length, compression, losses]).toEqual([0, 'gzip', []]);
  });

  it('inside gzip inside gzip inside gzip is refused', async () => {
    const nested = gzipSync(gzipSync(gzipSync(gzipSync('a'))));
    await expect(read(nested)).rejects.toThrow('is compressed more than 3 times');
  });
});

/** All that a front part of a gzip stream holds. */
function frontOf(packed: Uint8Array): Buffer {
  return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
}

describe('gzip that is cut off', () => {
  it('gives all that came, and says so, wherever it is cut', async () => {
    const packed = gzipSync(someLog(2000));
    for (let cut = 2; cut < packed.length; cut += 1) {
      const front = packed.subarray(0, cut);
      const { bytes, losses } = await fromPipe(front, 500);
      expect(bytes.equals(frontOf(front)), `cut at ${cut}`).toBe(true);
      expect(losses).toEqual([
        {
          kind: 'truncated',
          detail: `the compressed input ends after ${bytes.length} decompressed bytes, before its end`,
        },
      ]);
    }
  });

  it('gives all that came of a long one, as a file and as a pipe', async () => {
    const packed = gzipSync(someLog(1_500_000));
    expect(packed.length).toBeGreaterThan(250_000);
    for (const cut of [
      32_767,
      32_768,
      32_769,
      65_536,
      200_001,
      packed.length - 8,
      packed.length - 1,
    ]) {
      const front = packed.subarray(0, cut);
      const { bytes, losses } = await read(front);
      expect(bytes.equals(frontOf(front)), `cut at ${cut}`).toBe(true);
      expect(losses.map(({ kind }) => kind)).toEqual(['truncated']);
    }
  });

  it('in its second member, gives the first', async () => {
    const front = Buffer.concat([gzipSync('a\n'), gzipSync('b\n').subarray(0, 5)]);
    const { bytes, losses } = await read(front);
    expect(bytes.toString()).toBe('a\n');
    expect(losses.map(({ kind }) => kind)).toEqual(['truncated']);
  });

  it('inside gzip, gives what it holds', async () => {
    const packed = gzipSync(log);
    const inner = packed.subarray(0, packed.length / 2);
    const { bytes, losses } = await read(gzipSync(inner));
    expect(bytes.equals(frontOf(inner))).toBe(true);
    expect(losses.map(({ kind }) => kind)).toEqual(['truncated']);
  });
});

describe('gzip that is damaged', () => {
  const packed = gzipSync(someLog(1_500_000));

  it.each([700, 32_767, 32_768, 32_769, 100_000, 250_000])(
    'at byte %i gives all that comes before the damage, and says so',
    async (at) => {
      const damaged = Buffer.from(packed);
      damaged.fill(0xff, at, at + 64);
      const { bytes, losses } = await read(damaged);
      const before = frontOf(packed.subarray(0, at));
      expect(bytes.subarray(0, before.length).equals(before)).toBe(true);
      expect(losses.map(({ kind }) => kind)).toEqual(['unreadable']);
      expect(losses[0]?.detail).toMatch(
        /^the compressed input is damaged after \d+ decompressed bytes: /,
      );
    },
  );

  it('in its checksum is delivered to the last byte', async () => {
    const damaged = gzipSync(log);
    damaged[damaged.length - 6] = (damaged[damaged.length - 6] as number) ^ 1;
    const { bytes, losses } = await read(damaged);
    expect(bytes.equals(log)).toBe(true);
    expect(losses.map(({ kind }) => kind)).toEqual(['unreadable']);
  });

  it('by something behind it is delivered to the last byte', async () => {
    for (const tail of ['garbage', '\0\0\0garbage', `${'\0'.repeat(70_000)}garbage`]) {
      const { bytes, losses } = await read(Buffer.concat([gzipSync(log), Buffer.from(tail)]));
      expect(bytes.equals(log)).toBe(true);
      expect(losses.map(({ kind }) => kind)).toEqual(['unreadable']);
    }
  });

  it('from its start gives nothing, and says so', async () => {
    const { bytes, losses } = await read(Buffer.from([0x1f, 0x8b, 0xff, 0xff, 1, 2, 3, 4]));
    expect(bytes.length).toBe(0);
    expect(losses.map(({ kind }) => kind)).toEqual(['unreadable']);
  });
});

describe('a decompression bomb', () => {
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 });
  const bomb = Buffer.concat(Array.from({ length: 18 }, () => member));

  it.each([
    ['its ratio', bomb],
    ['its ratio to the outermost input', gzipSync(bomb)],
  ])('is told by %s, and given up', async (_, packed) => {
    const source = await openSource('-', { stdin: inChunks(packed, 65_536) });
    let output = 0;
    for await (const chunk of source.chunks()) output += chunk.length;
    expect(output).toBeGreaterThan(2 ** 29);
    expect(output).toBeLessThanOrEqual(18 * 64 * 1024 * 1024);
    const [loss] = source.finish(output).losses;
    expect(loss?.kind).toBe('truncated');
    expect(loss?.detail).toMatch(/looks like a decompression bomb .*--max-decompressed/);
  });

  it('is what goes beyond the limit that the user sets; what comes before is kept', async () => {
    const path = fileOf(gzipSync(log));
    for (const limit of [0, 100, 70_000, log.length - 1]) {
      const { bytes, losses } = await readSource(path, { maxDecompressedBytes: limit });
      expect(bytes.equals(log.subarray(0, limit))).toBe(true);
      const detail = `the compressed input goes on beyond the ${limit} bytes that --max-decompressed allows`;
      expect(losses).toEqual([{ kind: 'truncated', detail }]);
    }
    const { bytes, losses } = await readSource(path, { maxDecompressedBytes: log.length });
    expect([bytes.length, losses]).toEqual([log.length, []]);
  });
});

describe('UTF-16 with a byte order mark', () => {
  const text = 'vtd_reset_exit \r\nqemu: Größe €𝄞\r\n';
  const little = Buffer.from(`\ufeff${text}`, 'utf16le');
  const big = Buffer.from(little).swap16();

  it('is read as UTF-8, in either order', async () => {
    for (const bytes of [little, big]) {
      const { bytes: read16, compression, head } = await read(bytes);
      expect(read16.toString()).toBe(text);
      expect([compression, head.toString()]).toEqual(['utf-16', text]);
    }
  });

  it('is read whole, however a pipe cuts it', async () => {
    for (const size of [1, 2, 3, 5, 7]) {
      expect((await fromPipe(big, size)).bytes.toString()).toBe(text);
    }
  });

  it('may be inside gzip', async () => {
    const { bytes, compression } = await read(gzipSync(little));
    expect([bytes.toString(), compression]).toEqual([text, 'gzip+utf-16']);
  });

  it('that ends inside a character shows it', async () => {
    const { bytes } = await read(little.subarray(0, little.length - 1));
    expect(bytes.toString()).toBe(`${text.slice(0, -1)}\ufffd`);
  });
});

describe('what is not read', () => {
  const tar = Buffer.alloc(512);
  tar.write('logs/qemu.log', 0);
  tar.write('ustar', 257);

  it.each([
    ['lz4', [0x04, 0x22, 0x4d, 0x18, 0x64], 'is lz4-compressed', 'lz4 -dc'],
    ['zip', [...Buffer.from('PK\x03\x04')], 'is a zip archive', 'unzip -p'],
    ['tar', [...tar], 'is a tar archive', 'tar -xOf'],
  ])('%s is refused with the command that helps', async (_, bytes, what, command) => {
    const path = fileOf(Buffer.from(bytes));
    const help = `${what}, expected plain text, or gzip, zstd, xz or bzip2 of it; try: ${command} ${path} | vtdscope -`;
    await expect(openSource(path)).rejects.toThrow(`${path}: ${help}`);
  });

  it('is refused inside gzip, with both commands', async () => {
    const path = fileOf(gzipSync(tar));
    await expect(openSource(path)).rejects.toThrow(
      `try: gzip -dc ${path} | tar -xOf - | vtdscope -`,
    );
  });

  it('is told by more than the letters that a text may begin with', async () => {
    expect((await read(Buffer.from('BZh, a text\n'))).compression).toBe('none');
    expect((await read(Buffer.from('P*M text\n'))).compression).toBe('none');
  });

  it.each([
    ['a directory', () => testFolder(), 'is a directory, expected a file'],
    ['a file that is not there', () => join(testFolder(), 'nothing'), 'no such file'],
  ])('%s is told as what it is', async (_, make, problem) => {
    const path = make();
    const opened = openSource(path);
    await expect(opened).rejects.toThrow(`${path}: ${problem}`);
    await expect(opened).rejects.toBeInstanceOf(TraceError);
  });
});

describe('an input that fails', () => {
  async function* failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    if (bytes.length > 0) yield bytes;
    throw new Error('input/output error');
  }

  it('at once cannot be used', async () => {
    const opened = openSource('-', { stdin: failing(Buffer.alloc(0)) });
    await expect(opened).rejects.toThrow('-: cannot be read: input/output error');
    await expect(opened).rejects.toBeInstanceOf(TraceError);
  });

  it('later gives what came, and says so', async () => {
    const { bytes, losses } = await readSource('-', { stdin: failing(log) });
    expect(bytes.equals(log)).toBe(true);
    const detail = `the input cannot be read beyond ${log.length} bytes: input/output error`;
    expect(losses).toEqual([{ kind: 'unreadable', detail }]);
  });

  it('later gives what could be decompressed, and says both', async () => {
    const packed = gzipSync(log);
    const front = packed.subarray(0, packed.length / 2);
    const { bytes, losses } = await readSource('-', { stdin: failing(front) });
    expect(bytes.equals(frontOf(front))).toBe(true);
    expect(losses.map(({ kind }) => kind)).toEqual(['unreadable', 'truncated']);
  });
});

describe('what is opened', () => {
  const isOpen = (path: string) =>
    readdirSync('/proc/self/fd').some((fd) => {
      const link = `/proc/self/fd/${fd}`;
      return existsSync(link) && readlinkSync(link) === path;
    });

  it.skipIf(!existsSync('/proc/self/fd'))('is open once, and closed when it is told', async () => {
    for (const bytes of [log, gzipSync(log)]) {
      const path = fileOf(bytes);
      const source = await openSource(path);
      for await (const chunk of source.chunks()) {
        expect(isOpen(path)).toBe(true);
        if (chunk.length > 0) break;
      }
      source.close();
      expect(isOpen(path)).toBe(false);
    }
  });

  it.skipIf(!existsSync('/proc/self/fd'))('is closed where it is refused', async () => {
    const path = fileOf(Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x64]));
    await expect(openSource(path)).rejects.toThrow('lz4');
    expect(isOpen(path)).toBe(false);
  });
});

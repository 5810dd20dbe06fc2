import { describe, expect, it } from 'vitest';
import { DamagedArchive, entriesOf, type TarEntry } from '../../src/bytes/tar/entries.ts';
import { isTar } from '../../src/bytes/tar/header.ts';
import { attributes, type Packed, entriesOf as packed, tarOf } from '../helpers/tar.ts';
import { inChunks } from './read-source.ts';

const HEAD = 1000;

/** The files of an archive and the message of its damage, however it comes. */
async function read(archive: Buffer, size = 700) {
  const found: TarEntry[] = [];
  let damage: string | null = null;
  try {
    for await (const entry of entriesOf(inChunks(archive, size), () => HEAD)) found.push(entry);
  } catch (thrown) {
    if (!(thrown instanceof DamagedArchive)) throw thrown;
    damage = thrown.message;
  }
  for (const { head, offset, size: bytes } of found) {
    expect(head.equals(archive.subarray(offset, offset + Math.min(bytes, HEAD)))).toBe(true);
  }
  return { names: found.map(({ name }) => name.toString()), found, damage };
}

const files: readonly Packed[] = [
  { name: 'a/one.log', content: 'one\n' },
  { name: 'a/', type: '5' },
  { name: 'two.log', content: 'x'.repeat(5000) },
  { name: 'empty' },
];

describe('an archive', () => {
  const archive = tarOf(...files);

  it.each([1, 7, 512, 4096, 1 << 20])('gives its files, cut by %i bytes', async (size) => {
    const { damage, found, names } = await read(archive, size);
    expect([names, damage]).toEqual([['a/one.log', 'two.log', 'empty'], null]);
    expect(found.map((entry) => entry.size)).toEqual([4, 5000, 0]);
  });

  it('is told by the sum in its first header', () => {
    expect(isTar(archive)).toBe(true);
    expect(isTar(tarOf({ name: 'old', magic: '' }))).toBe(true);
    for (const at of [0, 130, 150, 300]) {
      const damaged = Buffer.from(archive);
      damaged[at] = (damaged[at] as number) ^ 1;
      expect(isTar(damaged)).toBe(false);
    }
    expect(isTar(archive.subarray(0, 511))).toBe(false);
    expect(isTar(Buffer.alloc(1024))).toBe(false);
  });

  it('that is cut off gives what comes before, and says so, wherever it is', async () => {
    const whole = packed(...files).length;
    for (let cut = 1; cut < whole + 1024; cut += 111) {
      const { damage, names } = await read(archive.subarray(0, cut));
      expect(damage, `cut at ${cut}`).toMatch(/ends before its end/);
      expect(['a/one.log', 'two.log', 'empty'].slice(0, names.length)).toEqual(names);
    }
    expect((await read(archive.subarray(0, whole + 1024))).damage).toBeNull();
  });

  it('with something else behind it says so', async () => {
    const { damage, names } = await read(Buffer.concat([archive, Buffer.from('more')]));
    expect(names.length).toBe(3);
    expect(damage).toMatch(/something else follows its end/);
  });

  it('with a damaged header gives what comes before', async () => {
    const damaged = Buffer.from(archive);
    damaged.fill(0xff, 1536, 1600);
    const { damage, names } = await read(damaged);
    expect(names).toEqual(['a/one.log']);
    expect(damage).toMatch(/no header of a file at byte 1536/);
  });
});

describe('a name', () => {
  const long = `${'d'.repeat(90)}/${'n'.repeat(90)}.log`;

  it.each<[string, readonly Packed[], string]>([
    ['of GNU', [{ name: '././@LongLink', type: 'L', content: `${long}\0` }, { name: 'cut' }], long],
    ['of pax', [attributes({ mtime: '1.5', path: long }), { name: 'cut' }], long],
    ['in two parts', [{ name: 'n.log', prefix: 'd/e' }], 'd/e/n.log'],
    [
      'without the second part, of GNU',
      [{ name: 'n.log', prefix: 'd/e', magic: 'ustar ' }],
      'n.log',
    ],
    ['that leads elsewhere is only text', [{ name: '../../etc/x' }], '../../etc/x'],
  ])('%s', async (_, entries, name) => {
    expect((await read(tarOf(...entries))).names).toEqual([name]);
  });
});

describe('a header', () => {
  const field = (text: string) => Buffer.from(text.padEnd(12, '\0'), 'latin1');
  const binary = (value: bigint) =>
    Buffer.from(`8000000000000000${value.toString(16).padStart(8, '0')}`, 'hex');

  it('may have its size as a number, or in attributes', async () => {
    const content = 'x'.repeat(600);
    const { found } = await read(
      tarOf({ name: 'a', content, size: binary(600n) }, attributes({ size: '600' }), {
        name: 'b',
        content,
        size: field('00000000000'),
      }),
    );
    expect(found.map(({ size }) => size)).toEqual([600, 600]);
  });

  it.each<[string, readonly Packed[]]>([
    ['of a size beyond all', [{ name: 'a', size: Buffer.from('80ffffffffffffffffffffff', 'hex') }]],
    ['of a size below zero', [{ name: 'a', size: Buffer.from('ffffffffffffffffffffff00', 'hex') }]],
    ['of a size that is none', [{ name: 'a', size: field('9z') }]],
    ['of more than there is', [{ name: 'a', size: field('77777777777') }]],
    ['of attributes without end', [{ name: 'a', type: 'x', size: field('77777777777') }]],
    ['of a name without end', [{ name: 'a', type: 'L', size: field('00777777777') }]],
  ])('%s is damage', async (_, entries) => {
    const { damage } = await read(tarOf(...entries, { name: 'behind', content: 'x' }));
    expect(damage).not.toBeNull();
  });

  it('of a link has no data behind it, and is passed over like a device', async () => {
    const entries: Packed[] = ['1', '2', '3', '4', '6'].map((type) => ({
      name: type,
      type,
      linkTo: '/etc/passwd',
      size: field('00000001000'),
    }));
    const { damage, names } = await read(tarOf(...entries, { name: 'behind', content: 'x' }));
    expect([names, damage]).toEqual([['behind'], null]);
  });

  it('of another type is passed over, with its data', async () => {
    const entries: Packed[] = ['g', 'K', 'V', 'Z'].map((type) => ({
      name: type,
      type,
      content: 'x',
    }));
    const { damage, names } = await read(tarOf(...entries, { name: 'behind' }));
    expect([names, damage]).toEqual([['behind'], null]);
  });

  it('of a sparse file says so, of GNU and of pax', async () => {
    const map = packed({ name: 'old', type: 'S', content: 'data', magic: 'ustar ' });
    const further = Buffer.alloc(512);
    map[482] = 1;
    map.fill(' ', 148, 156);
    const sum = map.subarray(0, 512).reduce((all, byte) => all + byte, 0);
    map.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const old = Buffer.concat([map.subarray(0, 512), further, map.subarray(512)]);
    const pax = tarOf(attributes({ 'GNU.sparse.major': '1' }), { name: 'new', content: 'data' });
    const { damage, found } = await read(Buffer.concat([old, pax]));
    expect(damage).toBeNull();
    expect(found.map(({ isSparse, size }) => [isSparse, size])).toEqual([
      [true, 4],
      [true, 4],
    ]);
  });
});

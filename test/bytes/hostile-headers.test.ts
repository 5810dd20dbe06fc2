import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { simpleBytes } from '../helpers/simple-trace.ts';
import { attributes, entriesOf } from '../helpers/tar.ts';

/*
 * Headers that promise what is not there: whoever makes room for it before it comes has no memory left.
 */

const MIB = 1024 * 1024;
const MOST_MIB = 200;
const { header, mapping, event } = simpleBytes();
const fixture = (name: string) => readFileSync(`${root}test/bytes/compressed/${name}`);

/** A record of a binary trace with another number of four bytes in it. */
function patched(record: Buffer, at: number, number: number): Buffer {
  const bytes = Buffer.from(record);
  bytes.writeUInt32LE(number, at);
  return bytes;
}

const NAMES = Buffer.concat([header(), mapping(1, 'vtd_reset_exit'), mapping(2, 'vfio_realize')]);
const LENGTH_OF_NAME = 16;
const LENGTH_OF_EVENT = 24;
const LENGTH_OF_TEXT = 32;

/** An xz file whose dictionary is said to be of 4 GiB. */
function xzOfLargeDictionary(): Buffer {
  const bytes = Buffer.from(fixture('iso.log.xz'));
  const start = 12;
  const size = ((bytes[start] ?? 0) + 1) * 4;
  // Flags, filter LZMA2, one byte of properties, the size of the dictionary (the .xz format, 5.3.1).
  const at = bytes.indexOf(Buffer.from([0x21, 0x01]), start) + 2;
  bytes[at] = 40;
  bytes.writeUInt32LE(crc32(bytes.subarray(start, start + size - 4)), start + size - 4);
  return bytes;
}

const FILES: Readonly<Record<string, Uint8Array>> = {
  'name of 4 GiB': Buffer.concat([NAMES, patched(mapping(3, 'x'), LENGTH_OF_NAME, 0xffff_ffff)]),
  'event of 4 GiB': Buffer.concat([NAMES, patched(event(1, []), LENGTH_OF_EVENT, 0xffff_ffff)]),
  'event of 2 GiB': Buffer.concat([NAMES, patched(event(1, []), LENGTH_OF_EVENT, 0x7fff_ffff)]),
  'text of 4 GiB': Buffer.concat([NAMES, patched(event(2, ['x']), LENGTH_OF_TEXT, 0xffff_ffff)]),
  'file of 8 GiB': entriesOf({ name: 'a.log', size: Buffer.from('77777777777\0') }),
  'file of 2^53': entriesOf({
    name: 'a.log',
    size: Buffer.from('80000000001fffffffffffff', 'hex'),
  }),
  'attributes of 8 GiB': entriesOf({ name: 'x', type: 'x', size: Buffer.from('77777777777\0') }),
  'long name of 8 GiB': entriesOf({ name: 'x', type: 'L', size: Buffer.from('77777777777\0') }),
  'size of 2^53 in attributes': entriesOf(attributes({ size: '9007199254740991' }), { name: 'a' }),
  'window of 3.75 TiB': Buffer.concat([
    Buffer.from('28b52ffd00ff', 'hex'),
    fixture('iso.log.zst').subarray(6),
  ]),
  'content of 2^64': Buffer.concat([
    Buffer.from('28b52ffde0ffffffffffffffff', 'hex'),
    fixture('iso.log.zst').subarray(6),
  ]),
  'dictionary of 4 GiB': xzOfLargeDictionary(),
  'bzip2 of nothing': Buffer.concat([Buffer.from('BZh91AY&SY'), Buffer.alloc(4000, 0xff)]),
  'gzip of zeros': gzipSync(Buffer.alloc(64 * MIB)),
  'gzip with a long name': Buffer.concat([
    Buffer.from('1f8b08080000000000ff', 'hex'),
    Buffer.alloc(2 * MIB, 'x'),
  ]),
  'brackets of an answer': Buffer.from(`{"data":{"result":${'['.repeat(2 * MIB)}`),
  'brackets of an array': Buffer.from(`[{"event":"vtd_reset_exit"},${'['.repeat(2 * MIB)}`),
  'digits of a number': Buffer.from(`{"event":"vtd_reset_exit","ts":${'9'.repeat(2 * MIB)}}\n`),
};

/** Tells the greatest memory of the process, in KiB, when it ends. */
const TELLS_MEMORY =
  'data:text/javascript,process.on("exit",()=>console.error("peak",process.resourceUsage().maxRSS))';

it.each(Object.entries(FILES))('%s is not believed', (name, bytes) => {
  const folder = testFolder();
  const path = join(folder, 'trace');
  writeFileSync(path, bytes);
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', TELLS_MEMORY, `${root}dist/src/cli.js`, path, '-j', '1', '-q'],
    { encoding: 'utf8' },
  );
  const peak = Number(/^peak (\d+)$/m.exec(stderr)?.[1]) / 1024;
  expect(stderr).not.toContain('internal error');
  expect([2, 3], stderr).toContain(status);
  expect(peak, name).toBeLessThan(MOST_MIB);
});

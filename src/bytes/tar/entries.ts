import type { Chunks } from '../chunks.ts';
import { BLOCK_BYTES, headerOf, type TarHeader } from './header.ts';
import { Pull } from './pull.ts';

/** A file in an archive. */
export interface TarEntry {
  readonly name: Buffer;
  /** Where its bytes lie in the archive, decompressed. */
  readonly offset: number;
  readonly size: number;
  /** Its bytes are not those of the file: GNU tar leaves holes out. */
  readonly isSparse: boolean;
  /** The first of its bytes. */
  readonly head: Buffer;
}

/** An archive that cannot be followed any further. */
export class DamagedArchive extends Error {}

/** Longest name, and most attributes, that are read; those of programs have some hundred bytes. */
const LONGEST_TEXT = 1024 * 1024;

const FILE_TYPES = ['0', '\0', '7'];
const SPARSE = 'S';
const LONG_NAME = 'L';
const ATTRIBUTES = 'x';
/** GNU tar: a byte that is not 0 where more blocks of a sparse file's map follow. */
const IS_EXTENDED = 482;
const IS_EXTENDED_FURTHER = 504;

/**
 * The files in an archive, in their order, while it is read. Directories, devices and links are
 * passed over: what a hard link leads to is there under another name. Names are only text.
 *
 * `headBytes`: how much of a file is wanted, by its first bytes.
 *
 * @throws DamagedArchive behind what comes before the damage
 */
export async function* entriesOf(
  input: Chunks,
  headBytes: (start: Buffer) => number,
): AsyncGenerator<TarEntry> {
  const bytes = new Pull(input);
  try {
    let given: Attributes = {};
    for (let header = await nextHeader(bytes); header !== null; header = await nextHeader(bytes)) {
      const { type } = header;
      if (type === LONG_NAME || type === ATTRIBUTES) {
        const text = await textBehind(header, bytes);
        const told = type === LONG_NAME ? { name: withoutNul(text) } : attributesIn(text);
        given = { ...given, ...told };
        continue;
      }
      yield* entryOf(header, given, bytes, headBytes);
      given = {};
    }
  } finally {
    await bytes.close();
  }
}

/** The next header; null behind the last. */
async function nextHeader(bytes: Pull): Promise<TarHeader | null> {
  const at = bytes.position;
  const block = await bytes.take(BLOCK_BYTES);
  if (block.every((byte) => byte === 0) && block.length === BLOCK_BYTES) {
    await checkEnd(bytes);
    return null;
  }
  if (block.length < BLOCK_BYTES) throw endsEarly();
  const header = headerOf(block);
  if (header === null) throw new DamagedArchive(`no header of a file at byte ${at}`);
  if (header.type === SPARSE) await skipMap(block, bytes);
  return header;
}

function endsEarly(): DamagedArchive {
  return new DamagedArchive('it ends before its end');
}

/** Behind the last file there are zeros, of two blocks at least. */
async function checkEnd(bytes: Pull): Promise<void> {
  let blocks = 1;
  for (;;) {
    const rest = await bytes.take(BLOCK_BYTES);
    if (rest.some((byte) => byte !== 0)) {
      throw new DamagedArchive(`something else follows its end, at byte ${bytes.position}`);
    }
    if (rest.length < BLOCK_BYTES) break;
    blocks += 1;
  }
  if (blocks < 2) throw endsEarly();
}

/** The map of a sparse file goes on before its data. */
async function skipMap(header: Buffer, bytes: Pull): Promise<void> {
  let isExtended = header[IS_EXTENDED] !== 0;
  while (isExtended) {
    const block = await bytes.take(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw endsEarly();
    isExtended = block[IS_EXTENDED_FURTHER] !== 0;
  }
}

async function* entryOf(
  { name, size, type }: TarHeader,
  given: Attributes,
  bytes: Pull,
  headBytes: (start: Buffer) => number,
): AsyncGenerator<TarEntry> {
  const all = given.size ?? size;
  if (all === null) throw new DamagedArchive(`no size of a file before byte ${bytes.position}`);
  const isSparse = type === SPARSE || given.isSparse === true;
  const isFile = FILE_TYPES.includes(type) || isSparse;
  // Of links, ustar may give the size of what they lead to; no data follows them.
  const length = isFile || !/^[1-6]$/.test(type) ? all : 0;
  const offset = bytes.position;
  if (isFile) {
    const start = await bytes.take(Math.min(length, BLOCK_BYTES));
    const more = await bytes.take(Math.max(0, Math.min(length, headBytes(start)) - start.length));
    const head = Buffer.concat([start, more]);
    yield { name: given.name ?? name, offset, size: length, isSparse, head };
  }
  const end = offset + Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
  if (!(await bytes.skip(end - bytes.position))) throw endsEarly();
}

/** What is said of the next file ahead of its header. */
interface Attributes {
  readonly name?: Buffer;
  readonly size?: number | null;
  readonly isSparse?: boolean;
}

async function textBehind({ size }: TarHeader, bytes: Pull): Promise<Buffer> {
  if (size === null || size > LONGEST_TEXT) {
    throw new DamagedArchive(`attributes of a file that cannot be, before byte ${bytes.position}`);
  }
  const text = await bytes.take(size);
  const padding = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES - size;
  if (!(await bytes.skip(padding)) || text.length < size) throw endsEarly();
  return text;
}

function withoutNul(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

/** `LENGTH KEY=VALUE LF` each, the length of all of it. */
function attributesIn(text: Buffer): Attributes {
  let found: Attributes = {};
  for (let at = 0; at < text.length; ) {
    const length = Number(/^\d{1,7}(?= )/.exec(text.toString('latin1', at, at + 8))?.[0] ?? 0);
    if (length < 5 || at + length > text.length) break;
    const record = text.subarray(at, at + length - 1);
    const [from, equals] = [record.indexOf(0x20) + 1, record.indexOf(0x3d)];
    const key = record.toString('latin1', from, equals);
    const value = record.subarray(equals + 1);
    if (key === 'path' || key === 'GNU.sparse.name') found = { ...found, name: value };
    else if (key === 'size') found = { ...found, size: sizeIn(value) };
    if (key.startsWith('GNU.sparse.')) found = { ...found, isSparse: true };
    at += length;
  }
  return found;
}

function sizeIn(value: Buffer): number | null {
  const size = /^\d{1,16}$/.test(value.toString('latin1'))
    ? Number(value.toString('latin1'))
    : null;
  return size !== null && Number.isSafeInteger(size) ? size : null;
}

import type { Bits } from './bzip2-bits.ts';
import { DamagedData } from './codec.ts';

const LONGEST_CODE = 20;
/** Symbols for which one code is in use, and as many codes at least and at most. */
const GROUP = 50;
const FEWEST_CODES = 2;
const MOST_CODES = 6;
/** The first two symbols count how often a byte is repeated. */
const RUN_B = 1;
/** Equal bytes in a row behind which a byte says how many more there are. */
const RUN = 4;
const PART_BYTES = 256 * 1024;

/** A block as it was read: bytes that the Burrows-Wheeler transform has sorted. */
export interface Block {
  /** In the lower 8 bits of each the sorted bytes, above them where the text goes on behind each. */
  readonly table: Uint32Array;
  readonly count: number;
  /** Where in `table` the text begins. */
  readonly origin: number;
  readonly checksum: number;
}

/** A canonical Huffman code. */
interface Code {
  readonly shortest: number;
  readonly longest: number;
  /** By length: the first code, with LONGEST_CODE bits, that is too large for it. */
  readonly limits: Uint32Array;
  /** By length: what is taken from a code of that length for its place in `symbols`. */
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

/**
 * Reads a block behind its magic number. `table`: memory for it, as long as a block may be.
 *
 * @throws NotEnough where the bits end before it, DamagedData where it cannot be
 */
export function readBlock(bits: Bits, table: Uint32Array): Block {
  const checksum = bits.read32();
  if (bits.read(1) === 1) throw damaged('a block of bzip2 before 0.9.5');
  const origin = bits.read(24);
  const used = readUsedBytes(bits);
  const codeCount = bits.read(3);
  if (codeCount < FEWEST_CODES || codeCount > MOST_CODES) throw damaged();
  const selectors = readSelectors(bits, codeCount);
  const codes = Array.from({ length: codeCount }, () => readCode(bits, used.length + 2));
  const count = readSorted(bits, used, selectors, codes, table);
  if (origin >= count) throw damaged();
  linkText(table, count);
  return { table, count, origin, checksum };
}

function damaged(what = 'corrupted data'): DamagedData {
  return new DamagedData('is damaged', what);
}

/** The bytes that the block has at all. */
function readUsedBytes(bits: Bits): Uint8Array {
  const ranges = bits.read(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range += 1) {
    if (((ranges >> (15 - range)) & 1) === 0) continue;
    const members = bits.read(16);
    for (let member = 0; member < 16; member += 1) {
      if (((members >> (15 - member)) & 1) === 1) used.push(range * 16 + member);
    }
  }
  if (used.length === 0) throw damaged();
  return Uint8Array.from(used);
}

/** Which code each group of symbols has. */
function readSelectors(bits: Bits, codeCount: number): Uint8Array {
  const selectors = new Uint8Array(bits.read(15));
  if (selectors.length === 0) throw damaged();
  const recent = Uint8Array.from({ length: codeCount }, (_, index) => index);
  for (let index = 0; index < selectors.length; index += 1) {
    let place = 0;
    while (bits.read(1) === 1) {
      place += 1;
      if (place === codeCount) throw damaged();
    }
    selectors[index] = moveToFront(recent, place);
  }
  return selectors;
}

function moveToFront(list: Uint8Array, place: number): number {
  const moved = list[place] ?? 0;
  list.copyWithin(1, 0, place);
  list[0] = moved;
  return moved;
}

function readCode(bits: Bits, symbolCount: number): Code {
  const lengths = new Uint8Array(symbolCount);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbolCount; symbol += 1) {
    for (;;) {
      if (length < 1 || length > LONGEST_CODE) throw damaged();
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  const limits = new Uint32Array(LONGEST_CODE + 1);
  const bases = new Int32Array(LONGEST_CODE + 1);
  const symbols = new Uint16Array(symbolCount);
  let [code, place] = [0, 0];
  for (let size = 1; size <= LONGEST_CODE; size += 1) {
    bases[size] = code - place;
    for (let symbol = 0; symbol < symbolCount; symbol += 1) {
      if (lengths[symbol] !== size) continue;
      symbols[place] = symbol;
      place += 1;
      code += 1;
    }
    limits[size] = code << (LONGEST_CODE - size);
    code <<= 1;
  }
  return { shortest: Math.min(...lengths), longest: Math.max(...lengths), limits, bases, symbols };
}

function readSymbol(bits: Bits, { shortest, longest, limits, bases, symbols }: Code): number {
  const ahead = bits.peek(LONGEST_CODE);
  let length = shortest;
  while (length <= longest && ahead >= (limits[length] as number)) length += 1;
  if (length > longest) {
    // Behind the end of the input there are zeros, of which no verdict is passed.
    bits.skip(LONGEST_CODE);
    throw damaged();
  }
  bits.skip(length);
  const symbol = symbols[(ahead >>> (LONGEST_CODE - length)) - (bases[length] as number)];
  if (symbol === undefined) throw damaged();
  return symbol;
}

/** Reads the sorted bytes; returns how many there are. */
function readSorted(
  bits: Bits,
  used: Uint8Array,
  selectors: Uint8Array,
  codes: readonly Code[],
  table: Uint32Array,
): number {
  const recent = Uint8Array.from(used);
  const endOfBlock = used.length + 1;
  let [count, run, weight] = [0, 0, 1];
  for (const selector of selectors) {
    const code = codes[selector] as Code;
    for (let left = GROUP; left > 0; left -= 1) {
      const symbol = readSymbol(bits, code);
      if (symbol <= RUN_B) {
        // Digits of 1 and 2, the lowest first.
        run += weight << symbol;
        weight <<= 1;
        if (run > table.length) throw damaged();
        continue;
      }
      if (run > 0) {
        if (count + run > table.length) throw damaged();
        table.fill(recent[0] as number, count, count + run);
        count += run;
        run = 0;
        weight = 1;
      }
      if (symbol === endOfBlock) return count;
      if (count === table.length) throw damaged();
      table[count] = moveToFront(recent, symbol - 1);
      count += 1;
    }
  }
  throw damaged();
}

/** Finds behind which byte each goes on: the n-th of its kind in the sorted text is the n-th in the other. */
function linkText(table: Uint32Array, count: number): void {
  const places = new Uint32Array(257);
  for (let at = 0; at < count; at += 1) {
    const next = ((table[at] as number) & 0xff) + 1;
    places[next] = (places[next] as number) + 1;
  }
  for (let byte = 1; byte < 257; byte += 1) {
    places[byte] = (places[byte] as number) + (places[byte - 1] as number);
  }
  for (let at = 0; at < count; at += 1) {
    const byte = (table[at] as number) & 0xff;
    const place = places[byte] as number;
    places[byte] = place + 1;
    table[place] = (table[place] as number) | (at << 8);
  }
}

/**
 * The text of a block, in parts; 46 MB at most. A block of which one bit is wrong gives its lines in any
 * order, so that nothing is given before it is checked.
 *
 * @throws DamagedData where its checksum is another
 */
export function textOf({ table, count, origin, checksum }: Block): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  let part = new Uint8Array(PART_BYTES);
  let [length, crc] = [0, 0xffffffff];
  let place = (table[origin] as number) >>> 8;
  let [previous, equal] = [-1, 0];
  for (let left = count; left > 0; left -= 1) {
    const entry = table[place] as number;
    place = entry >>> 8;
    let byte = entry & 0xff;
    let copies = 1;
    if (equal === RUN) {
      copies = byte;
      byte = previous;
      previous = -1;
      equal = 0;
    } else {
      equal = byte === previous ? equal + 1 : 1;
      previous = byte;
    }
    for (; copies > 0; copies -= 1) {
      crc = (crc << 8) ^ (CHECKSUMS[(crc >>> 24) ^ byte] as number);
      part[length] = byte;
      length += 1;
      if (length < PART_BYTES) continue;
      parts.push(part);
      part = new Uint8Array(PART_BYTES);
      length = 0;
    }
  }
  parts.push(part.subarray(0, length));
  if (~crc >>> 0 !== checksum) throw damaged('wrong checksum');
  return parts;
}

/** Of each byte, for the polynomial 0x04c11db7, the highest bit first. */
const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

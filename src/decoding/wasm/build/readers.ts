import {
  HEADER_WORDS,
  RECORD_WORDS,
  RUN,
  RUN_EVENT,
  RUN_LINE_BYTES,
  RUN_MORE,
} from '../../../events/batch.ts';
import type {
  ArgumentType,
  EventDeclaration,
  Shape,
} from '../../../events/catalogue/declaration.ts';
import {
  catalogue,
  eventNames,
  kindOf,
  offsetsOf,
  wordsOf,
} from '../../../events/catalogue/index.ts';
import { catalogueHash } from '../catalogue-hash.ts';

/*
 * The catalogue's shapes as AssemblyScript: `catalogue.ts` beside the hand-written parts of the
 * kernel. A reader compares literals eight bytes at a time, and takes hexadecimal numbers whole.
 * What it does not read, it leaves: texts, signs, decimal numbers of ten digits and more.
 */

/** Bytes of lines that the kernel takes in one call: V8 replaces its first code only between calls. */
const SOURCE_BYTES = 256 * 1024;
const WORD_BYTES = 4;

const PIECE = /\{(\w+):([^}]+)\}|([^{]+)/g;

interface Piece {
  readonly argument: string;
  /** As the catalogue's notation has it; '' for a literal. */
  readonly form: string;
  readonly literal: string;
}

function piecesOf({ text }: Shape): readonly Piece[] {
  return [...text.matchAll(PIECE)].map(([, argument = '', form = '', literal = '']) => ({
    argument,
    form,
    literal,
  }));
}

/** Whether the kernel reads events of this name: those without texts. */
function isRead(name: string, { args, shapes }: EventDeclaration): boolean {
  const forms = shapes.flatMap((shape) => piecesOf(shape).map(({ form }) => form));
  return (
    !name.includes(':') &&
    shapes.length > 0 &&
    !Object.values(args).includes('text') &&
    !forms.includes('s') &&
    !forms.includes('w')
  );
}

/** The bytes of a text as one number, the first in the lowest place, as they are loaded. */
function loaded(text: string): string {
  const bytes = [...text].reverse().map((char) => char.charCodeAt(0).toString(16).padStart(2, '0'));
  return `0x${bytes.join('')}`;
}

/** An expression that is true where `text` does not stand at `p`: few loads, the last overlapping. */
export function differs(text: string): string {
  const width = [8, 4, 2, 1].find((bytes) => bytes <= text.length) ?? 1;
  const places: number[] = [];
  for (let at = 0; at + width <= text.length; at += width) places.push(at);
  if (text.length % width !== 0) places.push(text.length - width);
  const terms = places.map(
    (at) => `(<u64>load<u${width * 8}>(p, ${at}) ^ ${loaded(text.slice(at, at + width))})`,
  );
  return `(${terms.join(' | ')}) != 0`;
}

/** Where an argument's word lies in its record, in bytes. */
const placeOf = (word: number) => WORD_BYTES * (HEADER_WORDS + word);

function storeU32(word: number, value: string): string {
  return word < 0 ? '' : `store<u32>(record, ${value}, ${placeOf(word)});`;
}

/** Of a number of 64 bits the upper word comes first. */
function storeU64(word: number, value: string): string {
  return word < 0 ? '' : `store<u64>(record, rotl(${value}, 32), ${placeOf(word)});`;
}

function hex(word: number, isWide: boolean): string {
  const value = isWide
    ? storeU64(word, 'hexValue(text, n)')
    : storeU32(word, '<u32>hexValue(text, n)');
  return `{ const text = v128.load(p); const n = hexLength(text); if (n == 0${isWide ? '' : ' || n > 8'}) return 0; ${value} p += n; }`;
}

function decimal(word: number, isWide: boolean): string {
  const value = isWide ? storeU64(word, 'x') : storeU32(word, '<u32>x');
  return `{ const s = p; let x: u64 = 0; for (;;) { const d = <u32>load<u8>(p) - 48; if (d > 9) break; x = x * 10 + d; p++; } if (p == s || p - s > 9) return 0; ${value} }`;
}

function pointer(word: number): string {
  return `if (!(${differs('(nil)')})) { ${storeU64(word, '0')} p += 5; } else { if (${differs('0x')}) return 0; p += 2; ${hex(word, true)} }`;
}

function choice(word: number, words: readonly string[]): string {
  const branches = words.map(
    (text, index) =>
      `if (!(${differs(text)})) { p += ${text.length}; ${storeU32(word, String(index))} }`,
  );
  return `${branches.join(' else ')} else return 0;`;
}

/** A function that reads one shape: returns the LF, or 0. */
function shapeReader(
  name: string,
  shape: Shape,
  args: Readonly<Record<string, ArgumentType>>,
): string {
  const words = new Map<string, number>();
  let total = 0;
  for (const [argument, type] of Object.entries(args)) {
    words.set(argument, total);
    total += wordsOf(type);
  }
  const absent = new Set(Array.from({ length: total }, (_, word) => word));
  const lines: string[] = [];
  for (const { argument, form, literal } of piecesOf(shape)) {
    if (literal !== '') {
      lines.push(`if (${differs(literal)}) return 0; p += ${literal.length};`);
      continue;
    }
    const type = args[argument];
    const word = words.get(argument) ?? -1;
    if (type !== undefined) for (let i = 0; i < wordsOf(type); i += 1) absent.delete(word + i);
    const isWide = type === 'u64' || type === undefined;
    if (form === 'x') lines.push(hex(word, isWide));
    else if (form === 'd') lines.push(decimal(word, isWide));
    else if (form === 'p') lines.push(pointer(word));
    else lines.push(choice(word, form.split('|')));
  }
  for (const [argument, value] of Object.entries(shape.sets ?? {})) {
    const word = words.get(argument) ?? -1;
    absent.delete(word);
    lines.push(storeU32(word, String(value)));
  }
  for (const word of absent) lines.push(storeU32(word, '0'));
  return `function ${name}(p: usize, record: usize): usize {\n  ${lines.join('\n  ')}\n  return endOfLine(p);\n}\n`;
}

/** Bytes that a line of this shape has at least, its LF included. */
function shortestLine(name: string, shape: Shape): number {
  const text = piecesOf(shape).reduce((sum, { form, literal }) => {
    if (literal !== '') return sum + literal.length;
    return sum + (form.includes('|') ? Math.min(...form.split('|').map((w) => w.length)) : 1);
  }, 0);
  return name.length + text + 1;
}

/** The source of the kernel's module `catalogue`. */
export function catalogueSource(): string {
  const read = eventNames.flatMap((name) => {
    const declaration: EventDeclaration = catalogue[name];
    return isRead(name, declaration) ? [{ name, kind: kindOf(name), ...declaration }] : [];
  });
  const bytesOf = (name: (typeof eventNames)[number]) =>
    WORD_BYTES * (RECORD_WORDS[kindOf(name)] as number);
  const wordiest = Math.max(
    ...read.flatMap(({ name, shapes }) =>
      shapes.map((shape) => bytesOf(name) / shortestLine(name, shape)),
    ),
  );
  // A reader writes before it knows that it can read: the room of one record more.
  const recordsBytes = Math.ceil(SOURCE_BYTES * wordiest) + Math.max(...eventNames.map(bytesOf));
  const readers = read.map(({ name, kind, args, shapes }) => {
    const names = shapes.map((_, index) => `read${kind}_${index}`);
    const bodies = shapes.map((shape, index) => shapeReader(names[index] as string, shape, args));
    const tries = names.map((each, index) =>
      index === names.length - 1
        ? `return ${each}(p, record);`
        : `{ const lf = ${each}(p, record); if (lf != 0) return lf; }`,
    );
    return `// ${name}\n${bodies.join('')}function read${kind}(p: usize, record: usize): usize { ${tries.join(' ')} }\n`;
  });
  const run = offsetsOf(RUN_EVENT);
  const [iovaPrefix] = catalogue[RUN_EVENT].shapes[0].text.split('{');
  return `// Made of the catalogue by the build.
import { endOfLine, hexLength, hexValue } from './digits';

export const CATALOGUE_HASH: u32 = ${catalogueHash()};
export const SOURCE_BYTES: i32 = ${SOURCE_BYTES};
export const RECORDS_BYTES: i32 = ${recordsBytes};
/** The event of which a record may be a run of lines: where its arguments are, in bytes. */
export const RUN_KIND: i32 = ${RUN};
export const RUN_BYTES: i32 = ${bytesOf(RUN_EVENT)};
export const RUN_MASK: i32 = ${placeOf(run.mask)};
export const RUN_MORE: i32 = ${WORD_BYTES * RUN_MORE};
export const RUN_LINE_BYTES: i32 = ${WORD_BYTES * RUN_LINE_BYTES};
/** Where the digits of its address begin, from the name on. */
export const RUN_DIGITS: i32 = ${RUN_EVENT.length + 1 + (iovaPrefix?.length ?? 0)};
/** Bytes of a record, by kind. */
export const RECORD_BYTES = memory.data<u32>([${eventNames.map(bytesOf).join(', ')}], 16);

${readers.join('')}
/** Reads the arguments of an event whose text begins at p; returns its LF, or 0. */
export function read(kind: u32, p: usize, record: usize): usize {
  switch (kind) {
${read.map(({ kind }) => `    case ${kind}: return read${kind}(p, record);\n`).join('')}    default: return 0;
  }
}
`;
}

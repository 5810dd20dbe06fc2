import type { ArgumentType, EventDeclaration, Shape } from '../../events/catalogue/declaration.ts';
import {
  catalogue,
  type EventKind,
  type EventName,
  eventNames,
  kindOf,
  kindOfName,
  wordsOf,
} from '../../events/catalogue/index.ts';
import { BETRAYS, isInLineStart } from './line-starts.ts';

/*
 * The catalogue's shapes, turned into code.
 *
 * A reader is straight-line JavaScript made from the shapes of one event when it is first needed:
 * it compares literals byte by byte and gathers digits, with every position a constant. Walking a
 * table of steps instead, over the same bytes, took 2.5 times as long, and these few lines see
 * nearly every byte of a trace. The source of a reader holds nothing but the catalogue's own text.
 */

/** Where a reader puts texts; a `BatchWriter`. */
export interface TextSink {
  addText(at: number, bytes: Uint8Array, from: number, to: number): void;
}

/**
 * Reads the event whose name may begin at `from`, and writes its arguments to `words` from `base`
 * on. Returns where the line ends (an LF), NO_SHAPE where its text is of none of the shapes, or
 * OTHER_NAME. The bytes must hold an LF at or after `from`.
 */
export type EventReader = (
  bytes: Uint8Array,
  from: number,
  words: Uint32Array,
  base: number,
  sink: TextSink,
) => number;

/** What an `EventReader` returns for a text that it cannot read. */
export const NO_SHAPE = -1;
/** What it returns where another name, or none, begins. */
export const OTHER_NAME = -2;

/**
 * Finds the one catalogued event whose name can begin at `from`, by as few bytes as possible: only
 * its reader knows whether it does. Returns its number, or -1. The bytes must hold an LF at or after
 * `from`.
 */
export type NameGuesser = (bytes: Uint8Array, from: number) => number;

/** Returns where an event's text begins if its name stands at `from`, else OTHER_NAME. */
type NameSkipper = (bytes: Uint8Array, from: number) => number;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const UNDERSCORE = 0x5f;

const HEX = new Uint8Array(256).fill(255);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

/** The first words of names that the catalogue has, up to their first underscore. */
const FIRST_WORDS = [...new Set(eventNames.map((name) => name.split('_', 1)[0] ?? ''))].map(
  (word) => Buffer.from(word),
);
const LONGEST_NAME = Math.max(...eventNames.map((name) => name.length));

/** Whether a catalogued name, and a blank, stand around the underscore at `at`, its first. */
function isInName(bytes: Uint8Array, from: number, at: number): boolean {
  return FIRST_WORDS.some((word) => {
    const start = at - word.length;
    if (start < from || !word.every((byte, index) => bytes[start + index] === byte)) return false;
    const name = Buffer.from(bytes.subarray(start, start + LONGEST_NAME + 1)).toString('latin1');
    return name.includes(' ') && kindOfName(name.slice(0, name.indexOf(' '))) !== undefined;
  });
}

/**
 * Where a text ends: before `literal`, or at the end of the line without its CR and blanks; -1 if
 * never, or where another line is glued on before that.
 */
function endOfText(bytes: Uint8Array, from: number, literal: Uint8Array): number {
  const toEnd = literal.length === 0;
  let at = from;
  for (; bytes[at] !== LF; at += 1) {
    const byte = bytes[at] as number;
    if (BETRAYS[byte] === 1 && isInLineStart(bytes, from, at)) return -1;
    if (toEnd) {
      if (byte === UNDERSCORE && isInName(bytes, from, at)) return -1;
      continue;
    }
    if (byte !== literal[0]) continue;
    let index = 1;
    while (index < literal.length && bytes[at + index] === literal[index]) index += 1;
    if (index === literal.length) return at;
  }
  if (!toEnd) return -1;
  while (at > from && (bytes[at - 1] === CR || bytes[at - 1] === SPACE)) at -= 1;
  return at;
}

/** Where the line ends if nothing but blanks and a CR is left of it; else -1. */
function endOfLine(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] === CR || bytes[end] === SPACE) end += 1;
  return bytes[end] === LF ? end : -1;
}

const tools = { HEX, endOfText, endOfLine };

const PIECE = /\{(\w+):([^}]+)\}|([^{]+)/g;

function compareBytes(text: string, at: string): string {
  return [...text]
    .map((char, index) => `b[${at}${index === 0 ? '' : `+${index}`}]!==${char.charCodeAt(0)}`)
    .join('||');
}

const store = (word: number, value: string): string =>
  word < 0 ? '' : `w[base+${word}]=${value};`;

const gather = {
  hex: (word: number, wide: boolean): string =>
    `s=p;lo=0;hi=0;while((d=HEX[b[p]])<16){hi=(hi<<4)|(lo>>>28);lo=(lo<<4)|d;p++;}` +
    `n=p-s;if(n===0||n>${wide ? 16 : 8})return -1;` +
    (wide && word >= 0 ? `w[base+${word}]=hi;w[base+${word + 1}]=lo;` : store(word, 'lo')),
  decimal: (word: number, wide: boolean): string =>
    `neg=b[p]===45;if(neg)p++;s=p;lo=0;hi=0;` +
    `while((d=b[p]-48)>=0&&d<10){x=lo*10+d;lo=x%4294967296;hi=hi*10+(x-lo)/4294967296;p++;}` +
    `if(p===s||hi>${wide ? 4294967295 : 0})return -1;` +
    (wide && word >= 0 ? `w[base+${word}]=hi;w[base+${word + 1}]=lo;` : store(word, 'neg?-lo:lo')),
  pointer: (word: number): string =>
    // "(nil)" or "0x" and digits.
    `if(${compareBytes('(nil)', 'p')}){if(${compareBytes('0x', 'p')})return -1;p+=2;${gather.hex(word, true)}}` +
    `else{p+=5;${word < 0 ? '' : `w[base+${word}]=0;w[base+${word + 1}]=0;`}}`,
  choice: (word: number, words: readonly string[]): string =>
    `${words
      .map(
        (text, index) =>
          `if(!(${compareBytes(text, 'p')})){p+=${text.length};${store(word, String(index))}}`,
      )
      .join('else ')}else return -1;`,
  word: (word: number): string =>
    `s=p;while(((d=b[p])>96&&d<123)||d===45)p++;if(p===s)return -1;` +
    (word < 0 ? '' : `sink.addText(base+${word},b,s,p);`),
  text: (word: number, until: string): string =>
    `s=p;p=endOfText(b,p,${JSON.stringify(until)});if(p<0)return -1;` +
    (word < 0 ? '' : `sink.addText(base+${word},b,s,p);`),
};

/** Source that goes past an event's name and its blank. */
function nameSource(name: string): string {
  return (
    `if(${compareBytes(name, 'p')})return ${OTHER_NAME};p+=${name.length};` +
    `if(b[p]===${SPACE})p++;else if(b[p]!==${LF}&&b[p]!==${CR})return ${OTHER_NAME};`
  );
}

/** The source of a function for one shape, behind what is done first. */
function shapeSource(
  { text, sets = {} }: Shape,
  args: Readonly<Record<string, ArgumentType>>,
  first: string,
): string {
  const offsets = new Map<string, number>();
  let total = 0;
  for (const [name, type] of Object.entries(args)) {
    offsets.set(name, total);
    total += wordsOf(type);
  }
  const absent = new Set(Array.from({ length: total }, (_, word) => word));
  const pieces = [...text.matchAll(PIECE)];
  let body = '';
  for (const [index, [, name = '', form = '', literal]] of pieces.entries()) {
    if (literal !== undefined) {
      body += `if(${compareBytes(literal, 'p')})return -1;p+=${literal.length};`;
      continue;
    }
    const type = args[name];
    const word = offsets.get(name) ?? -1;
    if (type !== undefined) for (let i = 0; i < wordsOf(type); i += 1) absent.delete(word + i);
    const wide = type === 'u64' || type === undefined;
    if (form === 'x') body += gather.hex(word, wide);
    else if (form === 'd') body += gather.decimal(word, wide);
    else if (form === 'p') body += gather.pointer(word);
    else if (form === 'w') body += gather.word(word);
    else if (form === 's') body += gather.text(word, pieces[index + 1]?.[3] ?? '');
    else body += gather.choice(word, form.split('|'));
  }
  for (const [name, value] of Object.entries(sets)) {
    const word = offsets.get(name) ?? -1;
    absent.delete(word);
    body += store(word, String(value));
  }
  for (const word of absent) body += store(word, '0');
  return `(b,p,w,base,sink)=>{let s=0,n=0,d=0,x=0,lo=0,hi=0,neg=false;${first}${body}return endOfLine(b,p);}`;
}

function build(source: string): (...args: never[]) => unknown {
  const literals: Uint8Array[] = [];
  // Texts end at literals that are compared at run time: hand these over as bytes, not as strings.
  const ready = source.replace(/endOfText\(b,p,("(?:[^"\\]|\\.)*")\)/g, (_, quoted: string) => {
    literals.push(Buffer.from(JSON.parse(quoted) as string, 'latin1'));
    return `endOfText(b,p,literals[${literals.length - 1}])`;
  });
  const make = new Function(
    'tools',
    'literals',
    `const {HEX,endOfText,endOfLine}=tools;return ${ready};`,
  );
  return make(tools, literals) as (...args: never[]) => unknown;
}

function buildReader(name: EventName): EventReader {
  const { args, shapes }: EventDeclaration = catalogue[name];
  const [first, ...others] = shapes;
  if (first === undefined) return () => OTHER_NAME;
  if (others.length === 0) {
    return build(shapeSource(first, args, nameSource(name))) as unknown as EventReader;
  }
  const behindName = build(`(b,p)=>{${nameSource(name)}return p;}`) as unknown as NameSkipper;
  const readers = shapes.map(
    (shape) => build(shapeSource(shape, args, '')) as unknown as EventReader,
  );
  return (bytes, from, words, base, sink) => {
    const at = behindName(bytes, from);
    if (at < 0) return at;
    for (const reader of readers) {
      const end = reader(bytes, at, words, base, sink);
      if (end >= 0) return end;
    }
    return NO_SHAPE;
  };
}

/** Readers of all events, each made when it is first needed: few logs have most of them. */
export class EventReaders {
  readonly #readers: (EventReader | undefined)[] = eventNames.map(() => undefined);

  /** @throws EvalError where no code may be made of strings. */
  constructor() {
    this.of(kindOf('vtd_page_walk_one'));
  }

  of(kind: EventKind): EventReader {
    const made = this.#readers[kind];
    if (made !== undefined) return made;
    const reader = buildReader(eventNames[kind] as EventName);
    this.#readers[kind] = reader;
    return reader;
  }
}

/** Bytes that tell names apart: they are ASCII. */
const ASCII = 128;
/** No name goes on so. */
const NONE = -0x8000;

/**
 * Tells names apart by as few bytes as possible, each step being a look into a table: for a node, at
 * which byte to look, and for each value of it the next node, or `~kind` where but one name is left.
 *
 * As straight-line code this was one function for all names, which V8 compiled anew, for a tenth of
 * a second, whenever it met a name for the first time.
 */
class NameTree {
  readonly positions: number[] = [];
  next = new Int16Array(0);

  constructor(names: readonly string[]) {
    this.#node(names, new Set());
  }

  /** Adds a node for some names, told apart so far by the bytes at `checked`; returns its number. */
  #node(names: readonly string[], checked: ReadonlySet<number>): number {
    const [only] = names;
    if (names.length === 1 && only !== undefined) return ~eventNames.indexOf(only as EventName);
    const at = mostTelling(names, checked);
    const node = this.positions.push(at) - 1;
    const larger = new Int16Array(this.positions.length * ASCII).fill(NONE);
    larger.set(this.next);
    this.next = larger;
    for (const [byte, group] of groupBy(names, at)) {
      const child = this.#node(group, new Set([...checked, at]));
      for (const value of byte < 0 ? [SPACE, LF, CR] : [byte]) {
        this.next[node * ASCII + value] = child;
      }
    }
    return node;
  }
}

/** The place whose byte leaves the fewest names that share it. */
function mostTelling(names: readonly string[], checked: ReadonlySet<number>): number {
  // One past the shortest name still holds a byte, the blank behind it.
  const shortest = Math.min(...names.map((name) => name.length));
  let best = 0;
  let bestSize = Number.POSITIVE_INFINITY;
  for (let at = 0; at <= shortest; at += 1) {
    if (checked.has(at)) continue;
    const largest = Math.max(...[...groupBy(names, at).values()].map((group) => group.length));
    if (largest < bestSize) [best, bestSize] = [at, largest];
  }
  return best;
}

/** Names by the byte at `at`; -1 for those that end there. */
function groupBy(names: readonly string[], at: number): Map<number, string[]> {
  const groups = new Map<number, string[]>();
  for (const name of names) {
    const byte = at < name.length ? name.charCodeAt(at) : -1;
    const group = groups.get(byte) ?? [];
    group.push(name);
    groups.set(byte, group);
  }
  return groups;
}

/** The guesser of names. */
export function buildNameGuesser(): NameGuesser {
  const { positions, next } = new NameTree(eventNames.filter((name) => !name.includes(':')));
  const places = Int32Array.from(positions);
  return (bytes, from) => {
    // The root is nobody's child, so that 0 is no next node.
    let node = 0;
    do {
      const byte = bytes[from + (places[node] as number)] as number;
      node = next[node * ASCII + (byte & (ASCII - 1))] as number;
    } while (node > 0);
    return node === NONE ? -1 : ~node;
  };
}

import { NO_TIME } from '../base/place.ts';
import {
  HEADER_WORDS,
  KIND,
  LINE,
  NANOSECONDS,
  NO_SOURCE,
  NO_THREAD,
  SECONDS,
  THREAD,
} from '../events/batch.ts';
import type { ArgumentType, EventDeclaration } from '../events/catalogue/declaration.ts';
import { catalogue, type EventName, kindOfName, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import { argumentAliases } from './argument-aliases.ts';
import { commitEvent } from './commit-event.ts';
import {
  type LineForm,
  numberPlace,
  type Piece,
  type PiecePlace,
  piecesOf,
  shifted,
} from './formed-lines.ts';
import { type LineReader, outcome } from './line-reader.ts';
import type { LinePlace } from './notes.ts';

/*
 * Events of which a tool prints the arguments and not QEMU's own text: that text is made of them, and
 * read like any other. So what an argument may be, and which version prints which, is said once.
 */

/** An argument as a tool printed it: a number in decimal or, behind `0x`, hexadecimal digits; or a text, a character for each byte. */
export interface Value {
  readonly name: string;
  readonly text: string;
}

/** What became of an event. `unreadable`: its arguments are of no version of QEMU. */
export type Written = 'event' | 'skipped' | 'unreadable';

/** Characters of a text that are read, as of a text in a log. */
const TEXT_LIMIT = 512;
/** Room for the longest event's text, and its end. */
const BYTES = 64 * 1024;
const LF = 0x0a;
const QUOTE = 0x22;

/** A placeholder of a shape. */
interface Slot {
  readonly form: string;
  readonly type: ArgumentType | undefined;
  /** Its own name and others of it; none if it is not kept. */
  readonly names: readonly string[];
  /** The literal before it. */
  readonly before: string;
  /** Its word in the record; null if it is not kept. */
  readonly word: number | null;
}

/** A shape of an event's text, with what its arguments are. */
interface ValueShape {
  readonly slots: readonly Slot[];
  readonly end: string;
  /** The last one stands for any number of arguments, of which nothing is kept. */
  readonly hasMore: boolean;
  /** Of two shapes with as many arguments, the one of QEMU 7.2, which begins with a descriptor. */
  readonly isOld: boolean;
  /** An argument is a text. */
  readonly hasTexts: boolean;
}

/** A value, and where in its line it stands; its quote, where it has one. */
export interface ValueToken extends Value {
  readonly at: number;
}

/** An event that was written or counted, and the line that it came of. */
interface LastEvent {
  readonly name: string;
  readonly line: number;
  /** Null where it was counted. */
  readonly shape: ValueShape | null;
  readonly isNamed: boolean;
}

const PLACEHOLDER = /\{(\w+):([^}]+)\}/g;
/** Numbers as tools print them, with marks between groups of digits. */
const NUMBER = /^-?(?:0x[0-9a-f:]{1,32}|[\d,]{1,32})$/i;

const SMALL = /^\d{1,15}$/;
const HEX = /^0x[0-9A-Fa-f]{1,16}$/;

/** Writes events by the values of their arguments. */
export class EventValues {
  readonly #reader: LineReader;
  readonly #areLines: boolean;
  readonly #shapes = new Map<string, readonly ValueShape[]>();
  readonly #bytes = Buffer.alloc(BYTES);
  /** What became of the event that was asked for last; null: it is unreadable. */
  #last: LastEvent | null = null;

  /** `areLines`: each value is on a line of its own, up to its end, with marks between groups of digits. */
  constructor(reader: LineReader, areLines = false) {
    this.#reader = reader;
    this.#areLines = areLines;
  }

  /**
   * Writes an event with its arguments as QEMU declares them, all of them and in their order.
   * `areNamed` says whether their names are those of the declaration.
   */
  write(
    name: string,
    values: readonly Value[],
    areNamed: boolean,
    writer: BatchWriter,
    place: LinePlace,
  ): Written {
    const shapes = this.#shapesOf(name, writer);
    if (shapes === null) return 'skipped';
    for (const shape of shapes) {
      // Without names, nothing tells the one of QEMU 7.2.
      if (shape.isOld && !(areNamed && values.some((value) => value.name === 'fd'))) continue;
      const { slots, hasMore } = shape;
      if (hasMore ? values.length < slots.length - 1 : values.length !== slots.length) continue;
      if (!this.#read(name, shape, (index) => values[index]?.text, writer, place)) continue;
      this.#last = { name, line: writer.line, shape, isNamed: false };
      return 'event';
    }
    return 'unreadable';
  }

  /** Writes an event with those of its arguments that somebody chose to print, by their names. */
  writeNamed(
    name: string,
    values: ReadonlyMap<string, string>,
    writer: BatchWriter,
    place: LinePlace,
  ): Written {
    const shapes = this.#shapesOf(name, writer);
    if (shapes === null) return 'skipped';
    for (const shape of shapes) {
      const textAt = (index: number) => {
        const { form, names } = shape.slots[index] as Slot;
        if (names.length === 0) return form === 's' ? '-' : '0';
        for (const one of names) {
          const text = values.get(one);
          if (text !== undefined) return text;
        }
        return undefined;
      };
      if (!this.#read(name, shape, textAt, writer, place)) continue;
      this.#last = { name, line: writer.line, shape, isNamed: true };
      return 'event';
    }
    return 'unreadable';
  }

  /**
   * The form of the line at `from .. to`, of which the event `name` was just written or counted; null where
   * there is none, as its event is stored and has texts. `tokens`: its values; `places`: what else of it may be
   * other digits. `thread`: of whom the reader of the lines is told if they are only counted.
   */
  form(
    name: string,
    bytes: Buffer,
    from: number,
    to: number,
    tokens: readonly ValueToken[],
    places: readonly PiecePlace[],
    writer: BatchWriter,
    thread = NO_THREAD,
  ): LineForm | null {
    const last = this.#last;
    if (last?.name !== name || last.line !== writer.line) return null;
    const { shape } = last;
    if (shape === null) {
      const values = this.#areLines ? tokens.map(lineOf) : unreadPlaces(bytes, from, tokens);
      return countedForm(
        name,
        thread,
        piecesOf(bytes, from, to, shifted([...values, ...places], from)),
      );
    }
    const record = Uint32Array.from(writer.newest);
    if (shape.hasTexts || record[KIND] !== this.#reader.kind || record[LINE] !== writer.line) {
      return null;
    }
    const numbers = shape.slots.flatMap(({ form, names, type, word }, index) => {
      const token = last.isNamed
        ? names
            .map((each) => tokens.find((one) => one.name === each))
            .find((one) => one !== undefined)
        : tokens[index];
      if (token === undefined || !isNumber(form)) return [];
      const isWide = type === 'u64' || type === undefined;
      return numberPlace(token.text, token.at, word, isWide, this.#areLines) ?? [];
    });
    return {
      pieces: piecesOf(bytes, from, to, shifted([...numbers, ...places], from)),
      seconds: record[SECONDS] as number,
      nanoseconds: record[NANOSECONDS] as number,
      thread: record[THREAD] as number,
      source: writer.source,
      record,
    };
  }

  /** The shapes of a catalogued event; null for another, which is counted. */
  #shapesOf(name: string, writer: BatchWriter): readonly ValueShape[] | null {
    this.#last = null;
    const known = this.#shapes.get(name);
    if (known !== undefined) return known;
    if (kindOfName(name) === undefined) {
      writer.skip(name);
      this.#last = { name, line: writer.line, shape: null, isNamed: false };
      return null;
    }
    const shapes = valueShapes(name as EventName);
    this.#shapes.set(name, shapes);
    return shapes;
  }

  /** Makes the text of a shape and reads it; false where a value is missing or none of that kind. */
  #read(
    name: string,
    { slots, end }: ValueShape,
    textAt: (index: number) => string | undefined,
    writer: BatchWriter,
    place: LinePlace,
  ): boolean {
    let text = `${name} `;
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index] as Slot;
      const value = textAt(index);
      const printed = slot.form === 's' && value === undefined ? '' : printedAs(slot, value);
      if (printed === null) return false;
      text += slot.before + printed;
    }
    const bytes = this.#bytes;
    bytes[bytes.write(`${text}${end}`, 0, BYTES - 1, 'latin1')] = LF;
    const reader = this.#reader;
    if (reader.readEvent(bytes, 0, writer) !== outcome.event) return false;
    commitEvent(reader, bytes, 0, writer, place);
    return true;
  }
}

function valueShapes(name: EventName): readonly ValueShape[] {
  const { args, shapes }: EventDeclaration = catalogue[name];
  const offsets: Readonly<Record<string, number>> = offsetsOf(name);
  const hasTexts = Object.values(args).includes('text');
  return shapes.map(({ text, sets = {} }) => {
    const slots: Slot[] = [];
    let at = 0;
    for (const { 0: all, 1: argument = '', 2: form = '', index } of text.matchAll(PLACEHOLDER)) {
      const names = argument === '_' ? [] : [argument, ...(argumentAliases[argument] ?? [])];
      const type = args[argument];
      const word = type === undefined ? null : HEADER_WORDS + (offsets[argument] as number);
      slots.push({ form, type, names, before: text.slice(at, index), word });
      at = index + all.length;
    }
    return {
      slots,
      end: text.slice(at),
      hasMore: text.endsWith('{_:s}'),
      isOld: 'old' in sets,
      hasTexts,
    };
  });
}

/** The place of a value that nobody reads and that ends with its line. */
function lineOf({ at, text }: ValueToken): PiecePlace {
  return { from: at, to: at + text.length, piece: { is: 'any' } };
}

/** The places of values that nobody reads. */
function unreadPlaces(
  bytes: Buffer,
  from: number,
  tokens: readonly ValueToken[],
): readonly PiecePlace[] {
  return tokens.flatMap(({ at, text }): PiecePlace | readonly PiecePlace[] => {
    if (bytes[from + at] !== QUOTE) return numberPlace(text, at, null, true) ?? [];
    const end = bytes.indexOf(QUOTE, from + at + 1) - from;
    // One with escapes may be any other only if it is the same.
    return end === at + 1 + text.length ? { from: at + 1, to: end, piece: { is: 'string' } } : [];
  });
}

/** The form of a line that is only counted. */
function countedForm(name: string, thread: number, pieces: readonly Piece[]): LineForm {
  return {
    pieces,
    seconds: 0,
    nanoseconds: NO_TIME,
    thread,
    source: NO_SOURCE,
    record: null,
    counted: name,
  };
}

function isNumber(form: string): boolean {
  return form === 'x' || form === 'd' || form === 'p';
}

/** A value as QEMU's format prints it; null where it is none of that kind. */
function printedAs({ form, type }: Slot, value: string | undefined): string | null {
  if (value === undefined) return null;
  if (!isNumber(form)) {
    return value.slice(0, TEXT_LIMIT).replace(/[\r\n]/g, ' ');
  }
  // As nearly all are; large numbers and others take their time.
  if (form === 'd' && SMALL.test(value)) return value;
  if (form === 'x' && HEX.test(value)) return value.slice(2);
  if (form === 'x' && SMALL.test(value)) return Number(value).toString(16);
  if (!NUMBER.test(value)) return null;
  const isNegative = value.startsWith('-');
  const digits = value.slice(isNegative ? 1 : 0).replace(/[,:]/g, '');
  if (digits === '' || digits === '0x') return null;
  const number = isNegative ? -BigInt(digits) : BigInt(digits);
  if (form === 'd') return String(number);
  // One of more bits than its argument has stays as it is, and is refused.
  const bits = type === 'u32' || type === 'i32' ? 32 : 64;
  const hex = (number < 0n ? BigInt.asUintN(bits, number) : number).toString(16);
  return form === 'p' ? `0x${hex}` : hex;
}

import type { ArgumentType, EventDeclaration, Shape } from '../../events/catalogue/declaration.ts';
import { catalogue, type EventName, eventNames } from '../../events/catalogue/index.ts';
import { LINE_START, LONGEST_NAME } from '../patterns.ts';

/*
 * The catalogue's shapes as regular expressions: one anchored pattern for each, and what a pattern
 * alone cannot say beside it. This is what an event's text means; the compiled readers have to agree.
 */

/** What a form matches, but for texts, which end at the literal behind them. */
const FORMS: Readonly<Record<string, string>> = {
  x: '([0-9a-fA-F]+)',
  d: String.raw`(-?\d+)`,
  p: String.raw`(\(nil\)|0x[0-9a-fA-F]+)`,
  w: '([a-z-]+)',
};

/** Arguments by their names: numbers as their words hold them, texts as the characters of their bytes. */
export type Values = ReadonlyMap<string, bigint | string>;

interface Slot {
  readonly argument: string;
  readonly form: string;
  /** Undefined for one that is not kept. */
  readonly type: ArgumentType | undefined;
  /** A text up to the end of the line. */
  readonly isLast: boolean;
}

/** A shape, ready to be read. */
interface ShapePattern {
  readonly pattern: RegExp;
  readonly slots: readonly Slot[];
  readonly sets: Readonly<Record<string, number>>;
}

const PIECE = /\{(\w+):([^}]+)\}|([^{]+)/g;

function escaped(literal: string): string {
  return literal.replace(/[^\w ]/g, String.raw`\$&`);
}

function patternOf(shape: Shape, args: EventDeclaration['args']): ShapePattern {
  const slots: Slot[] = [];
  let source = '';
  const pieces = [...shape.text.matchAll(PIECE)];
  for (const [index, [, argument = '', form = '', literal]] of pieces.entries()) {
    if (literal !== undefined) {
      source += escaped(literal);
      continue;
    }
    const until = pieces[index + 1]?.[3];
    slots.push({ argument, form, type: args[argument], isLast: until === undefined });
    if (form !== 's') source += FORMS[form] ?? `(${form})`;
    // Up to the first place where the literal stands, never a later one.
    else source += until === undefined ? '(.*)' : `((?:(?!${escaped(until)}).)*)`;
  }
  return { pattern: new RegExp(`^${source}[ \\r]*$`, 's'), slots, sets: shape.sets ?? {} };
}

const PATTERNS: ReadonlyMap<string, readonly ShapePattern[]> = new Map(
  eventNames.map((name) => {
    const { args, shapes }: EventDeclaration = catalogue[name];
    return [name, shapes.map((shape) => patternOf(shape, args))];
  }),
);

/** The first words of names that the catalogue has, up to their first underscore. */
const FIRST_WORDS = [...new Set(eventNames.map((name) => name.split(/[_:]/, 1)[0]))];
const NAMES_INSIDE = new RegExp(`(?=((?:${FIRST_WORDS.join('|')})_\\w{0,${LONGEST_NAME}}) )`, 'g');

/** Whether another event's line is glued on to a text: one with a stamp, or in the last text one without. */
function hasLineInside(text: string, isLast: boolean): boolean {
  if (LINE_START.test(text)) return true;
  return isLast && [...text.matchAll(NAMES_INSIDE)].some(([, name]) => PATTERNS.has(name ?? ''));
}

/** A number as it is kept; undefined where it has more bits than its argument, or digits than fit. */
function numberOf(text: string, { form, type }: Slot): bigint | undefined {
  const bits = type === 'u64' || type === undefined || form === 'p' ? 64 : 32;
  if (text === '(nil)') return 0n;
  if (form !== 'd') {
    const digits = text.replace(/^0x/, '');
    return digits.length * 4 > bits ? undefined : BigInt(`0x${digits}`);
  }
  const value = BigInt(text);
  const size = value < 0n ? -value : value;
  return size >> BigInt(bits) === 0n ? BigInt.asUintN(bits, value) : undefined;
}

function kept(text: string, slot: Slot): bigint | string | undefined {
  const { form, isLast } = slot;
  if (form === 's') return hasLineInside(text, isLast) ? undefined : isLast ? ended(text) : text;
  if (form === 'w') return text;
  return FORMS[form] === undefined ? BigInt(form.split('|').indexOf(text)) : numberOf(text, slot);
}

/** Without the blanks and the CR that end a line. By hand: a pattern is slow on long blanks. */
function ended(text: string): string {
  let to = text.length;
  while (to > 0 && (text[to - 1] === ' ' || text[to - 1] === '\r')) to -= 1;
  return text.slice(0, to);
}

function readShape({ pattern, slots, sets }: ShapePattern, text: string): Values | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const values = new Map<string, bigint | string>();
  for (const [index, slot] of slots.entries()) {
    const value = kept(found[index + 1] ?? '', slot);
    if (value === undefined) return undefined;
    if (slot.type !== undefined) values.set(slot.argument, value);
  }
  for (const [argument, value] of Object.entries(sets)) values.set(argument, BigInt(value));
  return values;
}

/**
 * The arguments of the event `name` from the text behind its name and the blank; those that its
 * shape does not print are absent. Undefined where the text is of none of its shapes.
 */
export function readArguments(name: EventName, text: string): Values | undefined {
  for (const shape of PATTERNS.get(name) ?? []) {
    const values = readShape(shape, text);
    if (values !== undefined) return values;
  }
  return undefined;
}

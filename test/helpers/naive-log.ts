import type { ArgumentType, EventDeclaration } from '../../src/events/catalogue/declaration.ts';
import { catalogue, kindOfName } from '../../src/events/catalogue/index.ts';

/*
 * QEMU's log read the simple way: a regular expression for each shape of an event, and a string for
 * each line. Slow, and of lines that are not whole it knows nothing.
 */

const STAMP = String.raw`(?:\d{1,10}@\d{1,11}\.\d{6}:|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z )`;
/** How a line begins; inside a line it shows that another one is glued on. */
export const LINE_START = new RegExp(
  String.raw`${STAMP}(?=[a-z])|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: (?:starting up|shutting down)`,
);
const LINE = new RegExp(String.raw`^(?:\0|\xef\xbb\xbf)*${STAMP}?([a-z]\w*)(?: (.*))?$`, 's');

const FORMS: Readonly<Record<string, string>> = {
  x: '([0-9a-fA-F]+)',
  d: String.raw`(-?\d+)`,
  p: String.raw`(\(nil\)|0x[0-9a-fA-F]+)`,
  w: '([a-z-]+)',
  s: '(.*?)',
};

type Arguments = Readonly<Record<string, number | string>>;

/** An event, by its name and arguments. */
export interface NaiveEvent {
  readonly name: string;
  readonly args: Arguments;
}

/** A number of a type as it is read; undefined where it has too many bits. */
function numberOf(text: string, form: string, type: ArgumentType | undefined) {
  const value = text === '(nil)' ? 0n : BigInt(form === 'x' ? `0x${text}` : text);
  const bits = type === 'u64' || type === undefined || form === 'p' ? 64 : 32;
  const digits = form === 'x' ? text.length * 4 : form === 'p' ? (text.length - 2) * 4 : 0;
  if (digits > bits || value >= 1n << BigInt(bits) || value <= -1n << BigInt(bits))
    return undefined;
  if (type === 'i32') return Number(BigInt.asIntN(32, value));
  return type === 'u32' ? Number(value) : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function readShape(
  name: string,
  text: string,
  shape: EventDeclaration['shapes'][number],
): Arguments | undefined {
  const { args }: EventDeclaration = catalogue[name as keyof typeof catalogue];
  const slots = [...shape.text.matchAll(/\{(\w+):([^}]+)\}/g)];
  const pattern = shape.text
    .split(/(\{\w+:[^}]+\})/)
    .map((piece) => {
      const form = /^\{\w+:([^}]+)\}$/.exec(piece)?.[1];
      if (form === undefined) return piece.replace(/[^\w ]/g, '\\$&');
      return FORMS[form] ?? `(${form})`;
    })
    .join('');
  const found = new RegExp(`^${pattern}[ \\r]*$`, 's').exec(text);
  if (found === null) return undefined;
  const read: Record<string, number | string> = Object.fromEntries(
    Object.entries(args).map(([argument, type]) => [
      argument,
      type === 'text' ? '' : type === 'u64' ? '0x0' : 0,
    ]),
  );
  for (const [index, [, argument = '', form = '']] of slots.entries()) {
    const value = found[index + 1] ?? '';
    let result: number | string | undefined;
    if (form === 's' && LINE_START.test(value)) return undefined;
    if (form === 's' || form === 'w')
      result = Buffer.from(value, 'latin1').subarray(0, 512).toString();
    else if (FORMS[form] === undefined) result = form.split('|').indexOf(value);
    else result = numberOf(value, form, args[argument]);
    if (result === undefined) return undefined;
    if (argument in args) read[argument] = result;
  }
  return { ...read, ...shape.sets };
}

/** The event of a text `name arguments`, or undefined. */
export function readEvent(name: string, text: string): NaiveEvent | undefined {
  if (name.includes(':') || kindOfName(name) === undefined) return undefined;
  const { shapes }: EventDeclaration = catalogue[name as keyof typeof catalogue];
  for (const shape of shapes) {
    const args = readShape(name, text, shape);
    if (args !== undefined) return { name, args };
  }
  return undefined;
}

/**
 * The event of a line that is one and nothing else, as the characters of its bytes. Undefined for
 * any other line: not catalogued, with a terminal's commands, or with another line glued on.
 */
export function readLine(line: string): NaiveEvent | undefined {
  const [, name = '', text = ''] = LINE.exec(line.replace(/\r$/, '')) ?? [];
  if (line.includes('\u001b') || LINE_START.test(text)) return undefined;
  return readEvent(name, text);
}

/** Every event that stands at the end of a line, wherever in it that begins. */
export function eventsEnding(line: string): readonly NaiveEvent[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's commands begin with ESC
  const plain = line.replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, '').replace(/\r$/, '');
  return [...plain.matchAll(/(?=([a-z]\w*)(?: |$))/g)].flatMap(({ index, 1: name = '' }) => {
    const event = readEvent(name, plain.slice(index + name.length + 1));
    return event === undefined ? [] : [event];
  });
}

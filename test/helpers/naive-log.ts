import { readArguments } from '../../src/decoding/reference/shapes.ts';
import type { ArgumentType, EventDeclaration } from '../../src/events/catalogue/declaration.ts';
import { catalogue, type EventName, kindOfName } from '../../src/events/catalogue/index.ts';

/*
 * QEMU's log read the simple way: the reference's regular expressions for events, and one for whole
 * lines. Of lines that are not whole it knows nothing.
 */

const STAMP = String.raw`(?:\d{1,10}@\d{1,11}\.\d{6}:|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z )`;
/** How a line begins; inside a line it shows that another one is glued on. */
export const LINE_START = new RegExp(
  String.raw`${STAMP}(?=[a-z])|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: (?:starting up|shutting down)`,
);
const LINE = new RegExp(String.raw`^(?:\0|\xef\xbb\xbf)*${STAMP}?([a-z]\w*)(?: (.*))?$`, 's');

type Arguments = Readonly<Record<string, number | string>>;

/** An event, by its name and arguments. */
export interface NaiveEvent {
  readonly name: string;
  readonly args: Arguments;
}

/** A value as it is compared: texts as they show, 64-bit numbers in hexadecimal. */
function shown(value: bigint | string | undefined, type: ArgumentType): number | string {
  if (type === 'text') {
    return typeof value === 'string'
      ? Buffer.from(value, 'latin1').subarray(0, 512).toString()
      : '';
  }
  const number = typeof value === 'bigint' ? value : 0n;
  if (type === 'u64') return `0x${number.toString(16)}`;
  return Number(type === 'i32' ? BigInt.asIntN(32, number) : number);
}

/** The event of a text `name arguments`, or undefined. */
export function readEvent(name: string, text: string): NaiveEvent | undefined {
  if (name.includes(':') || kindOfName(name) === undefined) return undefined;
  const values = readArguments(name as EventName, text);
  if (values === undefined) return undefined;
  const { args }: EventDeclaration = catalogue[name as EventName];
  const read = Object.entries(args).map(([argument, type]) => [
    argument,
    shown(values.get(argument), type),
  ]);
  return { name, args: Object.fromEntries(read) };
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

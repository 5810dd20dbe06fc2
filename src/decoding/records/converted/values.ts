import type { ArgumentType, EventDeclaration } from '../../../events/catalogue/declaration.ts';
import {
  catalogue,
  type EventKind,
  type EventName,
  eventNames,
  offsetsOf,
} from '../../../events/catalogue/index.ts';
import { lossKinds } from '../../../events/catalogue/notes.ts';
import type { BatchCursor } from '../../../events/cursor.ts';
import { messageTexts } from '../../../events/messages/index.ts';

/** An argument of an event, and where it lies in the event's record. */
export interface Argument {
  readonly name: string;
  readonly type: ArgumentType;
  readonly at: number;
  /** The words that its numbers stand for; null where they are numbers. */
  readonly words: readonly string[] | null;
}

/** Of what notes hold as the number of a row. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'trace:loss kind': lossKinds,
  'message:known about': messageTexts.map(({ id }) => id),
};

/** The arguments of each event, by its number. */
export const argumentsOf: readonly (readonly Argument[])[] = eventNames.map((event) => {
  const { args }: EventDeclaration = catalogue[event];
  const offsets: Readonly<Record<string, number>> = offsetsOf(event);
  return Object.entries(args).map(([name, type]) => ({
    name,
    type,
    at: offsets[name] ?? 0,
    words: WORDS[`${event} ${name}`] ?? wordsIn(event, name),
  }));
});

/** The words of an argument that a log has in the place of its number. */
function wordsIn(event: EventName, argument: string): readonly string[] | null {
  const { shapes }: EventDeclaration = catalogue[event];
  for (const { text } of shapes) {
    const words = new RegExp(String.raw`\{${argument}:([^}]*\|[^}]*)\}`).exec(text)?.[1];
    if (words !== undefined) return words.split('|');
  }
  return null;
}

/**
 * The arguments of the record that a cursor stands on, in their order: `0x` and digits of a number of
 * 64 bits, decimal digits of a smaller one, or a word, or a text.
 */
export function valuesAt(cursor: BatchCursor): string[] {
  const { kind } = cursor;
  return (argumentsOf[kind] ?? []).map((argument) => textOf(argument, cursor));
}

/** The number of an event's argument by its name. @throws Error where it has none */
export function indexOfArgument(kind: EventKind, name: string): number {
  const index = (argumentsOf[kind] ?? []).findIndex((argument) => argument.name === name);
  if (index < 0) throw new Error(`${eventNames[kind]} has no argument ${name}`);
  return index;
}

function textOf({ at, type, words }: Argument, cursor: BatchCursor): string {
  if (words !== null) return words[cursor.u32(at)] ?? '';
  if (type === 'u64') return cursor.hex(at);
  if (type === 'text') return cursor.text(at);
  return String(type === 'i32' ? cursor.i32(at) : cursor.u32(at));
}

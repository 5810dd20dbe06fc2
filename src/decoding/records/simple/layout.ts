import type { EventDeclaration, Shape } from '../../../events/catalogue/declaration.ts';
import {
  argumentWords,
  catalogue,
  type EventName,
  offsetsOf,
  wordsOf,
} from '../../../events/catalogue/index.ts';
import type { Conversion, DeclaredEvent } from '../../declared-events.ts';

/** What becomes of an argument. */
export const act = { pass: 0, u64: 1, word: 2, passText: 3, text: 4 } as const;

/** A text argument. */
export interface TextStep {
  /** For one of some words, of which the record has the position. */
  readonly words: readonly Uint8Array[] | null;
  /** What its characters must be, where not any. */
  readonly pattern: RegExp | null;
}

/** How the arguments of an event follow each other, in the versions that print one of its shapes. */
export interface Layout {
  /** For each argument an `act`, and the word of the record's arguments that it is for: read for every event. */
  readonly steps: Int32Array;
  /** The texts that are kept, in their order. */
  readonly texts: readonly TextStep[];
  /** More arguments follow, of which nothing is kept. */
  readonly hasMore: boolean;
  /** Words to be set first, where and to what: what the shape says without printing it, and zero for what it lacks. */
  readonly presets: Int32Array;
  /** For printing: literal text and conversions, in turn. */
  readonly format: DeclaredEvent['format'];
  /** Of two shapes with the same arguments, the one of QEMU 7.2. */
  readonly isOld: boolean;
}

const PLACEHOLDER = /\{(\w+):([^}]+)\}/g;
const STATE_WORD = /^[a-z-]*$/;

/**
 * The layouts of a catalogued event: the arguments of its declaration in QEMU are those of its format,
 * in the same order (checked with the lists of 10.2.2 and 11.1.3). A text that ends a shape may stand
 * for any more.
 */
export function layoutsOf(name: EventName): readonly Layout[] {
  const { args, shapes }: EventDeclaration = catalogue[name];
  return shapes.map((shape) => layoutOf(name, args, shape));
}

function layoutOf(name: EventName, args: EventDeclaration['args'], shape: Shape): Layout {
  const offsets: Readonly<Record<string, number>> = offsetsOf(name);
  const { text, sets = {} } = shape;
  const found = [...text.matchAll(PLACEHOLDER)];
  const hasMore = text.endsWith('{_:s}');
  if (hasMore) found.pop();
  const texts: TextStep[] = [];
  const steps: number[] = [];
  const presets = new Map<number, number>();
  for (let at = 0; at < argumentWords(name); at += 1) presets.set(at, 0);
  for (const [argument, value] of Object.entries(sets)) presets.set(offsets[argument] ?? 0, value);
  for (const [, argument = '_', form = 'd'] of found) {
    const at = offsets[argument];
    const type = args[argument];
    const isText = form === 's' || form === 'w' || form.includes('|');
    if (at === undefined || type === undefined) {
      steps.push(isText ? act.passText : act.pass, 0);
      continue;
    }
    if (isText) texts.push(textStep(form));
    steps.push(isText ? act.text : type === 'u64' ? act.u64 : act.word, at);
    for (let word = 0; word < wordsOf(type); word += 1) presets.delete(at + word);
  }
  return {
    steps: Int32Array.from(steps),
    texts,
    hasMore,
    presets: Int32Array.from([...presets].flat()),
    format: formatOf(text),
    isOld: 'old' in sets,
  };
}

function textStep(form: string): TextStep {
  const words = form.includes('|') ? form.split('|').map((word) => Buffer.from(word)) : null;
  return { words, pattern: form === 'w' ? STATE_WORD : null };
}

/** Digits with which QEMU prints the parts of a device's address. */
const WIDTHS: Readonly<Record<string, number>> = { bus: 2, slot: 2 };

function formatOf(text: string): Layout['format'] {
  const parts: (string | Conversion)[] = [];
  let at = 0;
  for (const { 0: all, 1: argument = '', 2: form = '', index } of text.matchAll(PLACEHOLDER)) {
    if (index > at) parts.push(text.slice(at, index));
    const isNumber = form === 'x' || form === 'd' || form === 'p';
    parts.push({ form: isNumber ? form : 's', width: form === 'x' ? (WIDTHS[argument] ?? 0) : 0 });
    at = index + all.length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** The layout that a build's declaration of the event asks for; null where none is known. */
export function declaredLayout(layouts: readonly Layout[], declared: DeclaredEvent): Layout | null {
  const { isText } = declared;
  const fitting = layouts.filter(({ steps, hasMore }) => {
    const count = steps.length / 2;
    if (hasMore ? isText.length < count : isText.length !== count) return false;
    return isText
      .slice(0, count)
      .every((is, index) => is === (steps[index * 2] as number) >= act.passText);
  });
  const text = plainOf(declared.format);
  return fitting.find(({ format }) => plainOf(format) === text) ?? fitting.at(-1) ?? null;
}

/** A format without what differs between notations. */
function plainOf(format: DeclaredEvent['format']): string {
  return format.map((part) => (typeof part === 'string' ? part : `{${part.form}}`)).join('');
}

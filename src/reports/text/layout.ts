import { styleText } from 'node:util';
import { plain } from '../../base/plain.ts';
import { beginning, columnsOf, ending } from './columns.ts';

/** How text is laid out: width, colour, and lines that wrap with a hanging indent. */

type Style = Parameters<typeof styleText>[0];

/** Below this a line holds no word and its indent. */
const LEAST_WIDTH = 40;
/** Lines longer than this are hard to follow, however wide the terminal. */
const WIDEST = 100;

/** A page of text in the making. */
export class Page {
  readonly width: number;
  /** Whether names are cut to the width: where a person looks, and not where a program reads. */
  readonly isCut: boolean;
  readonly #color: boolean;
  readonly #lines: string[] = [];

  constructor(width: number, color: boolean, isCut = true) {
    this.isCut = isCut;
    this.width = Math.min(
      Math.max(Number.isFinite(width) ? Math.floor(width) : 80, LEAST_WIDTH),
      WIDEST,
    );
    this.#color = color;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** A line as it is: no longer than the width, and safe to print. */
  line(text = ''): this {
    this.#lines.push(text);
    return this;
  }

  /** An empty line, unless one is there already or nothing is. */
  gap(): this {
    const last = this.#lines.at(-1);
    if (last !== undefined && last !== '') this.#lines.push('');
    return this;
  }

  /** A name, cut to the room there is where names are. */
  name(text: string, room: number): string {
    return this.isCut ? shorten(text, room) : text;
  }

  /** The heading of a section. */
  heading(text: string): this {
    this.gap();
    return this.line(this.style('bold', text.toUpperCase()));
  }

  /**
   * Wrapped text; `first` starts the first line, in a style of its own, and further lines are
   * indented to its width.
   */
  text(text: string, first = '', style?: Style, firstStyle?: Style): this {
    const indent = ' '.repeat(first.length);
    const start = firstStyle === undefined ? first : this.style(firstStyle, first);
    for (const [index, line] of wrap(plain(text), this.width - first.length).entries()) {
      const styled = style === undefined ? line : this.style(style, line);
      this.#lines.push((index === 0 ? start : indent) + styled);
    }
    return this;
  }

  /** `label  text`, the text wrapped beside its label. */
  field(label: string, text: string, indent: string, labelWidth: number, style?: Style): this {
    return this.text(text, `${indent}${label.padEnd(labelWidth)} `, style);
  }

  /** Text as it stands, blanks and all: lines of a trace, commands. `hang`: more indent for the rest. */
  quote(text: string, first: string, style?: Style, hang = 0): this {
    const room = this.width - first.length;
    const more = Math.min(hang, room >> 1);
    for (const [index, part] of fold(plain(text), room, room - more).entries()) {
      const styled = style === undefined ? part : this.style(style, part);
      this.#lines.push((index === 0 ? first : ' '.repeat(first.length + more)) + styled);
    }
    return this;
  }

  style(style: Style, text: string): string {
    return this.#color ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Words of `text` in lines of at most `width`; a word that is longer is broken. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').filter((word) => word !== '')) {
    if (line !== '' && columnsOf(line) + 1 + columnsOf(word) <= width) line += ` ${word}`;
    else {
      if (line !== '') lines.push(line);
      const parts = chop(word, width);
      lines.push(...parts.slice(0, -1));
      line = parts.at(-1) ?? '';
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** Lines of at most `width` columns, the first of `first`; cut at a blank where one is near the end. */
function fold(text: string, first: number, width: number): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  let room = first;
  while (columnsOf(rest) > room) {
    const most = beginning(rest, room);
    const blank = rest.lastIndexOf(' ', most.length);
    const isNear = blank > most.length / 2;
    const cut = isNear ? blank : most.length;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(isNear ? cut + 1 : cut);
    room = width;
  }
  lines.push(rest);
  return lines;
}

/** Pieces of at most `width` columns. */
function chop(text: string, width: number): readonly string[] {
  const pieces: string[] = [];
  let rest = text;
  while (columnsOf(rest) > width) {
    const piece = beginning(rest, width);
    pieces.push(piece);
    rest = rest.slice(piece.length);
  }
  return [...pieces, rest];
}

/** `text` in at most `width` columns; what goes is cut from its middle, as ends of paths tell most. */
export function shorten(text: string, width: number): string {
  if (columnsOf(text) <= width) return text;
  const head = beginning(text, Math.floor((width - 1) / 3));
  return `${head}~${ending(text, width - 1 - columnsOf(head))}`;
}

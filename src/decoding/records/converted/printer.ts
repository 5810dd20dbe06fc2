import { jsonText } from '../../../base/json-text.ts';
import { NO_TIME } from '../../../base/place.ts';
import { NO_THREAD, type TraceEnd } from '../../../events/batch.ts';
import { type EventKind, eventNames } from '../../../events/catalogue/index.ts';
import type { BatchCursor } from '../../../events/cursor.ts';
import { type ConvertedHeader, headerText } from './header.ts';
import { LogText } from './log-text.ts';
import { argumentsOf, valuesAt } from './values.ts';

/** The notations that events are printed in. */
export const notations = ['ndjson', 'log'] as const;
export type Notation = (typeof notations)[number];

/** Changes the values of an event in their place, as `valuesAt` gives them. */
export type ChangeValues = (kind: EventKind, values: string[]) => void;

/** What is known of a converted trace at its end. */
export interface ConvertedEnd extends TraceEnd {
  /** Of the trace that was converted. */
  readonly lines: number;
  /** Events that the replay does not need, by name. */
  readonly skipped: Readonly<Record<string, number>>;
}

const MICROSECOND = 1000;
/** Of a record that tells more of the text that the one before it is of, as of an error in an event. */
export const SAME_TEXT = ',"sameText":true';

/**
 * Prints the records of a trace, one on a line, so that `ConvertedDecoder` makes the same records of
 * them, at the same lines:
 *
 *     {"vtdscope":"events","version":1,"format":"qemu-log","clock":"wall","stampsTellVersion":true}
 *     {"line":12,"event":"vtd_page_walk_one","timestamp":"1795332947.862113000","tid":7329,"args":{"domain":2,...}}
 *     {"end":{"records":1,"lines":12,"skipped":{},"losses":[],"hasGrown":false}}
 *
 * As a log, events are as QEMU prints them, behind the name of their process where lines have one; all
 * else is a comment, and so is the line of the next event where it is not the one behind the last:
 *
 *     # {"vtdscope":"events","version":1,"format":"qemu-log","clock":"wall","stampsTellVersion":true}
 *     # line 12
 *     7329@1795332947.862113:vtd_page_walk_one domain 0x2 iova 0xffff4000 -> gpa ...
 *     # {"end":{"records":1,"lines":12,"skipped":{},"losses":[],"hasGrown":false}}
 */
export class RecordPrinter {
  readonly #isLog: boolean;
  readonly #isWall: boolean;
  readonly #change: ChangeValues | null;
  readonly #changeSource: (name: string) => string;
  readonly #header: ConvertedHeader;
  readonly #logText = new LogText();
  #records = 0;
  #line = 0;
  #byteOffset = -1;

  /** `change`, `changeSource`: for what is not to be shown as it is. */
  constructor(
    notation: Notation,
    header: ConvertedHeader,
    change: ChangeValues | null = null,
    changeSource: (name: string) => string = (name) => name,
  ) {
    this.#isLog = notation === 'log';
    this.#isWall = header.clock === 'wall';
    this.#header = header;
    this.#change = change;
    this.#changeSource = changeSource;
  }

  /** The first line. */
  begin(): string {
    return this.#note(headerText(this.#header));
  }

  /** The line of the record that a cursor stands on; `source`: the process that it names, or null. */
  record(cursor: BatchCursor, source: string | null): string {
    this.#records += 1;
    const { kind, line } = cursor;
    const values = valuesAt(cursor);
    this.#change?.(kind, values);
    const process = source === null ? null : this.#changeSource(source);
    const isSameText = cursor.byteOffset === this.#byteOffset;
    this.#byteOffset = cursor.byteOffset;
    if (!this.#isLog) return `${this.#json(cursor, values, process, line, isSameText)}\n`;
    const isNext = line === this.#line + 1;
    this.#line = line;
    // It has its line in itself: nothing may stand between it and the record before.
    if (isSameText) return this.#note(this.#json(cursor, values, process, line, true));
    const jump = isNext ? '' : `# line ${line}\n`;
    const text = this.#logText.of(kind, values);
    if (text === null) return jump + this.#note(this.#json(cursor, values, process, null, false));
    const writer = process === null ? '' : `${jsonText(process)} `;
    return `${jump}${writer}${this.#stamp(cursor)}${text}\n`;
  }

  /** The last line. */
  end({ hasGrown, lines, losses, skipped }: ConvertedEnd): string {
    const records = this.#records;
    return this.#note(jsonText({ end: { records, lines, skipped, losses, hasGrown } }));
  }

  #note(json: string): string {
    return this.#isLog ? `# ${json}\n` : `${json}\n`;
  }

  #json(
    { hasTime, kind, nanoseconds, seconds, thread }: BatchCursor,
    values: readonly string[],
    source: string | null,
    line: number | null,
    isSameText: boolean,
  ): string {
    let text = line === null ? '{' : `{"line":${line},`;
    text += `"event":"${eventNames[kind]}"`;
    if (hasTime) text += `,"timestamp":"${seconds}.${String(nanoseconds).padStart(9, '0')}"`;
    if (thread !== NO_THREAD) text += `,"tid":${thread}`;
    if (source !== null) text += `,"source":${jsonText(source)}`;
    if (isSameText) text += SAME_TEXT;
    text += ',"args":{';
    const all = argumentsOf[kind] ?? [];
    for (let index = 0; index < all.length; index += 1) {
      const { name, type, words } = all[index] as (typeof all)[number];
      const value = values[index] as string;
      if (index > 0) text += ',';
      if (type === 'text') text += `"${name}":${jsonText(value)}`;
      else text += words === null && type !== 'u64' ? `"${name}":${value}` : `"${name}":"${value}"`;
    }
    return `${text}}}`;
  }

  /** As QEMU has it before an event; with nanoseconds where a trace has some. */
  #stamp({ nanoseconds, seconds, thread }: BatchCursor): string {
    if (nanoseconds === NO_TIME) return thread === NO_THREAD ? '' : `${thread}@:`;
    const digits =
      nanoseconds % MICROSECOND === 0
        ? String(nanoseconds / MICROSECOND).padStart(6, '0')
        : String(nanoseconds).padStart(9, '0');
    if (thread === NO_THREAD && this.#isWall) {
      const iso = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
      return `${iso}.${digits}Z `;
    }
    return `${thread}@${seconds}.${digits}:`;
  }
}

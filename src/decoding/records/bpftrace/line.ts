import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_THREAD } from '../../../events/batch.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { EmbeddedLine } from '../../embedded-line.ts';
import { EventValues, type Value, type ValueToken } from '../../event-values.ts';
import type { LineForm, Piece } from '../../formed-lines.ts';
import { LAST_SECOND } from '../../iso-time.ts';
import { newLineReader } from '../../kernels.ts';
import { type LinePlace, writeLoss } from '../../notes.ts';
import { textOf } from '../../ordered-lines.ts';
import { FAMILY } from '../../patterns.ts';

/*
 * QEMU's `dtrace` trace backend through bpftrace prints what its script says. This is read: nanoseconds
 * since boot (`nsecs`), the thread (`tid`), the event, and arguments by QEMU's names for them, or by
 * `arg0`, `arg1` ... if there are all of them:
 *
 *   1980224305735 10488 vtd_page_walk_one domain=0x2 iova=0xffff4000 gpa=0x3f4000 mask=0xfff perm=3
 *   1980224305891 10488 vfio_iommu_map_notify op=MAP iova_start=0xffff4000 iova_end=0xffff4fff
 *   1980224305735 10488 vtd_page_walk_one domain 0x2 iova 0xffff4000 -> gpa ...     or QEMU's own text
 */

const LINE = /^(\d{1,20}) (\d{1,10}) (\w{1,128})(?: |$)/;
/** A text may have blanks, up to the name of the next argument. */
const NAME = /(?:^| )(\w{1,64})=/;
const NUMBERED = /^arg\d{1,2}$/;
/** bpftrace, where its buffer was full. */
const LOST = /\b[Ll]ost (\d{1,12}) events\b/;
const OURS = new RegExp(`^${FAMILY}`);
/** Digits of a second's fraction. */
const DIGITS = 9;

/** True where a line is one of a script's about an event of QEMU's. */
export function isBpftraceLine(text: string): boolean {
  const [, , , name = ''] = LINE.exec(text) ?? [];
  return OURS.test(name);
}

/** Decodes what a script prints, line by line. */
export class BpftraceLines {
  readonly #reader = newLineReader();
  readonly #values = new EventValues(this.#reader);
  readonly #line = new EmbeddedLine(this.#reader);

  /**
   * The form of the line at `from .. to`, which was just decoded, or null. Its numbers may be others, and
   * what is behind its seconds.
   */
  form(bytes: Buffer, from: number, to: number, writer: BatchWriter): LineForm | null {
    const text = textOf(bytes, from, to);
    const [header, time = '', , name = ''] = LINE.exec(text) ?? [];
    const tokens = header === undefined ? null : tokensOf(text, header.length);
    if (tokens === null || time.length <= DIGITS) return null;
    const isTime = Number(time.slice(0, -DIGITS)) <= LAST_SECOND;
    const piece: Piece = { is: isTime ? 'fraction' : 'figures', digits: DIGITS };
    const fraction = { from: time.length - DIGITS, to: time.length, piece };
    return this.#values.form(name, bytes, from, to, tokens, [fraction], writer);
  }

  /** `text`: a character for each byte. */
  decode(text: string, byteOffset: number, writer: BatchWriter): void {
    const found = LINE.exec(text);
    if (found === null) {
      this.#other(text, byteOffset, writer);
      return;
    }
    const [header, time = '', thread, name = ''] = found;
    const seconds = Number(time.slice(0, -DIGITS));
    const isTime = seconds <= LAST_SECOND;
    const place = {
      byteOffset,
      seconds: isTime ? seconds : 0,
      nanoseconds: isTime ? Number(time.slice(-DIGITS)) : NO_TIME,
      thread: Number(thread) <= LAST_THREAD ? Number(thread) : NO_THREAD,
    };
    const values = valuesOf(text.slice(header.length));
    if (values !== null && this.#event(name, values, writer, place)) return;
    const printed = Buffer.from(`${name} ${text.slice(header.length)}`, 'latin1');
    if (!this.#line.write(printed, writer, place, [])) writer.foreignLines += 1;
  }

  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void {
    this.#line.takeCounts(writer);
  }

  /** Writes an event by its arguments; false where they are none of its. */
  #event(name: string, values: readonly Value[], writer: BatchWriter, place: LinePlace): boolean {
    const isNumbered = values.length > 0 && values.every((value) => NUMBERED.test(value.name));
    const byName = new Map(values.map((value) => [value.name, value.text]));
    const written = isNumbered
      ? this.#values.write(name, values, false, writer, place)
      : this.#values.writeNamed(name, byName, writer, place);
    return written !== 'unreadable';
  }

  #other(text: string, byteOffset: number, writer: BatchWriter): void {
    const place = { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
    const lost = LOST.exec(text);
    if (lost !== null) writeLoss(writer, place, 'dropped', text, Number(lost[1]));
    else if (NAMED.test(text)) writeLoss(writer, place, 'torn', text);
    else if (text.trim() !== '') writer.foreignLines += 1;
  }
}

/** What is left of a line whose front is damaged. */
const NAMED = new RegExp(String.raw`(?:^|\W)${FAMILY}\w{1,96} \w{1,64}=`);

const TOKEN = /(\w{1,64})=([^\s=]*)(?: |$)/y;

/** The arguments from `from` on, where each is a word and has a name of its own; else null. */
function tokensOf(text: string, from: number): readonly ValueToken[] | null {
  const tokens: ValueToken[] = [];
  for (let at = from; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const [all, name = '', value = ''] = TOKEN.exec(text) ?? [];
    if (all === undefined || tokens.some((token) => token.name === name)) return null;
    tokens.push({ name, text: value, at: at + name.length + '='.length });
  }
  return tokens;
}

/** The arguments, which have a name each; null where there are others. */
function valuesOf(text: string): readonly Value[] | null {
  const [first = '', ...rest] = text.split(NAME);
  if (first.trim() !== '') return null;
  const values: Value[] = [];
  for (let at = 0; at < rest.length; at += 2) {
    values.push({ name: rest[at] ?? '', text: (rest[at + 1] ?? '').trim() });
  }
  return values;
}

import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import type { EventDeclaration } from '../../../events/catalogue/declaration.ts';
import { catalogue, eventNames, kindOfName } from '../../../events/catalogue/index.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { EventValues, type Value } from '../../event-values.ts';
import { LAST_SECOND } from '../../iso-time.ts';
import { newLineReader } from '../../kernels.ts';
import { type LinePlace, writeLoss } from '../../notes.ts';
import type { OrderedLine } from '../../ordered-lines.ts';
import { Operations } from './operations.ts';

/*
 * QEMU's `dtrace` trace backend through `perf record -e 'sdt_qemu:vtd_*'` and `perf script` (perf 6.1):
 * task, thread, CPU, time, probe, its address, and the arguments as decimal numbers in the order of
 * QEMU's declaration. A probe that is in several places has `_1`, `_2` behind its name.
 *
 *   qemu-system-x86  9951 [001]  1965.996801: sdt_qemu:vtd_page_walk_one: (55bb4a61c9ba) arg1=2 arg2=4294918144 ...
 *   qemu-system-x86  9951/9951  [001]  1965.996801871: ...       -F +pid, --ns
 *
 * Texts are addresses. Of MAP and UNMAP these tell (operations.ts); other events of which a text
 * matters are counted like those that are not needed, so that they are missing.
 */

const PROBE = /(?:sdt|probe)_qemu:(\w{1,128}):? +(?:\([0-9a-f]{1,16}\))?/y;
const GROUP = '_qemu:';
/** Process, thread, seconds, fraction; what stands before the probe ends so. */
const FRONT =
  /(?:^| )(?:(\d{1,10})\/)?(\d{1,10}) {1,16}(?:\[\d{1,9}\] {1,16})?(?:[^\s:]{3,9} {1,16})?(?:(\d{1,11})\.(\d{6}|\d{9}): {1,64})?(?:\d{1,20} {1,16})?$/;
const LONGEST_FRONT = 256;
const ARGUMENT = / *arg(\d{1,2})=(-?\d{1,20}|0x[0-9a-f]{1,16}|"[^"]{0,512}")(?= |$)/y;
const SUFFIX = /_\d{1,3}$/;
const LOST = /PERF_RECORD_LOST lost (\d{1,12})|\blost (\d{1,12}) (?:chunks|events|samples)\b/;

/** A line of a probe's. */
export interface PerfEvent {
  readonly name: string;
  /** As it stands there, or '' */
  readonly process: string;
  readonly thread: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly values: readonly Value[];
}

/** The event of a line; null where it is none, or is damaged. */
export function perfEventOf(text: string): PerfEvent | null {
  const group = text.indexOf(GROUP);
  if (group < 0 || group > LONGEST_FRONT) return null;
  PROBE.lastIndex = text.lastIndexOf(' ', group) + 1;
  const front = FRONT.exec(text.slice(0, PROBE.lastIndex));
  const probe = PROBE.exec(text);
  if (front === null || probe === null) return null;
  const values = valuesOf(text, PROBE.lastIndex);
  if (values === null) return null;
  const [, process = '', thread, seconds, fraction] = front;
  const isTime = fraction !== undefined && Number(seconds) <= LAST_SECOND;
  return {
    name: nameOf(probe[1] ?? ''),
    process,
    thread: Number(thread) <= LAST_THREAD ? Number(thread) : NO_THREAD,
    seconds: isTime ? Number(seconds) : 0,
    nanoseconds: isTime ? Number(fraction.padEnd(9, '0')) : NO_TIME,
    values,
  };
}

function nameOf(probe: string): string {
  const name = probe.replace(SUFFIX, '');
  return kindOfName(probe) === undefined && kindOfName(name) !== undefined ? name : probe;
}

/** The arguments, in their order, up to the end of the line; null where they do not end there. */
function valuesOf(text: string, from: number): readonly Value[] | null {
  const values: Value[] = [];
  let at = from;
  for (;;) {
    ARGUMENT.lastIndex = at;
    const found = ARGUMENT.exec(text);
    if (found === null) break;
    const [, number, value = ''] = found;
    if (Number(number) !== values.length + 1) return null;
    values.push({ name: '', text: value });
    at = ARGUMENT.lastIndex;
  }
  return text.slice(at).trim() === '' ? values : null;
}

/** Events of which the replay needs a text, which is not there. */
const LACK_TEXT: ReadonlySet<string> = new Set(
  eventNames.filter((name) => {
    const { args }: EventDeclaration = catalogue[name];
    return Object.values(args).includes('text');
  }),
);

/** Decodes the lines of one trace. */
export class PerfLines {
  readonly #values = new EventValues(newLineReader());
  readonly #operations = new Operations();

  decode({ text, byteOffset, isWhole }: OrderedLine, writer: BatchWriter): void {
    writer.source = NO_SOURCE;
    const event = isWhole ? perfEventOf(text) : null;
    if (event === null) {
      this.#other(text, byteOffset, isWhole, writer);
      return;
    }
    const { name, process, seconds, nanoseconds, thread, values } = event;
    if (process !== '') writer.source = writer.sourceOf(`process ${Number(process)}`);
    const place = { byteOffset, seconds, nanoseconds, thread };
    if (LACK_TEXT.has(name) && !values.some((value) => value.text.startsWith('"'))) {
      writer.skip(name);
      return;
    }
    const told = this.#operations.tell(event);
    const written = this.#values.write(name, told.map(unquoted), false, writer, place);
    if (written === 'unreadable') writeLoss(writer, place, 'unreadable', text.trim());
  }

  #other(text: string, byteOffset: number, isWhole: boolean, writer: BatchWriter): void {
    const lost = LOST.exec(text);
    const place: LinePlace = { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
    if (lost !== null) {
      const count = Number(lost[1] ?? lost[2]);
      if (count > 0) writeLoss(writer, place, 'dropped', text.trim(), count);
    } else if (text.includes(GROUP) || (!isWhole && text.trim() !== '')) {
      writeLoss(writer, place, 'torn', text.trim());
    } else if (text.trim() !== '') writer.foreignLines += 1;
  }
}

function unquoted({ name, text }: Value): Value {
  return { name, text: text.startsWith('"') ? text.slice(1, -1) : text };
}

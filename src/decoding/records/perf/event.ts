import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_THREAD } from '../../../events/batch.ts';
import { kindOfName } from '../../../events/catalogue/index.ts';
import type { ValueToken } from '../../event-values.ts';
import type { PiecePlace } from '../../formed-lines.ts';
import { LAST_SECOND } from '../../iso-time.ts';

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
export const GROUP = '_qemu:';
/** Process, thread, processor's number, seconds, fraction; what stands before the probe ends so. */
const FRONT =
  /(?:^| )(?:(\d{1,10})\/)?(\d{1,10}) {1,16}(?:\[(\d{1,9})\] {1,16})?(?:[^\s:]{3,9} {1,16})?(?:(\d{1,11})\.(\d{6}|\d{9}): {1,64})?(?:\d{1,20} {1,16})?$/;
const CPU = 3;
const FRACTION = 5;
const LONGEST_FRONT = 256;
const ARGUMENT = / *arg(\d{1,2})=(-?\d{1,20}|0x[0-9a-f]{1,16}|"[^"]{0,512}")(?= |$)/y;
const SUFFIX = /_\d{1,3}$/;

/** A line of a probe's. */
export interface PerfEvent {
  readonly name: string;
  /** As it stands there, or '' */
  readonly process: string;
  readonly thread: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly values: readonly ValueToken[];
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
  const [, process = '', thread, , seconds, fraction] = front;
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

/** FRONT, telling where each part is, which takes longer. */
const FRONT_PLACES = new RegExp(FRONT, 'd');

/** The digits of the processor's number and of the time's fraction, in a line with these nanoseconds. */
export function digitsIn(text: string, nanoseconds: number): readonly PiecePlace[] {
  const front = text.slice(0, text.lastIndexOf(' ', text.indexOf(GROUP)) + 1);
  const { indices } = FRONT_PLACES.exec(front) ?? {};
  const places: PiecePlace[] = [];
  for (const index of [CPU, FRACTION]) {
    const [from, to] = indices?.[index] ?? [];
    if (from === undefined || to === undefined) continue;
    const is = index === FRACTION && nanoseconds !== NO_TIME ? 'fraction' : 'figures';
    places.push({ from, to, piece: { is, digits: to - from } });
  }
  return places;
}

/** The arguments, in their order, up to the end of the line; null where they do not end there. */
function valuesOf(text: string, from: number): readonly ValueToken[] | null {
  const values: ValueToken[] = [];
  let at = from;
  for (;;) {
    ARGUMENT.lastIndex = at;
    const found = ARGUMENT.exec(text);
    if (found === null) break;
    const [, number, value = ''] = found;
    if (Number(number) !== values.length + 1) return null;
    at = ARGUMENT.lastIndex;
    values.push({ name: '', text: value, at: at - value.length });
  }
  return text.slice(at).trim() === '' ? values : null;
}

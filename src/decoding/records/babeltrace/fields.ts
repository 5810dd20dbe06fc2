import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import type { Value } from '../../event-values.ts';
import { LAST_SECOND, NO_TIME_AT_ALL, type Time } from '../../iso-time.ts';
import { type LinePlace, writeLoss } from '../../notes.ts';

/** The provider that QEMU's `ust` backend has for all its events. */
export const PROVIDER = 'qemu:';

const NANOSECONDS = 1_000_000_000n;

/** Nanoseconds since 1970. */
export function timeOfNanoseconds(nanoseconds: bigint): Time {
  const seconds = nanoseconds / NANOSECONDS;
  if (seconds > BigInt(LAST_SECOND)) return NO_TIME_AT_ALL;
  return { seconds: Number(seconds), nanoseconds: Number(nanoseconds % NANOSECONDS) };
}

/** The thread among the fields of the contexts that a user asked for, or NO_THREAD. */
export function threadIn(context: readonly Value[]): number {
  return numberIn(context, 'vtid') ?? numberIn(context, 'tid') ?? NO_THREAD;
}

/** The number by which a batch knows the process among these fields, or NO_SOURCE. */
export function sourceIn(context: readonly Value[], writer: BatchWriter): number {
  const process = numberIn(context, 'vpid') ?? numberIn(context, 'pid');
  return process === undefined ? NO_SOURCE : writer.sourceOf(`process ${process}`);
}

function numberIn(context: readonly Value[], name: string): number | undefined {
  const number = Number(context.find((field) => field.name === name)?.text.replaceAll(',', ''));
  return number > 0 && number <= LAST_THREAD ? number : undefined;
}

/** babeltrace says so on stderr; and `sink.text.details` in the text. */
const DISCARDED =
  /Tracer (?:may have )?(?:discarded|lost) (?:(\d{1,12}) )?(?:trace )?(?:events|packets)|^Discarded (?:events|packets)(?: \(([\d,]{1,16}) )?/;

/** Writes what a line says of events that LTTng has thrown away; false where it says nothing of that kind. */
export function writeDiscarded(text: string, writer: BatchWriter, byteOffset: number): boolean {
  const found = DISCARDED.exec(text);
  if (found === null) return false;
  const count = Number((found[1] ?? found[2] ?? '1').replaceAll(',', ''));
  if (count > 0) writeLoss(writer, timeless(byteOffset), 'dropped', text, count);
  return true;
}

export function timeless(byteOffset: number): LinePlace {
  return { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
}

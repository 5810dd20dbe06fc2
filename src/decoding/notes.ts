import { type EventName, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { type LossKind, lossKinds } from '../events/catalogue/notes.ts';
import type { BatchWriter } from '../events/writer.ts';

/** Where and when a line stands, for `BatchWriter.commit`. */
export interface LinePlace {
  readonly byteOffset: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly thread: number;
  /** The time is of a stamp of QEMU's own, and not of whoever took the line. */
  readonly isQemusTime?: boolean;
}

/** Characters of a lost line that are kept. */
export const DETAIL_LENGTH = 120;

const loss = { kind: kindOf('trace:loss'), at: offsetsOf('trace:loss') };

export function writeU64(writer: BatchWriter, at: number, value: bigint): void {
  writer.words[at] = Number((value >> 32n) & 0xffff_ffffn);
  writer.words[at + 1] = Number(value & 0xffff_ffffn);
}

/** Begins the record of a loss of `count` lines or events; returns where its detail goes. Not committed. */
export function beginLoss(
  writer: BatchWriter,
  kind: LossKind,
  count = 1,
  isBefore = false,
): number {
  const base = writer.begin(loss.kind);
  writer.words[base + loss.at.kind] = lossKinds.indexOf(kind);
  writer.words[base + loss.at.isBefore] = isBefore ? 1 : 0;
  writeU64(writer, base + loss.at.count, BigInt(count));
  return base + loss.at.detail;
}

/**
 * Writes that something is lost at this place. `detail`: of what, as the characters of its bytes.
 * `count`: how many lines or events, as far as that is known.
 */
export function writeLoss(
  writer: BatchWriter,
  place: LinePlace,
  kind: LossKind,
  detail: string,
  count = 1,
): void {
  writer.addLatin1(beginLoss(writer, kind, count), detail.slice(0, DETAIL_LENGTH));
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
}

/** The same for what is lost at a place that is not told, somewhere before this one. */
export function writeLossBefore(
  writer: BatchWriter,
  place: LinePlace,
  kind: LossKind,
  detail: string,
  count: number,
): void {
  writer.addLatin1(beginLoss(writer, kind, count, true), detail.slice(0, DETAIL_LENGTH));
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
}

/** Notes whose one argument is a text, and where in the record it lies. */
const TEXT_AT = {
  'session:start': offsetsOf('session:start').qemu,
  'session:argument': offsetsOf('session:argument').text,
  'session:name': offsetsOf('session:name').name,
  'session:end': offsetsOf('session:end').text,
} as const satisfies Partial<Record<EventName, number>>;

/** Writes a note of one text, given as the characters of its bytes. */
export function writeText(
  writer: BatchWriter,
  place: LinePlace,
  note: keyof typeof TEXT_AT,
  text: string,
): void {
  const base = writer.begin(kindOf(note));
  writer.addLatin1(base + TEXT_AT[note], text);
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
}

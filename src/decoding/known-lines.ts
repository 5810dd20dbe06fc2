import { once } from '../base/once.ts';
import { NO_THREAD } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';
import { KnownCalls } from './known-calls.ts';
import { type LineReader, type Outcome, outcome } from './line-reader.ts';
import { messagePatterns } from './messages.ts';
import { beginLoss, DETAIL_LENGTH } from './notes.ts';
import { OutlinePatterns, Outlines, outlineOf } from './outlines.ts';
import { BEGINS_LIKE_EVENT, FAMILY, LINE_START } from './patterns.ts';

/*
 * Lines of somebody else's and torn events, which say the same whatever numbers are in them. To find
 * that out takes two hundred patterns, so it is remembered for each outline. Of messages, those of
 * failing unmaps are (`known-calls.ts`).
 */

/** What a line is that has a certain outline. */
type Known = 'foreign' | 'torn' | 'hangs on more';

/** What is before a line's text, as a part of its outline. */
const stamp = { none: 0, unread: 1, ofThread: 2, iso: 3 } as const;
type Stamp = (typeof stamp)[keyof typeof stamp];
const STAMPS = 4;

/** Made when they are first needed: few logs have such lines. */
const patterns = once(() => ({
  lineStart: new OutlinePatterns([LINE_START]),
  eventFront: new OutlinePatterns([BEGINS_LIKE_EVENT]),
  message: new OutlinePatterns(messagePatterns),
}));
/** An event's name that does not begin the line. */
const NAME_INSIDE = new RegExp(`.${FAMILY}`);

/** Passes over lines by their outlines; one for each carrier, as that tells some of them apart. */
export class KnownLines {
  readonly #reader: LineReader;
  readonly #others: () => OutlinePatterns;
  readonly #outlines = new Outlines<Known>();
  readonly #calls = new KnownCalls();

  /** `others`: patterns of lines that are no message and mean something. */
  constructor(reader: LineReader, { remarks }: Carrier, others: readonly RegExp[]) {
    this.#reader = reader;
    this.#others = once(
      () => new OutlinePatterns([...others, ...remarks.flatMap(({ patterns: own }) => own)]),
    );
  }

  /**
   * Deals with the line at `at`, of which `found` is how it begins, if it is known what such lines are;
   * returns where its LF is, or -1. The reader's stamp is the line's then, as before.
   */
  line(bytes: Uint8Array, lineAt: number, at: number, found: Outcome, writer: BatchWriter): number {
    if (found !== outcome.foreign && found !== outcome.malformed) return -1;
    const reader = this.#reader;
    const textAt = reader.readStamp(bytes, at);
    const before = stampBefore(reader, at, textAt);
    if (found === outcome.foreign && isBehindQemusStamp(before)) {
      const callEnd = this.#calls.line(bytes, lineAt, textAt, reader, writer);
      if (callEnd >= 0) return callEnd;
    }
    const end = this.#outlines.read(bytes, at, found * STAMPS + before);
    if (end < 0) return -1;
    let known = this.#outlines.get();
    if (known === undefined) {
      if (!this.#outlines.isWorthALook()) return -1;
      known = this.#look(bytes, at, Math.max(at, textAt), end, found, before);
      this.#outlines.set(known);
    }
    if (known === 'hangs on more') return -1;
    if (known === 'foreign') {
      writer.foreignLines += 1;
      return end;
    }
    writer.addText(beginLoss(writer, 'torn'), bytes, at, Math.min(end, at + DETAIL_LENGTH));
    writer.commit(lineAt, reader.seconds, reader.nanoseconds, reader.thread);
    return end;
  }

  /** Remembers the message that the line at `at .. end` is, if it is one of those that are. */
  learn(bytes: Uint8Array, at: number, end: number, found: Outcome, writer: BatchWriter): void {
    const reader = this.#reader;
    const textAt = reader.readStamp(bytes, at);
    const before = stampBefore(reader, at, textAt);
    if (found !== outcome.foreign || !isBehindQemusStamp(before)) return;
    const text = latin1(bytes, textAt, end);
    if (!mayBeginLikeEvent(outlineOf(text), before)) this.#calls.learn(text, reader, writer);
  }

  /** What all lines are whose outline is that of the line at `at .. end`, with its stamp up to `textAt`. */
  #look(
    bytes: Uint8Array,
    at: number,
    textAt: number,
    end: number,
    found: Outcome,
    before: Stamp,
  ): Known {
    const all = outlineOf(latin1(bytes, at, end));
    const text = outlineOf(latin1(bytes, textAt, end));
    if (
      patterns().lineStart.mayMatch(text) ||
      NAME_INSIDE.test(text) ||
      patterns().message.mayMatch(all)
    ) {
      return 'hangs on more';
    }
    if (found === outcome.malformed) return 'torn';
    const isForeign =
      !mayBeginLikeEvent(text, before) && text.trim() !== '' && !this.#others().mayMatch(all);
    return isForeign ? 'foreign' : 'hangs on more';
  }
}

/** Whether `BEGINS_LIKE_EVENT` may match what has this outline behind its stamp. */
function mayBeginLikeEvent(text: string, before: Stamp): boolean {
  switch (before) {
    case stamp.ofThread:
      return true;
    case stamp.iso:
      return /^[a-z]*_|^\s*$/.test(text);
    default:
      return patterns().eventFront.mayMatch(text);
  }
}

/** Whether a message may stand there that is no part of a torn event: behind a stamp of messages, or none. */
function isBehindQemusStamp(before: Stamp): boolean {
  return before === stamp.none || before === stamp.iso;
}

function stampBefore({ thread }: LineReader, at: number, textAt: number): Stamp {
  if (textAt < 0) return stamp.unread;
  if (textAt === at) return stamp.none;
  return thread === NO_THREAD ? stamp.iso : stamp.ofThread;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

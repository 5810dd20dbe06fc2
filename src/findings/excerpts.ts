import type { EventBatch, PrintedRecords } from '../events/batch.ts';

/** Lines before and after the one that is quoted. */
const LINES_BEFORE = 1;
const LINES_AFTER = 3;
/** Bytes that are looked through for them, and how much of a line is kept. */
const REACH_BEFORE = 4096;
const REACH_AFTER = 16 * 1024;
const LINE_LENGTH = 240;
/**
 * How far behind the newest line a quoted one may lie. Bytes of the trace are kept that long, so
 * that what is quoted does not depend on how the trace was cut into batches.
 */
const MEMORY = 1024 * 1024;

const LF = 0x0a;

interface Request {
  readonly byteOffset: number;
  /** Number of the line at `byteOffset`. */
  readonly line: number;
  readonly deliver: (lines: readonly string[]) => void;
}

/** Quotes lines of the trace around findings while the trace goes by. */
export class Excerpts {
  #chunks: {
    readonly start: number;
    readonly bytes: Uint8Array;
    readonly records: PrintedRecords | null;
    readonly release: () => void;
  }[] = [];
  #end = 0;
  #waiting: Request[] = [];

  /** The bytes of a batch that is about to be replayed; `release` is called when they are let go. */
  feed(batch: EventBatch, release: () => void): void {
    const { byteOffset: start, records, source: bytes } = batch;
    this.#chunks.push({ start, bytes, records, release });
    this.#end = batch.byteOffset + batch.source.length;
    const oldest = batch.byteOffset - MEMORY - REACH_BEFORE;
    let drop = 0;
    for (const { start, bytes } of this.#chunks) {
      if (start + bytes.length > oldest) break;
      drop += 1;
    }
    const dropped = drop > 0 ? this.#chunks.splice(0, drop) : [];
    this.#serve(false);
    for (const chunk of dropped) chunk.release();
  }

  /**
   * Asks for the lines around a place; `now` is the offset of the line at which it is asked.
   * Delivered, as `number: text`, at once or when the lines behind the place have come; never for
   * what is too old.
   */
  request(place: Omit<Request, 'deliver'>, now: number, deliver: Request['deliver']): void {
    if (now - place.byteOffset > MEMORY) return;
    this.#waiting.push({ ...place, deliver });
    this.#serve(false);
  }

  /** True where the lines around every place up to this offset have been delivered. */
  hasDelivered(byteOffset: number): boolean {
    return byteOffset + REACH_AFTER <= this.#end;
  }

  /** The trace is over. */
  finish(): void {
    this.#serve(true);
    this.#chunks = [];
  }

  #serve(isEnd: boolean): void {
    if (this.#waiting.length === 0) return;
    const waiting: Request[] = [];
    for (const request of this.#waiting) {
      if (!isEnd && request.byteOffset + REACH_AFTER > this.#end) waiting.push(request);
      else request.deliver(this.#quote(request));
    }
    this.#waiting = waiting;
  }

  #quote(request: Request): readonly string[] {
    return this.#chunks[0]?.records == null
      ? this.#quoteLines(request)
      : this.#quoteRecords(request);
  }

  #quoteRecords({ byteOffset, line }: Request): readonly string[] {
    const near: { readonly at: number; readonly known?: number; readonly print: () => string }[] =
      [];
    for (const { start, bytes, records } of this.#chunks) {
      if (start + bytes.length <= byteOffset - REACH_BEFORE || start >= byteOffset + REACH_AFTER)
        continue;
      for (const [index, inChunk] of records?.starts.entries() ?? []) {
        const at = start + inChunk;
        if (at <= byteOffset - REACH_BEFORE || at >= byteOffset + REACH_AFTER) continue;
        const known = records?.lines?.[index];
        const print = () => records?.print(index) ?? '';
        near.push({ at, print, ...(known !== undefined && { known }) });
      }
    }
    const own = near.findIndex(({ at }) => at === byteOffset);
    if (own < 0) return [];
    const first = Math.max(0, own - LINES_BEFORE);
    return near.slice(first, own + 1 + LINES_AFTER).map(({ known, print }, index) => {
      const text = print();
      const cut = text.length > LINE_LENGTH ? '…' : '';
      return `${known ?? line - own + first + index}: ${text.slice(0, LINE_LENGTH)}${cut}`;
    });
  }

  #quoteLines({ byteOffset, line }: Request): readonly string[] {
    const from = Math.max(0, byteOffset - REACH_BEFORE);
    const bytes = this.#bytesBetween(from, Math.min(this.#end, byteOffset + REACH_AFTER));
    let begin = byteOffset - from;
    let found = 0;
    while (found < LINES_BEFORE && begin > 0) {
      const before = bytes.lastIndexOf(LF, begin - 2);
      if (before < 0 && from > 0) break;
      begin = before + 1;
      found += 1;
    }
    const lines: string[] = [];
    while (lines.length < found + 1 + LINES_AFTER && begin < bytes.length) {
      const lf = bytes.indexOf(LF, begin);
      const end = lf < 0 ? bytes.length : lf;
      const text = bytes.subarray(begin, Math.min(end, begin + LINE_LENGTH)).toString('utf8');
      const cut = end - begin > LINE_LENGTH ? '…' : '';
      lines.push(`${line - found + lines.length}: ${text.replace(/\r$/, '')}${cut}`);
      if (lf < 0) break;
      begin = lf + 1;
    }
    return lines;
  }

  #bytesBetween(from: number, to: number): Buffer {
    const parts: Uint8Array[] = [];
    for (const { start, bytes } of this.#chunks) {
      const first = Math.max(from, start);
      const last = Math.min(to, start + bytes.length);
      if (last > first) parts.push(bytes.subarray(first - start, last - start));
    }
    return Buffer.concat(parts);
  }
}

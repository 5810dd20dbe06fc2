import type { EventBatch } from '../../../events/batch.ts';
import { NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { CarriedLine } from '../../carried-line.ts';
import type { StreamDecoder } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { REMARKS, timeOf, writeLoss } from './event.ts';
import { LokiDocument } from './loki-document.ts';

/**
 * Text of lines that is held at most, of which Loki gives 5000 at a time unless it is told otherwise:
 * its answers have the newest line first, and one stream behind the other.
 */
const MOST_BYTES = 64 * 1024 * 1024;
const LF = 0x0a;
/** Lines in a batch. */
const BATCH_LINES = 8192;

/** Labels that tell who wrote a line, and not what kind of line it is. */
const IDENTITY = [
  'cluster',
  'namespace',
  'pod',
  'container',
  'host',
  'hostname',
  'node',
  'instance',
  'unit',
  'filename',
  'vm',
  'domain',
] as const;

interface Entry {
  /** Nanoseconds since 1970, as digits. */
  readonly time: string;
  readonly line: string;
  readonly source: string;
}

/** Decodes the answer to a query, its lines by their times. */
export class LokiDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #mostBytes: number;
  readonly #decoder = new TextDecoder();
  readonly #document = new LokiDocument({
    labels: (labels) => {
      this.#source = IDENTITY.map((label) => labels.get(label) ?? '')
        .filter((text) => text !== '')
        .join(' ');
    },
    entry: (time, line) => this.#take(time, line),
  });
  readonly #entries: Entry[] = [];
  readonly #sources = new Set<string>();
  #bytes = 0;
  #source = '';
  #problem: string | null = null;

  /** `mostBytes`: for tests. */
  constructor(emit: (batch: EventBatch) => void, mostBytes = MOST_BYTES) {
    this.#emit = emit;
    this.#mostBytes = mostBytes;
  }

  push(chunk: Uint8Array): void {
    if (this.#problem !== null) return;
    const text = this.#decoder.decode(chunk, { stream: true });
    if (!this.#document.push(text)) this.#problem ??= 'no JSON from here on';
  }

  end(): void {
    if (!this.#document.isFinished) this.#problem ??= 'the answer does not end';
    const order = this.#order();
    // Of equal times, the order is that of the answer.
    if (order > 0) this.#entries.reverse();
    this.#entries.sort((one, other) => compare(one.time, other.time));
    const lines = new SortedLines(this.#emit, this.#sources.size > 1);
    // What is missing is older than what came, or lies between it, unless the oldest came first.
    const isMissingFirst = order >= 0 || this.#sources.size > 1;
    if (this.#problem !== null && isMissingFirst) lines.lose(this.#problem);
    lines.write(this.#entries);
    if (this.#problem !== null && !isMissingFirst) lines.lose(this.#problem);
  }

  /** Above 0 where the newest line comes first, as it does unless the query asks otherwise. */
  #order(): number {
    const entries = this.#entries;
    for (let at = 1; at < entries.length; at += 1) {
      const order = compare(entries[at - 1]?.time ?? '', entries[at]?.time ?? '');
      if (order !== 0) return order;
    }
    return 0;
  }

  #take(time: string | undefined, line: string | undefined): void {
    if (this.#problem !== null || time === undefined || line === undefined) return;
    if (!/^\d{1,20}$/.test(time)) return;
    this.#bytes += line.length;
    if (this.#bytes > this.#mostBytes) {
      this.#problem = `more than ${this.#mostBytes} bytes of lines`;
      return;
    }
    this.#sources.add(this.#source);
    this.#entries.push({ time: time.padStart(20, '0'), line, source: this.#source });
  }
}

/** Writes lines as if they stood one below the other, as which they are quoted. */
class SortedLines {
  readonly #emit: (batch: EventBatch) => void;
  readonly #hasSources: boolean;
  readonly #writer = new BatchWriter();
  readonly #embedded = new CarriedLine(newLineReader());
  #start = 0;

  /** `hasSources`: several wrote them, and are told apart. */
  constructor(emit: (batch: EventBatch) => void, hasSources: boolean) {
    this.#emit = emit;
    this.#hasSources = hasSources;
  }

  write(entries: readonly Entry[]): void {
    for (let at = 0; at < entries.length; at += BATCH_LINES) {
      this.#batch(entries.slice(at, at + BATCH_LINES));
    }
  }

  /** Writes that lines are missing here. */
  lose(why: string): void {
    this.#writer.line = 0;
    this.#writer.source = NO_SOURCE;
    writeLoss(this.#writer, 0, why, 'truncated');
    this.#emit(this.#writer.finish(new Uint8Array(0), this.#start, 0));
  }

  #batch(entries: readonly Entry[]): void {
    const source = Buffer.from(entries.map(({ line }) => `${asOneLine(line)}\n`).join(''));
    let at = 0;
    for (const [index, { source: writtenBy, time }] of entries.entries()) {
      const lf = source.indexOf(LF, at);
      this.#writer.line = index;
      this.#writer.source =
        this.#hasSources && writtenBy !== '' ? this.#writer.sourceOf(writtenBy) : NO_SOURCE;
      const place = { byteOffset: at, ...timeOf(time), thread: NO_THREAD };
      if (!this.#embedded.writeAt(source, at, lf, this.#writer, place, REMARKS)) {
        this.#writer.foreignLines += 1;
      }
      at = lf + 1;
    }
    this.#embedded.takeCounts(this.#writer);
    this.#emit(this.#writer.finish(source, this.#start, entries.length));
    this.#start += source.length;
  }
}

function asOneLine(text: string): string {
  const hasEnds = text.includes('\n') || text.includes('\r');
  return (hasEnds ? text.replace(/\s*[\r\n]\s*/g, ' ') : text).trimEnd();
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

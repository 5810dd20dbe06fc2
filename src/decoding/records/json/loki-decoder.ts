import chain from 'stream-chain';
import { pick } from 'stream-json/filters/pick.js';
import { parser } from 'stream-json/parser.js';
import { streamValues } from 'stream-json/streamers/stream-values.js';
import type { EventBatch } from '../../../events/batch.ts';
import { NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { CarriedLine } from '../../carried-line.ts';
import type { StreamDecoder } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { REMARKS, timeOf, writeLoss } from './event.ts';
import { isObject, type JsonValue } from './value.ts';

/** Where in the document the labels of a stream are, and its entries. */
const WANTED = /(?:^|\.)(?:result|streams)\.\d+\.(?:stream|values\.\d+)$/;

/**
 * Text of lines that is held at most, of which Loki gives 5000 at a time unless it is told otherwise:
 * its answers have the newest line first, and one stream behind the other.
 */
const MOST_BYTES = 64 * 1024 * 1024;
/** Bytes that the parser gets at a time: of those in which it finds fault, it gives nothing. */
const PIECE_BYTES = 4096;
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
  readonly #pipeline;
  readonly #entries: Entry[] = [];
  readonly #sources = new Set<string>();
  #bytes = 0;
  #source = '';
  #problem: string | null = null;
  #last = '';

  /** `mostBytes`: for tests. */
  constructor(emit: (batch: EventBatch) => void, mostBytes = MOST_BYTES) {
    this.#emit = emit;
    this.#mostBytes = mostBytes;
    const packed = { streamKeys: false, streamStrings: false, streamNumbers: false } as const;
    this.#pipeline = chain([
      parser(packed),
      pick({ filter: WANTED }),
      streamValues({ numberAsString: true }),
      ({ value }: { value: unknown }) => this.#take(value as JsonValue),
    ] as const);
    this.#pipeline.on('error', () => {
      this.#problem ??= 'no JSON from here on';
    });
    this.#pipeline.resume();
  }

  async push(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && this.#problem === null; at += PIECE_BYTES) {
      const piece = Buffer.from(chunk.subarray(at, at + PIECE_BYTES));
      const text = piece.toString('latin1').trimEnd();
      if (text !== '') this.#last = text.slice(-1);
      await new Promise<void>((resolve) => {
        this.#pipeline.write(piece, (error) => {
          if (error !== undefined && error !== null) this.#problem ??= 'no JSON from here on';
          resolve();
        });
      });
    }
  }

  end(): void {
    this.#pipeline.destroy();
    if (this.#problem === null && this.#last !== '}') this.#problem = 'the answer does not end';
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

  #take(value: JsonValue): void {
    if (isObject(value)) {
      this.#source = IDENTITY.map((label) => value[label] ?? '')
        .filter((text) => text !== '')
        .join(' ');
      return;
    }
    if (!Array.isArray(value) || this.#problem !== null) return;
    const [time, line] = value as readonly JsonValue[];
    if (typeof time !== 'string' || !/^\d{1,20}$/.test(time) || typeof line !== 'string') return;
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
    const lines = entries.map(({ line }) =>
      Buffer.from(`${line.replace(/\s*[\r\n]\s*/g, ' ').trimEnd()}\n`),
    );
    const source = Buffer.concat(lines);
    let at = 0;
    for (const [index, { source: writtenBy, time }] of entries.entries()) {
      const end = at + (lines[index]?.length ?? 0);
      this.#writer.line = index;
      this.#writer.source =
        this.#hasSources && writtenBy !== '' ? this.#writer.sourceOf(writtenBy) : NO_SOURCE;
      const place = { byteOffset: at, ...timeOf(time), thread: NO_THREAD };
      if (!this.#embedded.writeAt(source, at, end - 1, this.#writer, place, REMARKS)) {
        this.#writer.foreignLines += 1;
      }
      at = end;
    }
    this.#embedded.takeCounts(this.#writer);
    this.#emit(this.#writer.finish(source, this.#start, entries.length));
    this.#start += source.length;
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

import chain from 'stream-chain';
import { parser } from 'stream-json/parser.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';
import { messageOf } from '../../base/errors.ts';
import { BatchWriter, type EventBatch, NO_THREAD, NO_TIME } from '../../events/batch.ts';
import { kindOf, lossKinds, offsetsOf } from '../../events/catalogue.ts';
import type { StreamDecoder, StreamFormat } from '../format.ts';
import { ElementPlaces } from './element-places.ts';
import { eventNameOf, isObject, type JsonValue, writeEvent } from './event.ts';
import { parseLine } from './lines.ts';

const LF = 0x0a;
const loss = { kind: kindOf('trace:loss'), at: offsetsOf('trace:loss') };

/**
 * Decodes one array of events. stream-json parses it, with numbers as their digits; where each
 * element begins is found beside it, since the parser does not tell.
 */
class JsonArrayDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #writer = new BatchWriter();
  readonly #places = new ElementPlaces();
  readonly #elements: JsonValue[] = [];
  readonly #pipeline;
  #failure: unknown = null;
  /** Bytes not yet handed over, from offset #start on; #lines: lines before them. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #lines = 0;

  constructor(emit: (batch: EventBatch) => void) {
    this.#emit = emit;
    const packed = { streamKeys: false, streamStrings: false, streamNumbers: false } as const;
    this.#pipeline = chain([
      parser(packed),
      streamArray({ numberAsString: true }),
      ({ value }: { value: unknown }) => {
        this.#elements.push(value as JsonValue);
      },
    ] as const);
    this.#pipeline.on('error', (error: unknown) => {
      this.#failure ??= error;
    });
    this.#pipeline.resume();
  }

  async push(chunk: Uint8Array): Promise<void> {
    if (this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#pipeline.write(Buffer.from(chunk), () => resolve());
      });
      this.#places.scan(chunk);
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#write();
    this.#handOver(this.#failure === null ? this.#places.next : this.#end);
  }

  async end(): Promise<void> {
    const failedBefore = this.#failure !== null;
    if (!failedBefore) {
      await new Promise<void>((resolve) => {
        this.#pipeline.once('error', () => resolve());
        this.#pipeline.end(() => resolve());
      });
      this.#write();
    }
    if (this.#failure !== null) this.#lose(failedBefore ? 'unreadable' : 'truncated');
    this.#handOver(this.#end);
  }

  get #end(): number {
    return this.#start + this.#bytes.length;
  }

  /** Writes the elements that are complete. */
  #write(): void {
    for (const element of this.#elements.splice(0)) {
      const place = this.#places.take();
      if (place === undefined) break;
      this.#writer.line = place.line - this.#lines;
      writeEvent(element, place.byteOffset - this.#start, this.#writer);
    }
  }

  #lose(kind: 'unreadable' | 'truncated'): void {
    const base = this.#writer.begin(loss.kind);
    this.#writer.words[base + loss.at.kind] = lossKinds.indexOf(kind);
    this.#writer.words[base + loss.at.count] = 0;
    this.#writer.words[base + loss.at.count + 1] = 1;
    const what = kind === 'truncated' ? 'the array does not end' : messageOf(this.#failure);
    this.#writer.addString(base + loss.at.detail, what);
    this.#writer.commit(this.#bytes.length, 0, NO_TIME, NO_THREAD);
  }

  /** Emits what lies before `offset`, where the first unfinished element begins. */
  #handOver(offset: number): void {
    const length = offset - this.#start;
    const isEnd = offset === this.#end;
    const source = this.#bytes.subarray(0, length);
    let lines = 0;
    for (const byte of source) if (byte === LF) lines += 1;
    if (isEnd && length > 0 && source[length - 1] !== LF) lines += 1;
    this.#emit(this.#writer.finish(source, this.#start, lines));
    this.#bytes = Uint8Array.from(this.#bytes.subarray(length));
    this.#start = offset;
    this.#lines += lines;
  }
}

/** The first object of an array, as far as `text` holds it. */
function firstElement(text: string): JsonValue | undefined {
  for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}', end + 1)) {
    const value = parseLine(text.slice(0, end + 1));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** One JSON array of events. */
export const jsonArray: StreamFormat = {
  kind: 'stream',
  name: 'json-array',
  title: 'events as one JSON array',
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('utf8');
    const [, rest] = /^[\ufeff\s]*\[\s*(\{[\s\S]*)$/.exec(text.slice(0, 8192)) ?? [];
    if (rest === undefined) return /^[\ufeff\s]*\[\s*\]\s*$/.test(text);
    const first = firstElement(rest);
    return isObject(first) && eventNameOf(first) !== undefined;
  },
  open: (emit) => new JsonArrayDecoder(emit),
};

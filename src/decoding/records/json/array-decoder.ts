import chain from 'stream-chain';
import { parser } from 'stream-json/parser.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';
import type { EventBatch } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { EmbeddedLine } from '../../embedded-line.ts';
import type { StreamDecoder } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { type ElementPlace, ElementPlaces } from './element-places.ts';
import { writeEvent, writeLoss } from './event.ts';
import { parseJson } from './parse.ts';
import type { JsonValue } from './value.ts';

const LF = 0x0a;
const OPEN_BRACKET = 0x5b;

/**
 * Decodes one array of events. stream-json parses it, with numbers as their digits; where each
 * element lies is found beside it, since the parser does not tell.
 *
 * The parser gives nothing of a chunk in which it finds fault. From that chunk on the elements are
 * parsed one by one where they seem to lie, so that only those with a fault are lost.
 */
export class JsonArrayDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #writer = new BatchWriter();
  readonly #places = new ElementPlaces();
  readonly #embedded = new EmbeddedLine(newLineReader());
  readonly #elements: JsonValue[] = [];
  readonly #pipeline;
  #hasBegun = false;
  #hasFailed = false;
  /** The rest cannot be made out; it is only counted. */
  #isOver = false;
  /** Bytes not yet handed over, from offset #start on; #lines: lines that end before them. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #lines = 0;
  #lastByte = LF;

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
    this.#pipeline.on('error', () => {
      this.#hasFailed = true;
    });
    this.#pipeline.resume();
  }

  async push(chunk: Uint8Array): Promise<void> {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#lastByte = chunk.at(-1) ?? this.#lastByte;
    if (!this.#isOver) {
      this.#places.scan(chunk);
      if (this.#places.problem !== null) this.#hasFailed = true;
      if (!this.#hasFailed) await this.#parse(chunk);
      this.#writeParsed();
      if (this.#hasFailed) this.#writeRest();
    }
    this.#handOver(this.#isOver ? this.#end : this.#places.next);
  }

  end(): void {
    this.#pipeline.destroy();
    if (!this.#isOver && !this.#places.isClosed) this.#loseEnd();
    this.#handOver(this.#end, this.#lastByte === LF ? 0 : 1);
  }

  get #end(): number {
    return this.#start + this.#bytes.length;
  }

  async #parse(chunk: Uint8Array): Promise<void> {
    // A byte order mark may come first, which the parser does not know.
    const from = this.#hasBegun ? 0 : chunk.indexOf(OPEN_BRACKET);
    if (from < 0) return;
    this.#hasBegun = true;
    await new Promise<void>((resolve) => {
      this.#pipeline.write(Buffer.from(chunk.subarray(from)), (error) => {
        this.#hasFailed ||= error !== undefined && error !== null;
        resolve();
      });
    });
  }

  /** Writes the elements that the parser has given. */
  #writeParsed(): void {
    for (const element of this.#elements.splice(0)) {
      const place = this.#places.take();
      if (place !== undefined) this.#write(element, place);
    }
  }

  /** Writes the elements that are complete, each parsed alone. */
  #writeRest(): void {
    for (;;) {
      const place = this.#places.takeComplete();
      if (place === undefined) break;
      const end = (place.end as number) - this.#start;
      const bytes = Buffer.from(this.#bytes.subarray(place.byteOffset - this.#start, end));
      const element = parseJson(bytes.toString());
      if (element !== undefined) this.#write(element, place);
      else this.#lose(place, bytes.toString('utf8', 0, 480));
    }
    const { problem } = this.#places;
    const place = problem === null ? undefined : this.#places.take();
    if (problem === null || place === undefined) return;
    this.#isOver = true;
    this.#lose(place, problem);
  }

  #write(element: JsonValue, place: ElementPlace): void {
    this.#writer.line = place.line - 1 - this.#lines;
    writeEvent(element, place.byteOffset - this.#start, this.#writer, this.#embedded);
  }

  #lose({ line, byteOffset }: ElementPlace, what: string): void {
    this.#writer.line = line - 1 - this.#lines;
    writeLoss(this.#writer, byteOffset - this.#start, what);
  }

  #loseEnd(): void {
    this.#writer.line = linesIn(this.#bytes) - (this.#lastByte === LF ? 1 : 0);
    writeLoss(this.#writer, this.#bytes.length, 'the array does not end', 'truncated');
  }

  /** Emits what lies before `offset`, where the first unfinished element begins. */
  #handOver(offset: number, unfinishedLines = 0): void {
    const length = offset - this.#start;
    const source = this.#bytes.subarray(0, length);
    const lines = linesIn(source);
    this.#embedded.takeCounts(this.#writer);
    this.#emit(this.#writer.finish(source, this.#start, lines + unfinishedLines));
    this.#bytes = Uint8Array.from(this.#bytes.subarray(length));
    this.#start = offset;
    this.#lines += lines;
  }
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let lf = bytes.indexOf(LF); lf >= 0; lf = bytes.indexOf(LF, lf + 1)) lines += 1;
  return lines;
}

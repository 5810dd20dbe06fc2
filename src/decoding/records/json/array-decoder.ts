import type { EventBatch } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { CarriedLine } from '../../carried-line.ts';
import type { StreamDecoder } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { type ElementPlace, ElementPlaces } from './element-places.ts';
import { writeEvent, writeLoss } from './event.ts';
import { elementsOf } from './tokens.ts';
import type { JsonValue } from './value.ts';

const LF = 0x0a;
/** Elements that are parsed at once. */
const AT_ONCE = 64;

/**
 * Decodes one array of events. Its elements are found where they begin and end, which tells their places, and
 * parsed by stream-json where they are complete, some at a time; or each alone where one has a fault, which is
 * lost alone. Of the array no more is in memory than a chunk and an element.
 */
export class JsonArrayDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #writer = new BatchWriter();
  readonly #places = new ElementPlaces();
  readonly #embedded = new CarriedLine(newLineReader());
  /** The rest cannot be made out; it is only counted. */
  #isOver = false;
  /** Bytes not yet handed over, from offset #start on; #lines: lines that end before them. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #lines = 0;
  #lastByte = LF;

  constructor(emit: (batch: EventBatch) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#lastByte = chunk.at(-1) ?? this.#lastByte;
    if (!this.#isOver) {
      this.#places.scan(chunk);
      this.#writeComplete();
    }
    this.#handOver(this.#isOver ? this.#end : this.#places.next);
  }

  end(): void {
    if (!this.#isOver && !this.#places.isClosed) this.#loseEnd();
    this.#handOver(this.#end, this.#lastByte === LF ? 0 : 1);
  }

  get #end(): number {
    return this.#start + this.#bytes.length;
  }

  #writeComplete(): void {
    let complete: ElementPlace[] = [];
    for (;;) {
      const place = this.#places.takeComplete();
      if (place !== undefined) complete.push(place);
      if (place === undefined || complete.length === AT_ONCE) {
        this.#writeElements(complete);
        complete = [];
      }
      if (place === undefined) break;
    }
    const { problem } = this.#places;
    const place = problem === null ? undefined : this.#places.take();
    if (problem === null || place === undefined) return;
    this.#isOver = true;
    this.#lose(place, problem);
  }

  #writeElements(places: readonly ElementPlace[]): void {
    const [first] = places;
    const last = places.at(-1);
    if (first === undefined || last === undefined) return;
    const bytes = this.#bytesAt(first, last);
    const elements = elementsOf(`[${bytes}]`);
    if (elements?.length === places.length) {
      for (const [index, place] of places.entries()) this.#write(place, elements[index] ?? null);
    } else if (places.length > 1) {
      for (const place of places) this.#writeElements([place]);
    } else this.#lose(first, bytes.toString('utf8', 0, 480));
  }

  #bytesAt({ byteOffset }: ElementPlace, { end }: ElementPlace): Buffer {
    const { buffer, byteOffset: from } = this.#bytes;
    return Buffer.from(buffer, from + byteOffset - this.#start, (end ?? byteOffset) - byteOffset);
  }

  #write({ byteOffset, line }: ElementPlace, element: JsonValue): void {
    this.#writer.line = line - 1 - this.#lines;
    writeEvent(element, byteOffset - this.#start, this.#writer, this.#embedded);
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

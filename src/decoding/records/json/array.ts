import { BatchWriter } from '../../../events/writer.ts';
import { CarriedLine } from '../../carried-line.ts';
import type { StreamFormat } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { ElementPlaces } from './element-places.ts';
import { holdsLine, isEvent, writeEvent } from './event.ts';
import { parseJson } from './parse.ts';
import type { JsonValue } from './value.ts';

/** Elements that are looked at to recognise the format. */
const SAMPLE = 64;

/** The elements that lie whole in the first bytes of an array. */
function* firstElements(head: Buffer): Generator<JsonValue | undefined> {
  const places = new ElementPlaces();
  places.scan(head);
  for (let count = 0; count < SAMPLE; count += 1) {
    const place = places.takeComplete();
    if (place === undefined) return;
    yield parseJson(head.toString('utf8', place.byteOffset, place.end ?? place.byteOffset));
  }
}

/** One JSON array of events, or of objects around lines. */
export const jsonArray: StreamFormat = {
  kind: 'stream',
  name: 'json-array',
  title: 'events as one JSON array',
  clock: 'wall',
  stampsTellVersion: false,
  isWhole: true,
  recognises(head) {
    const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
    const start = buffer.toString('utf8', 0, 1024);
    if (!/^[\ufeff\s]*\[/.test(start)) return false;
    if (/^[\ufeff\s]*\[\s*\]\s*$/.test(start)) return true;
    for (const element of firstElements(buffer)) {
      if (isEvent(element) || holdsLine(element)) return true;
    }
    return false;
  },
  sample(head) {
    const writer = new BatchWriter();
    const embedded = new CarriedLine(newLineReader());
    for (const element of firstElements(Buffer.from(head.buffer, head.byteOffset, head.length))) {
      if (element !== undefined) writeEvent(element, 0, writer, embedded);
    }
    return writer.finish(new Uint8Array(0), 0, 0);
  },
  // stream-json is loaded where it is needed.
  async open(emit) {
    const { JsonArrayDecoder } = await import('./array-decoder.ts');
    return new JsonArrayDecoder(emit);
  },
};

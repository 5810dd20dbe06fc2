import { NO_TIME } from '../base/place.ts';
import { writeLoss } from '../decoding/notes.ts';
import { type EventBatch, NO_THREAD } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { Decode } from './local.ts';

/** Decodes the parts of a trace between which something is missing one after the other, and says so there. */
export function decodeAroundHoles(decode: Decode): Decode {
  return async function* (source, format) {
    if (source.runs === undefined) {
      yield* decode(source, format);
      return;
    }
    let start = 0;
    for (const run of source.runs) {
      if (run.missing !== null) yield { batch: lossAt(start, run.missing), release: () => {} };
      let end = start;
      for await (const { batch, release } of decode(run.source, format)) {
        const byteOffset = start + batch.byteOffset;
        end = byteOffset + batch.byteLength;
        yield { batch: { ...batch, byteOffset }, release };
      }
      start = end;
    }
  };
}

/** A batch without lines that says what is missing. */
function lossAt(byteOffset: number, missing: string): EventBatch {
  const writer = new BatchWriter();
  const place = { byteOffset: 0, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
  writeLoss(writer, place, 'missing-events', missing);
  return writer.finish(new Uint8Array(0), byteOffset, 0);
}

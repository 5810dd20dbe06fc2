import type { StreamFormat } from '../../format.ts';
import { holdsLine } from './event.ts';
import { parseJson } from './parse.ts';

/** Entries that are looked at to recognise the format. */
const SAMPLE = 64;
/** A time in nanoseconds and a line, as they stand in the answer. */
const ENTRY = /\[\s*"(?:\d{16,20})"\s*,\s*("(?:[^"\\]|\\.){0,4096}")/g;

/**
 * The answer to a query of Loki, a document:
 *
 *   {"status":"success","data":{"resultType":"streams","result":[
 *     {"stream":{"host":"a"},"values":[["1795332947845867000","vtd_reset_exit "]]}]}}
 *
 * or what is in it from `data` or `result` on, as others keep it (`streams`).
 */
export const lokiAnswer: StreamFormat = {
  kind: 'stream',
  name: 'loki-answer',
  title: 'the answer to a query of Loki',
  clock: 'wall',
  stampsTellVersion: false,
  isWhole: true,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('utf8');
    if (!/^[\ufeff\s]*\{/.test(text) || !/"values"\s*:\s*\[\s*\[\s*"\d{16}/.test(text))
      return false;
    let looked = 0;
    for (const [, line = ''] of text.matchAll(ENTRY)) {
      if (holdsLine({ line: parseJson(line) ?? '' })) return true;
      looked += 1;
      if (looked === SAMPLE) return false;
    }
    return false;
  },
  // stream-json is loaded where it is needed.
  async open(emit) {
    const { LokiDecoder } = await import('./loki-decoder.ts');
    return new LokiDecoder(emit);
  },
};

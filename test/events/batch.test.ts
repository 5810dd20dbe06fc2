import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TIME } from '../../src/base/place.ts';
import { NO_SOURCE, NO_THREAD } from '../../src/events/batch.ts';
import { kindOf } from '../../src/events/catalogue/index.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { analyzeLines } from '../helpers/analyze.ts';

const KIND = kindOf('vtd_inv_desc_iotlb_global');

interface Record {
  readonly seconds: number;
  readonly hasTime: boolean;
  readonly thread: number;
  readonly source: number;
}

const record: fc.Arbitrary<Record> = fc.record({
  seconds: fc.integer({ min: 10, max: 14 }),
  hasTime: fc.boolean(),
  thread: fc.constantFrom(NO_THREAD, 7, 7, 7),
  source: fc.constantFrom(NO_SOURCE, NO_SOURCE, NO_SOURCE, 5),
});

/** One record a line, ten bytes each. */
function batchOf(records: readonly Record[], writer = new BatchWriter()) {
  for (const [line, { seconds, hasTime, thread, source }] of records.entries()) {
    writer.line = line;
    writer.source = source;
    writer.begin(KIND);
    writer.commit(line * 10, seconds, hasTime ? line : NO_TIME, thread);
  }
  return writer.finish(new Uint8Array(0), 0, records.length);
}

/** The same, from all of the records at once. */
function expected(records: readonly Record[]) {
  const timed = [...records.entries()].filter(([, { hasTime }]) => hasTime);
  const [first, last] = [timed[0], timed.at(-1)];
  const back = timed.find(
    ([, { seconds }], index) => index > 0 && seconds < (timed[index - 1]?.[1].seconds ?? 0) - 1,
  );
  const place = (line: number) => ({ line, byteOffset: line * 10 });
  const writers = new Set(records.map(({ thread, source }) => `${thread} ${source}`));
  const [one] = records;
  return {
    writer:
      one !== undefined && writers.size === 1 ? { thread: one.thread, source: one.source } : null,
    clock:
      first === undefined || last === undefined
        ? null
        : {
            firstSeconds: first[1].seconds,
            firstNanoseconds: first[0],
            lastSeconds: last[1].seconds,
            lastNanoseconds: last[0],
            first: place(first[0]),
            backwards: back === undefined ? null : place(back[0]),
          },
  };
}

describe('a batch', () => {
  it('tells who wrote it, and of its clock, whatever was in the batch before', () => {
    fc.assert(
      fc.property(fc.array(record), fc.array(record), (before, records) => {
        const writer = new BatchWriter();
        batchOf(before, writer);
        const { writer: by, clock } = batchOf(records, writer);
        expect({ writer: by, clock }).toEqual(expected(records));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the clock of a trace', () => {
  const at = (second: number) =>
    `2026-11-22T07:33:${String(second).padStart(2, '0')}Z vtd_inv_desc_iotlb_global iotlb invalidate global`;

  it('is told to be set back where it falls by more than a second', async () => {
    const { trace } = await analyzeLines([at(10), at(12), at(11), at(9), at(20)]);
    expect(trace.reasons).toContain('the clock is set back at line 4: times are not in order');
    expect(trace.time.first).toBe('1795332790000000000');
    expect(trace.time.last).toBe('1795332800000000000');
  });

  it('is not where threads race', async () => {
    const { trace } = await analyzeLines([at(10), at(9), at(10), at(9)]);
    expect(trace.reasons.filter((reason) => reason.includes('clock'))).toEqual([]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TIME } from '../../../src/base/place.ts';
import { recognise } from '../../../src/decoding/index.ts';
import { ConvertedDecoder } from '../../../src/decoding/records/converted/decoder.ts';
import {
  type Notation,
  notations,
  RecordPrinter,
} from '../../../src/decoding/records/converted/printer.ts';
import { argumentsOf, valuesAt } from '../../../src/decoding/records/converted/values.ts';
import { LAST_THREAD } from '../../../src/events/batch.ts';
import { eventNames } from '../../../src/events/catalogue/index.ts';
import { BatchCursor } from '../../../src/events/cursor.ts';
import { BatchWriter } from '../../../src/events/writer.ts';
import { analyze } from '../../helpers/analyze.ts';
import { u64 } from '../../helpers/arbitraries.ts';

/** What a record says, for comparing. */
interface Said {
  readonly line: number;
  readonly event: string;
  readonly values: readonly string[];
  readonly time: readonly [seconds: number, nanoseconds: number];
  readonly thread: number;
  readonly source: string | null;
  /** It is of the same text as the record before. */
  readonly isSameText: boolean;
}

const HEADER = { format: 'qemu-log', clock: 'wall', stampsTellVersion: true } as const;
const END = { lines: 0, skipped: {}, losses: [], hasGrown: false };

function sayOf(cursor: BatchCursor, sources: readonly string[], offsetBefore: number): Said {
  return {
    line: cursor.line,
    event: eventNames[cursor.kind] ?? '',
    values: valuesAt(cursor),
    time: [cursor.hasTime ? cursor.seconds : 0, cursor.nanoseconds],
    thread: cursor.thread,
    source: sources[cursor.source - 1] ?? null,
    isSameText: cursor.byteOffset === offsetBefore,
  };
}

/** The records of a converted text that comes in pieces of so many bytes. */
function read(text: string | Buffer, pieceBytes = 1 << 20): readonly Said[] {
  const said: Said[] = [];
  let [lines, before] = [0, -1];
  const decoder = new ConvertedDecoder((batch) => {
    const cursor = new BatchCursor(batch, lines);
    while (cursor.next()) {
      said.push(sayOf(cursor, batch.sources, before));
      before = cursor.byteOffset;
    }
    lines += batch.lines;
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes));
  }
  decoder.end();
  return said;
}

const anyText = fc.oneof(
  fc.stringMatching(/^[a-z0-9:. ()'"\\-]{0,40}$/),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const anyRecord = fc.record({
  kind: fc.nat(eventNames.length - 1),
  numbers: fc.array(u64, { minLength: 10, maxLength: 10 }),
  text: anyText,
  seconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  nanoseconds: fc.oneof(
    fc.constant(NO_TIME),
    fc.nat(999_999_999),
    fc.nat(999_999).map((micro) => micro * 1000),
  ),
  thread: fc.oneof(fc.constant(0), fc.nat(LAST_THREAD)),
  source: fc.option(anyText),
  skipped: fc.nat(2),
  bytes: fc.nat(1),
});

type AnyRecord = typeof anyRecord extends fc.Arbitrary<infer One> ? One : never;

/** A batch with these records, on lines with others between them or none. */
function batchOf(records: readonly AnyRecord[]) {
  const writer = new BatchWriter();
  let [line, byteOffset] = [-1, 0];
  for (const {
    bytes,
    kind,
    nanoseconds,
    numbers,
    seconds,
    skipped,
    source,
    text,
    thread,
  } of records) {
    line += skipped;
    byteOffset += bytes;
    writer.line = Math.max(0, line);
    writer.source = source === null ? 0 : writer.sourceOf(source);
    const base = writer.begin(kind);
    for (const [index, { at, type, words }] of (argumentsOf[kind] ?? []).entries()) {
      const number = numbers[index % numbers.length] ?? 0n;
      const low = Number(number & 0xffff_ffffn);
      if (type === 'text') writer.addString(base + at, text);
      else if (words !== null) writer.words[base + at] = low % words.length;
      else if (type === 'u64') {
        writer.words[base + at] = Number(number >> 32n);
        writer.words[base + at + 1] = low;
      } else writer.words[base + at] = low;
    }
    writer.commit(byteOffset, nanoseconds === NO_TIME ? 0 : seconds, nanoseconds, thread);
  }
  return { batch: writer.finish(new Uint8Array(0), 0, line + 1), lines: line + 1 };
}

function printed(records: readonly AnyRecord[], notation: Notation) {
  const { batch, lines } = batchOf(records);
  const said: Said[] = [];
  const printer = new RecordPrinter(notation, HEADER);
  let text = printer.begin();
  const cursor = new BatchCursor(batch, 0);
  let before = -1;
  while (cursor.next()) {
    said.push(sayOf(cursor, batch.sources, before));
    before = cursor.byteOffset;
    text += printer.record(cursor, batch.sources[cursor.source - 1] ?? null);
  }
  return { said, text: text + printer.end({ ...END, lines }) };
}

describe.each(notations)('as %s', (notation) => {
  it('any record of any event is read as it was, however the text is cut', () => {
    const all = fc.array(anyRecord, { maxLength: 8 });
    fc.assert(
      fc.property(all, fc.constantFrom(1, 7, 4096), (records, pieceBytes) => {
        const { said, text } = printed(records, notation);
        expect(read(text, pieceBytes)).toEqual(said);
      }),
      { numRuns: 500 },
    );
  });
});

const LINES = [
  '{"vtdscope":"events","version":1,"format":"qemu-log","clock":"boot","stampsTellVersion":false}',
  '{"line":3,"event":"vtd_page_walk_one","timestamp":"1.500000000","tid":7,"args":{"domain":2,"iova":"0x1000","gpa":"0x5000","mask":"0xfff","perm":3}}',
  '{"line":9,"event":"vtd_dmar_enable","args":{"on":1}}',
  '{"end":{"records":2,"lines":12,"skipped":{"vtd_inv_qi_head":4},"losses":[],"hasGrown":false}}',
];
const LOG = [
  `# ${LINES[0]}`,
  '# line 3',
  '7@1.500000:vtd_page_walk_one domain 0x2 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 3',
  '# line 9',
  'vtd_dmar_enable enable 1',
  `# ${LINES[3]}`,
];

async function lossesOf(lines: readonly string[], ending = '\n') {
  async function* stdin() {
    yield Buffer.from(lines.join('\n') + ending);
  }
  const { trace } = await analyze('-', {}, { stdin: stdin() });
  expect(trace.format).toBe('converted');
  return trace;
}

describe('a converted trace', () => {
  it.each([
    ['ndjson', LINES],
    ['log', LOG],
  ] as const)('says how long the trace was, and what it counted, as %s', async (_, lines) => {
    const trace = await lossesOf(lines);
    expect(trace).toMatchObject({ lines: 12, events: 6, losses: [] });
    expect(trace.skippedEvents).toEqual({ vtd_inv_qi_head: 4 });
    expect(trace.time).toEqual({ clock: 'boot', first: '1500000000', last: '1500000000' });
  });

  it('is one of its header`s clock and stamps', () => {
    const head = Buffer.from(`${LINES.join('\n')}\n`);
    const format = recognise({ path: 'x', compression: 'none', head });
    expect(format).toMatchObject({ name: 'converted', clock: 'boot', stampsTellVersion: false });
  });

  it.each<[name: string, lines: readonly string[], detail: RegExp]>([
    ['without its end', LINES.slice(0, 3), /its end is missing/],
    ['without a record', LINES.toSpliced(1, 1), /2 records were written, and 1 are there/],
    ['with a record too many', LINES.toSpliced(2, 0, LINES[2] ?? ''), /and 3 are there/],
    ['behind which another one stands', [...LINES, ...LINES], /something else follows its end/],
    ['in which another one begins', [...LINES.slice(0, 2), ...LINES], /another converted trace/],
    ['with a torn record', LINES.with(1, '{"line":3,"event":"vtd_pa'), /"line":3/],
    ['with an unknown event', LINES.with(2, '{"event":"vtd_new","args":{}}'), /vtd_new/],
    ['without an argument', LINES.with(2, '{"event":"vtd_dmar_enable","args":{}}'), /enable/],
    [
      'with a number too large',
      LINES.with(2, (LINES[2] ?? '').replace(':1}', ':4294967296}')),
      /r/,
    ],
    ['with a line before the first', LINES.with(2, (LINES[2] ?? '').replace('9', '-9')), /-9/],
    ['with half a line', LINES.with(2, (LINES[2] ?? '').replace('9', '9.5')), /9\.5/],
    ['with a line that no trace has', LINES.with(2, (LINES[2] ?? '').replace('9', '9e15')), /9e15/],
    ['as a log, with such a line', LOG.with(3, '# line 9007199254740991'), /9007199254740991/],
    ['with a number for a text', LINES.with(1, (LINES[1] ?? '').replace('"0x1000"', '4096')), /3/],
    ['as a log, with a torn event', LOG.with(2, '7@1.500000:vtd_page_walk_one dom'), /dom/],
    ['as a log, with an event that it cannot have', LOG.with(4, 'vtd_inv_qi_head 1'), /qi_head/],
  ])('%s is not clean', async (_, lines, detail) => {
    const trace = await lossesOf(lines);
    expect(trace.losses).toHaveLength(1);
    expect(trace.losses[0]?.detail).toMatch(detail);
    expect(trace.verdict).toBe('inconclusive');
  });

  it('may be changed anywhere, and is read', () => {
    for (const lines of [LINES, LOG]) {
      const text = Buffer.from(`${lines.join('\n')}\n`);
      fc.assert(
        fc.property(fc.nat(text.length - 1), fc.nat(255), (at, byte) => {
          read(Buffer.concat([text.subarray(0, at), Buffer.of(byte), text.subarray(at + 1)]), 7);
        }),
        { numRuns: 200 },
      );
    }
  });

  it('of which the beginning is missing is recognised, and not clean', async () => {
    const trace = await lossesOf(LINES.slice(1));
    expect(trace.losses.map(({ detail }) => detail)).toEqual(['its beginning is missing']);
  });

  it('needs no LF behind its end, and has none of another', async () => {
    expect((await lossesOf(LINES, '')).losses).toEqual([]);
    const { losses } = await lossesOf(LOG.slice(0, 5), '');
    expect(losses.map(({ kind }) => kind)).toEqual(['unreadable', 'truncated']);
  });
});

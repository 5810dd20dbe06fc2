/*
 * Speed of each reader alone: bytes of the input, decoded into batches by one thread, in a second of the
 * processor's time. The input is a file of `test/samples` again and again, up to a size.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineBlocks } from '../../src/bytes/lines.ts';
import { openSource } from '../../src/bytes/source.ts';
import type { TraceFormat } from '../../src/decoding/format.ts';
import { recognise } from '../../src/decoding/index.ts';
import { simple } from '../../src/decoding/records/simple/index.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { root } from '../helpers/ground-truth.ts';
import { sample, samplesFolder } from '../helpers/samples.ts';

/** Bytes that a reader gets at a time, as a file gives them. */
const CHUNK_BYTES = 1024 * 1024;
/** The reader that the others are compared with, and its sample. */
const PLAIN = 'all-10.2.2.log.gz';
/** Between the messages of babeltrace's details. */
const BLANK_LINE = '\n\n';
const COMPRESSED = join(root, 'test/bytes/compressed');

interface LokiAnswer {
  readonly data: { readonly result: readonly unknown[] };
}

/** The sample as often as makes `bytes`, as one text of its format. */
function repeated(one: Buffer, format: TraceFormat, bytes: number): Buffer {
  const times = Math.max(1, Math.ceil(bytes / one.length));
  if (format.name === 'loki-answer') {
    const { data } = JSON.parse(one.toString()) as LokiAnswer;
    const result = Array.from({ length: times }, () => data.result).flat();
    return Buffer.from(JSON.stringify({ data: { result } }));
  }
  if (format.name === 'simple') {
    // Names come once, before all events.
    const at = firstEvent(one);
    const events = one.subarray(at);
    return Buffer.concat([one.subarray(0, at), ...Array.from({ length: times }, () => events)]);
  }
  if (format.name === 'babeltrace-details') {
    // So do classes; and the last event is cut.
    const at = one.lastIndexOf(BLANK_LINE, one.indexOf('\nEvent `')) + BLANK_LINE.length;
    const events = one.subarray(at, one.lastIndexOf(BLANK_LINE) + BLANK_LINE.length);
    return Buffer.concat([
      one.subarray(0, at),
      ...Array.from({ length: Math.ceil(bytes / events.length) }, () => events),
    ]);
  }
  if (format.name !== 'json-array') return Buffer.concat(Array.from({ length: times }, () => one));
  const elements = one.toString('latin1').replace(/^\s*\[|\]\s*$/g, '');
  return Buffer.from(`[${Array.from({ length: times }, () => elements).join(',')}]`, 'latin1');
}

/** Where the first event of a binary trace is, behind its header and the names. */
function firstEvent(bytes: Buffer): number {
  let at = 24;
  while (bytes.readUInt32LE(at) === 0) at += 20 + bytes.readUInt32LE(at + 16);
  return at;
}

/** The same records in Python: numbers as one call unpacks them; prints events in a second of its time. */
const PYTHON = `
import struct, sys, time
data = sys.stdin.buffer.read()
start = time.process_time()
at, names, count = 24, {}, 0
record = struct.Struct('=QQQII')
while at + 20 <= len(data):
    if data[at] == 0:
        id, length = struct.unpack_from('=QI', data, at + 8)
        names[id] = data[at + 20:at + 20 + length]
        at += 20 + length
        continue
    kind, id, when, length, process = record.unpack_from(data, at)
    name = names.get(id)
    arguments = data[at + 32:at + 8 + length]
    if len(arguments) % 8 == 0:
        arguments = struct.unpack('=%dQ' % (len(arguments) // 8), arguments)
    count += 1
    at += 8 + length
print(count / (time.process_time() - start))
`;

/** Events in a second of the processor's time, beside a few lines of Python where that is there. */
async function simpleRow(bytes: number, runs: number): Promise<string> {
  const all = repeated(sample('all-10.2.2.simple.bin.gz'), simple, bytes);
  let events = 0;
  const speed = await speedOf(runs, async () => {
    events = 0;
    const decoder = await simple.open(({ lines }) => {
      events += lines;
    });
    for (let at = 0; at < all.length; at += CHUNK_BYTES) {
      await decoder.push(all.subarray(at, at + CHUNK_BYTES));
    }
    await decoder.end();
    return events;
  });
  const text = `simple: ${speed.toFixed(2)} million events a second of one thread`;
  const { status, stdout } = spawnSync('python3', ['-c', PYTHON], { input: all, encoding: 'utf8' });
  const other = status === 0 ? Number(stdout) / 1e6 : 0;
  return other > 0 ? `${text}, ${(speed / other).toFixed(1)} times as many as Python` : text;
}

async function decode(format: TraceFormat, bytes: Uint8Array): Promise<void> {
  if (format.kind === 'stream') {
    const decoder = await format.open(() => {});
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await decoder.push(bytes.subarray(at, at + CHUNK_BYTES));
    }
    await decoder.end();
    return;
  }
  const decoder = format.decoder();
  const blocks = new LineBlocks();
  const writer = new BatchWriter(CHUNK_BYTES);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    for (const block of blocks.push(bytes.subarray(at, at + CHUNK_BYTES))) {
      const lines = decoder.decode(block.bytes, writer);
      writer.finish(block.bytes, block.byteOffset, lines);
    }
  }
}

async function decompress(path: string, times: number): Promise<number> {
  let bytes = 0;
  for (let time = 0; time < times; time += 1) {
    const source = await openSource(path);
    for await (const chunk of source.chunks()) bytes += chunk.length;
    source.close();
  }
  return bytes;
}

/** Bytes in a microsecond of the processor's, the best of some runs; the first one only warms up. */
async function speedOf(runs: number, work: () => Promise<number>): Promise<number> {
  let best = 0;
  for (let run = 0; run <= runs; run += 1) {
    const before = process.cpuUsage();
    const bytes = await work();
    const { system, user } = process.cpuUsage(before);
    if (run > 0) best = Math.max(best, bytes / (user + system));
  }
  return best;
}

/** Rows of a table, one for each sample and each compression. */
export async function readerRows(bytes: number, runs: number): Promise<readonly string[]> {
  const row = (name: string, format: string, speed: number, plain: number) =>
    `${name.padEnd(48)} ${format.padEnd(20)} ${speed.toFixed(0).padStart(6)} ${(speed / plain).toFixed(2).padStart(8)}`;
  const measure = async (name: string) => {
    const one = sample(name);
    const format = recognise({ path: name, compression: 'none', head: one.subarray(0, 65_536) });
    const all = repeated(one, format, bytes);
    const speed = await speedOf(runs, async () => {
      await decode(format, all);
      return all.length;
    });
    return { format, speed };
  };
  const rows = [
    `${'sample'.padEnd(48)} ${'reader'.padEnd(20)} ${'MB/s'.padStart(6)} ${'x plain'.padStart(8)}`,
  ];
  const plain = await measure(PLAIN);
  const names = readdirSync(samplesFolder).filter((name) => name.endsWith('.gz') && name !== PLAIN);
  rows.push(row(PLAIN, plain.format.name, plain.speed, plain.speed));
  for (const name of names.sort()) {
    try {
      const { format, speed } = await measure(name);
      rows.push(row(name, format.name, speed, plain.speed));
    } catch {
      // It is there to be refused.
    }
  }
  for (const name of readdirSync(COMPRESSED).sort()) {
    const path = join(COMPRESSED, name);
    const times = Math.max(1, Math.ceil(bytes / (8 * readFileSync(path).length)));
    const speed = await speedOf(runs, () => decompress(path, times));
    rows.push(row(name, 'decompressed bytes', speed, plain.speed));
  }
  rows.push(await simpleRow(bytes, runs));
  return rows;
}

import { formats } from '../../src/decoding/index.ts';
import { type EventBatch, FIRST_SOURCE, NO_SOURCE, NO_THREAD } from '../../src/events/batch.ts';
import type { EventDeclaration } from '../../src/events/catalogue/declaration.ts';
import { catalogue, eventNames, offsetsOf } from '../../src/events/catalogue/index.ts';
import { BatchCursor } from '../../src/events/cursor.ts';
import { BatchWriter } from '../../src/events/writer.ts';

/** A record of a batch with everything spelt out. */
export interface DecodedEvent {
  readonly name: string;
  /** Numbers as they are, 64-bit ones as hexadecimal, in the catalogue's order. */
  readonly args: Readonly<Record<string, number | string>>;
  readonly line: number;
  readonly byteOffset: number;
  /** `seconds.nanoseconds`, or null. */
  readonly time: string | null;
  readonly thread: number | null;
  readonly source: string | null;
}

/** What a decoder made of a trace. */
export interface Decoded {
  readonly events: readonly DecodedEvent[];
  readonly skipped: Readonly<Record<string, number>>;
  readonly foreignLines: number;
  readonly lines: number;
}

function argumentsOf(cursor: BatchCursor): DecodedEvent['args'] {
  const name = eventNames[cursor.kind] ?? 'migrate_error';
  const { args }: EventDeclaration = catalogue[name];
  const offsets: Readonly<Record<string, number>> = offsetsOf(name);
  const read = (argument: string, type: string) => {
    const at = offsets[argument] ?? -1;
    if (type === 'text') return cursor.text(at);
    if (type === 'u64') return cursor.hex(at);
    return type === 'i32' ? cursor.i32(at) : cursor.u32(at);
  };
  return Object.fromEntries(Object.entries(args).map(([arg, type]) => [arg, read(arg, type)]));
}

function eventOf(cursor: BatchCursor, { sources }: EventBatch): DecodedEvent {
  const { seconds, nanoseconds, thread, source } = cursor;
  return {
    name: eventNames[cursor.kind] ?? '',
    args: argumentsOf(cursor),
    line: cursor.line,
    byteOffset: cursor.byteOffset,
    time: cursor.hasTime ? `${seconds}.${String(nanoseconds).padStart(9, '0')}` : null,
    thread: thread === NO_THREAD ? null : thread,
    source: source === NO_SOURCE ? null : (sources[source - FIRST_SOURCE] ?? ''),
  };
}

/** Adds batches up, in order. */
export function decodedOf(batches: readonly EventBatch[]): Decoded {
  const events: DecodedEvent[] = [];
  const skipped = new Map<string, number>();
  let lines = 0;
  let foreignLines = 0;
  for (const batch of batches) {
    const cursor = new BatchCursor(batch, lines);
    while (cursor.next()) events.push(eventOf(cursor, batch));
    for (const [name, count] of Object.entries(batch.skipped)) {
      skipped.set(name, (skipped.get(name) ?? 0) + count);
    }
    lines += batch.lines;
    foreignLines += batch.foreignLines;
  }
  return { events, skipped: Object.fromEntries(skipped), foreignLines, lines };
}

/** Decodes a trace of the format of that name, whatever its bytes look like. */
export async function decode(format: string, bytes: Uint8Array | string): Promise<Decoded> {
  const known = formats.find(({ name }) => name === format);
  if (known === undefined) throw new Error(`no format is called ${format}`);
  const block = Buffer.from(bytes as Uint8Array);
  const batches: EventBatch[] = [];
  if (known.kind === 'lines') {
    const writer = new BatchWriter();
    const lines = known.decoder().decode(block, writer);
    batches.push(writer.finish(block, 0, lines));
  } else {
    const decoder = await known.open((batch) => batches.push(batch));
    await decoder.push(block);
    await decoder.end();
  }
  return decodedOf(batches);
}

/** Name and arguments of trace events, without messages and losses: what two formats have in common. */
export function traceEvents({
  events,
}: Decoded): readonly (readonly [string, DecodedEvent['args']])[] {
  return events.filter(({ name }) => !name.includes(':')).map(({ name, args }) => [name, args]);
}

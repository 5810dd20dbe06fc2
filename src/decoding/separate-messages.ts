import type { LineBlock } from '../bytes/lines.ts';

/*
 * QEMU's messages where `-D` sent only the trace to a file: lines of another file, each of which
 * belongs somewhere between the lines of the log.
 *
 * By time, where both have stamps. QEMU takes the time of an event before it does what the event
 * tells, and that of a message when it writes it, so that a message belongs behind all events of its
 * time or before; of one microsecond, behind the event that has its range.
 *
 * By order, where they have none. A message about a range belongs behind an event of that range: of
 * those behind the last message's, the next that is likely to fail, as an unmap while dirty pages are
 * tracked and a MAP over what is mapped are; of others, only if there are as many events as messages.
 * Where that leaves its place open it stands behind the log, as a failure of which no more is known.
 * One from the start of QEMU belongs behind the event that names its device, any other where the next
 * about a range does.
 */

const LF = 0x0a;

/** A line of the messages. */
export interface SeparateMessage {
  /** Its LF included. */
  readonly bytes: Uint8Array;
  /** Microseconds since 1970; null without a stamp. */
  readonly time: number | null;
  /** What it is about, as `rangeKey` says; null where it does not tell. */
  readonly range: string | null;
}

/** A message with the offset in the log of the line before which it stands. */
export interface PlacedMessage {
  readonly bytes: Uint8Array;
  readonly place: number;
}

const MICROSECONDS = 1_000_000;
/** Bytes of a line that are looked at. */
const LOOKED_AT = 512;
/** QEMU's stamps of events to 10.1, and of messages, and of events from 10.2 on. */
const STAMP =
  /^(?:\d{1,10}@(\d{1,11})\.(\d{6}):|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z )/;
const CALL =
  /\bvfio_(?:container_)?dma_(map|unmap)\(0x[\da-f]{1,16}, 0x([\da-f]{1,16}), 0x([\da-f]{1,16})/;
/** A message at the start of QEMU names the option that it is about, and mostly a device. */
const AT_START =
  /^(?:\S+Z )?\S{1,200}: -[a-z]+ (?:.{0,200}\b([\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.[\da-f]):? )?/;
/** Events of a device that is attached, and what of it is set up last. */
const ATTACHED =
  /^.{0,40}?vfio_(attach_device|device_attach|migration_init) {1,2}\(([\da-f:.]{1,16})\)/;
/** Events that messages are about, and what tells whether dirty pages are tracked. */
const NOTED =
  /^.{0,40}?(?:vfio_iommu_map_notify iommu (MAP|UNMAP) @ 0x([\da-f]{1,16}) - 0x([\da-f]{1,16})|vfio_listener_region_(add_ram|del) region_(?:add \[ram\]|del) 0x([\da-f]{1,16}) - 0x([\da-f]{1,16})|global_dirty_changed bitmask 0x([\da-f]{1,8}))/;
/** What of a line makes it one of those. */
const WORTH_A_LOOK =
  /vfio_(?:iommu_map_notify|listener_region_|attach_device|device_attach|migration_init)|global_dirty_changed/g;

/** The lines of the messages; the last one only if it is complete. */
export function messagesIn(bytes: Uint8Array): readonly SeparateMessage[] {
  const messages: SeparateMessage[] = [];
  for (let at = 0, lf = bytes.indexOf(LF); lf >= 0; at = lf + 1, lf = bytes.indexOf(LF, at)) {
    const line = bytes.subarray(at, lf + 1);
    if (line.length === 1) continue;
    const text = textOf(line);
    const [, operation, start = '', size = ''] = CALL.exec(text) ?? [];
    const range = operation === undefined ? null : rangeKey(operation, start, lastOf(start, size));
    messages.push({ bytes: line, time: timeOf(text), range });
  }
  return messages;
}

function textOf(line: Uint8Array): string {
  return latin1Of(line.subarray(0, LOOKED_AT));
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function lastOf(start: string, size: string): string {
  return (BigInt(`0x${start}`) + BigInt(`0x${size}`) - 1n).toString(16);
}

function rangeKey(operation: string, start: string, last: string): string {
  return `${operation} ${start} ${last}`;
}

function boundsOf(range: string): readonly [bigint, bigint] {
  const [, first = '0', last = '0'] = range.split(' ');
  return [BigInt(`0x${first}`), BigInt(`0x${last}`)];
}

function timeOf(text: string): number | null {
  const [, seconds, digits = '', date, fraction = ''] = STAMP.exec(text) ?? [];
  if (seconds !== undefined) return Number(seconds) * MICROSECONDS + Number(digits);
  if (date === undefined) return null;
  const milliseconds = Date.parse(`${date}Z`);
  return Number.isNaN(milliseconds) ? null : milliseconds * 1000 + Number(fraction.padEnd(6, '0'));
}

/** The messages in the order in which they stand in a log. `blocks`: the log from its start. */
export async function placed(
  messages: readonly SeparateMessage[],
  blocks: AsyncIterable<LineBlock>,
): Promise<readonly PlacedMessage[]> {
  const byTime = new PlacesByTime(messages);
  const byOrder = new PlacesByOrder(messages);
  let end = 0;
  for await (const { byteLength, byteOffset, bytes } of blocks) {
    // A last line without its end is not believed, and nothing may come behind it.
    const length = bytes.lastIndexOf(LF) + 1;
    if (length === 0) continue;
    const text = latin1Of(bytes.subarray(0, length));
    // Of a line that is too long to be held, only the front is there.
    const missing = byteLength - bytes.length;
    byTime.look(text, byteOffset);
    byOrder.look(text, byteOffset + missing);
    end = byteOffset + missing + length;
  }
  const places = byTime.isPossible ? byTime.places(end) : byOrder.places(end);
  return messages
    .map(({ bytes }, index) => ({ bytes, place: places[index] ?? end }))
    .sort((one, other) => one.place - other.place);
}

class PlacesByTime {
  readonly #messages: readonly SeparateMessage[];
  readonly #times: readonly (number | null)[];
  readonly #ranges: readonly (string | null)[];
  readonly #places: number[] = [];
  #hasStamps = false;

  constructor(messages: readonly SeparateMessage[]) {
    this.#messages = messages;
    let time: number | null = null;
    // A line without a stamp goes on with the one before.
    this.#times = messages.map((message) => {
      time = message.time ?? time;
      return time;
    });
    this.#ranges = rangesAhead(messages);
  }

  get isPossible(): boolean {
    return this.#hasStamps && this.#messages.some(({ time }) => time !== null);
  }

  /** `text`: whole lines, the first at `offset`. */
  look(text: string, offset: number): void {
    for (let at = 0; at < text.length && this.#places.length < this.#messages.length; ) {
      const lf = text.indexOf('\n', at);
      const line = text.slice(at, Math.min(lf, at + LOOKED_AT));
      const time = timeOf(line);
      this.#hasStamps ||= time !== null;
      while (time !== null && this.#isBefore(time, line)) this.#places.push(offset + at);
      at = lf + 1;
    }
  }

  /** Whether the next message belongs before a line. */
  #isBefore(time: number, line: string): boolean {
    const index = this.#places.length;
    if (index === this.#messages.length) return false;
    const own = this.#times[index] ?? null;
    if (own === null || own < time) return true;
    return own === time && notedIn(line)?.range !== this.#ranges[index];
  }

  places(end: number): readonly number[] {
    return this.#messages.map((_, index) => this.#places[index] ?? end);
  }
}

/** Of each message, its range or that of the next one which has one. */
function rangesAhead(messages: readonly SeparateMessage[]): readonly (string | null)[] {
  const ranges: (string | null)[] = [];
  let next: string | null = null;
  for (const { range } of messages.toReversed()) {
    next = range ?? next;
    ranges.push(next);
  }
  return ranges.reverse();
}

interface Noted {
  readonly range: string | null;
  readonly operation: 'map' | 'unmap' | null;
  /** Of dirty pages; null where the line does not tell. */
  readonly isTracking: boolean | null;
}

function notedIn(line: string): Noted | null {
  const [found, op, start = '', last = '', region, from = '', to = '', mask = ''] =
    NOTED.exec(line) ?? [];
  if (found === undefined) return null;
  if (op === undefined && region === undefined) {
    return { range: null, operation: null, isTracking: !/^0+$/.test(mask) };
  }
  const operation = op === 'MAP' || region === 'add_ram' ? 'map' : 'unmap';
  const [first, end] = op === undefined ? [from, to] : [start, last];
  return { range: rangeKey(operation, first, end), operation, isTracking: null };
}

/** An event that a message may be about. */
interface Candidate {
  /** Behind its line. */
  readonly offset: number;
  readonly isLikely: boolean;
}

class PlacesByOrder {
  readonly #messages: readonly SeparateMessage[];
  readonly #candidates = new Map<string, Candidate[]>();
  /** Ranges of the messages about MAPs that are mapped. */
  readonly #mapped = new Map<string, readonly [bigint, bigint]>();
  /** Behind the events by which each device was there, and was set up, by its address. */
  readonly #attached = new Map<string, number>();
  readonly #setUp = new Map<string, number>();
  /** The devices that the first messages name, those of the start of QEMU; '' for none. */
  readonly #starting: readonly string[];
  #isTracking = false;

  constructor(messages: readonly SeparateMessage[]) {
    this.#messages = messages;
    this.#starting = startingDevices(messages);
    for (const { range } of messages) if (range !== null) this.#candidates.set(range, []);
  }

  /** `text`: whole lines, the first at `offset`. */
  look(text: string, offset: number): void {
    for (const { index } of text.matchAll(WORTH_A_LOOK)) {
      const end = text.indexOf('\n', index);
      this.#line(text.slice(text.lastIndexOf('\n', index) + 1, end), offset + end + 1);
    }
  }

  #line(line: string, offset: number): void {
    const [, event, device] = ATTACHED.exec(line) ?? [];
    if (device !== undefined) {
      const devices = event === 'migration_init' ? this.#setUp : this.#attached;
      if (!devices.has(device)) devices.set(device, offset);
    }
    const noted = notedIn(line);
    if (noted === null) return;
    const { isTracking, operation, range } = noted;
    this.#isTracking = isTracking ?? this.#isTracking;
    if (range === null) return;
    const isLikely = operation === 'map' ? this.#mapped.has(range) : this.#isTracking;
    this.#candidates.get(range)?.push({ offset, isLikely });
    if (operation === 'unmap') this.#unmap(range);
    else if (this.#candidates.has(range)) this.#mapped.set(range, boundsOf(range));
  }

  #unmap(range: string): void {
    if (this.#mapped.size === 0) return;
    const [first, last] = boundsOf(range);
    for (const [mapped, [from, to]] of this.#mapped) {
      if (from >= first && to <= last) this.#mapped.delete(mapped);
    }
  }

  places(end: number): readonly number[] {
    const possible = this.#possible();
    let last = 0;
    const places = this.#messages.map(({ range }) => {
      if (range === null) return null;
      const place = possible.get(range)?.find((offset) => offset > last) ?? null;
      last = place ?? last;
      return place ?? end;
    });
    return this.#withOthers(places, end);
  }

  /** Of each range, the places in which messages about it can be. */
  #possible(): ReadonlyMap<string, readonly number[]> {
    const counts = new Map<string, number>();
    for (const { range } of this.#messages) {
      if (range !== null) counts.set(range, (counts.get(range) ?? 0) + 1);
    }
    return new Map(
      [...this.#candidates].map(([range, all]) => {
        const likely = all.filter(({ isLikely }) => isLikely);
        const only = all.length === counts.get(range) ? all : [];
        return [range, (likely.length > 0 ? likely : only).map(({ offset }) => offset)];
      }),
    );
  }

  /** Those without a range stand where the next one does, behind all where there is none. */
  #withOthers(places: readonly (number | null)[], end: number): readonly number[] {
    const all: number[] = [];
    let next = end;
    for (const place of places.toReversed()) {
      next = place ?? next;
      all.push(next);
    }
    all.reverse();
    return all.map((place, index) =>
      index < this.#starting.length ? this.#startOf(index) : place,
    );
  }

  /** Where a message of the start belongs: not before those ahead of it. */
  #startOf(index: number): number {
    const devices = this.#starting.slice(0, index + 1);
    return Math.max(
      0,
      ...devices.map((device) => this.#setUp.get(device) ?? this.#attached.get(device) ?? 0),
    );
  }
}

/** The devices that the first messages are about, as long as they are of QEMU's start. */
function startingDevices(messages: readonly SeparateMessage[]): readonly string[] {
  const devices: string[] = [];
  for (const { bytes, range } of messages) {
    const [found, device = ''] = AT_START.exec(textOf(bytes)) ?? [];
    if (found === undefined || range !== null) break;
    devices.push(device);
  }
  return devices;
}

/** A log with the messages in their places. */
export async function* withMessages(
  log: AsyncIterable<Uint8Array>,
  messages: readonly PlacedMessage[],
): AsyncGenerator<Uint8Array> {
  const left = messages.values();
  let next = left.next();
  let at = 0;
  for await (const chunk of log) {
    let from = 0;
    while (next.done !== true && next.value.place < at + chunk.length) {
      const to = Math.max(from, next.value.place - at);
      if (to > from) yield chunk.subarray(from, to);
      from = to;
      yield next.value.bytes;
      next = left.next();
    }
    if (from < chunk.length) yield chunk.subarray(from);
    at += chunk.length;
  }
  for (; next.done !== true; next = left.next()) yield next.value.bytes;
}

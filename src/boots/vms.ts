import { type EventBatch, FIRST_SOURCE, NO_SOURCE, NO_THREAD } from '../events/batch.ts';
import { type EventName, eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Boot } from '../inference/boot.ts';
import { bdfOf, HOST_BRIDGE, placeOf } from '../inference/line.ts';

/**
 * Which VM, and which boot of it, a line of a trace belongs to.
 *
 * A file may hold several boots of a VM one after the other, and several VMs line by line. What
 * tells them apart: the process that a journal or syslog names; the thread that QEMU up to 10.1
 * prints; libvirt's line at each start; and a host device that is attached although it is attached
 * already, with the lines before it by which a machine that is being made can be known.
 */

/** What takes the lines of one boot. */
export interface BootReplay {
  readonly boot: Boot;
  apply(cursor: BatchCursor): void;
  finish(byteOffset: number): void;
}

const at = {
  switch: offsetsOf('vtd_switch_address_space'),
  device: offsetsOf('vfio_attach_device'),
  region: offsetsOf('virtio_iommu_init_iommu_mr'),
} as const;

const SWITCH = kindOf('vtd_switch_address_space');
/** It has the same arguments. */
const VIRTIO_SWITCH = kindOf('virtio_iommu_switch_address_space');
const VIRTIO_REGION = kindOf('virtio_iommu_init_iommu_mr');
/** Printed right before the first device of VFIO is attached behind AMD-Vi, which prints nothing else of it. */
const AMD_RESET = kindOf('amdvi_iotlb_reset');
const isSwitch = (kind: number) => kind === SWITCH || kind === VIRTIO_SWITCH;
/** The name of the first region that virtio-iommu makes for a machine: it numbers them. */
const FIRST_REGION = /-region-0-\d+$/;
const START = kindOf('session:start');
const LOSS = kindOf('trace:loss');
const KNOWN = kindOf('message:known');
const ATTACH: ReadonlySet<EventName> = new Set<EventName>([
  'vfio_realize',
  'vfio_attach_device',
  'vfio_device_attach',
  'iommufd_cdev_connect_and_bind',
]);
const DETACH: ReadonlySet<EventName> = new Set<EventName>([
  'vfio_detach_device',
  'vfio_device_detach',
]);

/** What a line can have to do with the question. */
const role = { none: 0, attach: 1, detach: 2, early: 3, message: 4, start: 5, loss: 6 } as const;
const ROLES = Uint8Array.from(eventNames, (name, kind) => {
  if (ATTACH.has(name)) return role.attach;
  if (DETACH.has(name)) return role.detach;
  if (
    isSwitch(kind) ||
    name === 'vtd_pasid_cache_reset' ||
    kind === AMD_RESET ||
    kind === VIRTIO_REGION
  )
    return role.early;
  if (name.startsWith('message:')) return role.message;
  if (kind === START) return role.start;
  return kind === LOSS ? role.loss : role.none;
});

// A log can make up processes and threads as it has lines. What follows is far more than one host runs.

/** Lines held back at most; a machine that is being made prints some dozens. */
const MOST_HELD = 4096;
/** The same in all of a trace. */
export const MOST_HELD_IN_ALL = 16_384;
/** Processes that are replayed side by side: of more, the one that has been silent longest is taken to be over. */
export const MOST_PROCESSES = 1024;
/** VMs that write into one file and are told apart by their threads alone. */
export const MOST_VMS = 128;
/** Threads of all those VMs that are remembered. */
export const MOST_THREADS = 65_536;
/** Threads of nobody's that are named one by one. */
const MOST_NAMED_THREADS = 64;
/** Devices of a VM that are remembered as attached, or as switched. */
const MOST_DEVICES = 1024;
/** Messages of nobody's that are kept until a process speaks. */
const MOST_OF_NOBODY = 64;
/** Threads of one process have numbers close to one another, if nobody starts thousands of them. */
const NEARBY_THREADS = 1000;

/** How many lines more may be held in a trace. */
interface Room {
  lines: number;
}

/** Lines with which a machine that is being made could begin: devices that are switched off. */
class EarlyLines {
  readonly #room: Room;
  readonly #lines: BatchCursor[] = [];
  readonly #devices = new Set<number>();
  #hasFirstDevice = false;

  constructor(room: Room) {
    this.#room = room;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  /** True where the line can be one of them. */
  takes(cursor: BatchCursor): boolean {
    if (this.#lines.length >= MOST_HELD || this.#room.lines === 0) return false;
    switch (ROLES[cursor.kind]) {
      case role.early:
        return !isSwitch(cursor.kind) || cursor.u32(at.switch.on) === 0;
      case role.message:
        return !this.isEmpty;
      default:
        return false;
    }
  }

  add(cursor: BatchCursor): void {
    this.#lines.push(cursor.copy());
    this.#room.lines -= 1;
    if (cursor.kind === VIRTIO_REGION) {
      this.#hasFirstDevice ||= FIRST_REGION.test(cursor.text(at.region.name));
    }
    if (cursor.kind === AMD_RESET) this.#hasFirstDevice = true;
    if (!isSwitch(cursor.kind)) return;
    const device = bdfOf(cursor, at.switch);
    this.#devices.add(device);
    this.#hasFirstDevice ||= device === HOST_BRIDGE;
  }

  /**
   * Whether an attached device behind them makes them the lines of a new machine. `isKnown`: the
   * device is attached already; `devices`: how many the machine so far has switched, all of which a
   * reset switches again.
   */
  beginMachine(isKnown: boolean, devices: number): boolean {
    if (devices === 0) return isKnown;
    if (isKnown) return this.#hasFirstDevice || this.#devices.size > 1;
    return this.#hasFirstDevice && this.#devices.size < devices;
  }

  /** Hands the lines over, in order, and forgets them. */
  release(to: (cursor: BatchCursor) => void): void {
    this.#room.lines += this.#lines.length;
    for (const line of this.#lines.splice(0)) to(line);
    this.#devices.clear();
    this.#hasFirstDevice = false;
  }
}

/** One VM: its boots, one at a time. */
class Vm {
  readonly #open: () => BootReplay;
  #replay: BootReplay;
  /** The first thread that is known to be its; null where none is. */
  founder: number | null = null;
  /** Line of its newest one as something was lost that may have been its. */
  lostAtLine = -1;
  readonly #attached = new Set<string>();
  readonly #devices = new Set<number>();
  readonly #early: EarlyLines;

  constructor(open: () => BootReplay, room: Room) {
    this.#open = open;
    this.#early = new EarlyLines(room);
    this.#replay = open();
  }

  get boot(): Boot {
    return this.#replay.boot;
  }

  /** How many devices have been switched. */
  get devices(): number {
    return this.#devices.size;
  }

  /** The boot to which a line goes that has nothing to do with boots; null while lines are held. */
  get plain(): BootReplay | null {
    return this.#early.isEmpty ? this.#replay : null;
  }

  has(device: string): boolean {
    return this.#attached.has(device);
  }

  apply(cursor: BatchCursor): void {
    const kind = ROLES[cursor.kind] as number;
    if (kind === role.none && this.#early.isEmpty) {
      this.#replay.apply(cursor);
      return;
    }
    if (this.#attached.size > 0 && this.#early.takes(cursor)) {
      this.#early.add(cursor);
      return;
    }
    if (kind === role.attach) this.#attach(cursor);
    else if (kind === role.detach) this.#attached.delete(cursor.text(at.device.name));
    this.#early.release((line) => this.#deliver(line));
    this.#deliver(cursor);
  }

  finish(byteOffset: number): void {
    this.#early.release((line) => this.#deliver(line));
    this.#replay.finish(byteOffset);
  }

  #attach(cursor: BatchCursor): void {
    const device = cursor.text(at.device.name);
    if (this.#attached.size > 0 && this.#early.beginMachine(this.has(device), this.devices)) {
      this.#replay.finish(cursor.byteOffset);
      this.#replay = this.#open();
      this.#attached.clear();
      this.#devices.clear();
    }
    if (this.#attached.size < MOST_DEVICES) this.#attached.add(device);
  }

  #deliver(cursor: BatchCursor): void {
    if (isSwitch(cursor.kind) && this.#devices.size < MOST_DEVICES) {
      this.#devices.add(bdfOf(cursor, at.switch));
    }
    this.#replay.apply(cursor);
  }
}

/** Numbers of threads, with the question whether one is far from all of them. */
class ThreadNumbers {
  /** The least and the greatest number of each NEARBY_THREADS numbers. */
  readonly #ends = new Map<number, { least: number; greatest: number }>();

  add(thread: number): void {
    const group = Math.floor(thread / NEARBY_THREADS);
    const ends = this.#ends.get(group);
    if (ends === undefined) this.#ends.set(group, { least: thread, greatest: thread });
    else {
      ends.least = Math.min(ends.least, thread);
      ends.greatest = Math.max(ends.greatest, thread);
    }
  }

  /** No known thread is less than NEARBY_THREADS, or just as many, away. */
  isApart(thread: number): boolean {
    const group = Math.floor(thread / NEARBY_THREADS);
    const below = this.#ends.get(group - 1)?.greatest ?? Number.NEGATIVE_INFINITY;
    const above = this.#ends.get(group + 1)?.least ?? Number.POSITIVE_INFINITY;
    return (
      !this.#ends.has(group) && thread - below > NEARBY_THREADS && above - thread > NEARBY_THREADS
    );
  }

  clear(): void {
    this.#ends.clear();
  }
}

/** What one process wrote, or all that the trace does not say who wrote. */
class Stream {
  readonly #open: () => BootReplay;
  readonly #room: Room;
  readonly ordinal: number;
  #vms: Vm[] = [];
  readonly #byThread = new Map<number, Vm>();
  readonly #numbers = new ThreadNumbers();
  /** Threads that may be those of a new VM, with their lines so far. */
  readonly #newcomers = new Map<number, EarlyLines>();
  readonly #unplaced = new Set<number>();
  #newest: Vm | null = null;

  /** `ordinal`: how many processes began before it. */
  constructor(open: () => BootReplay, room: Room, ordinal: number) {
    this.#open = open;
    this.#room = room;
    this.ordinal = ordinal;
  }

  get vms(): readonly Vm[] {
    return this.#vms;
  }

  /**
   * The boot to which the lines of the thread that spoke last go, as long as they have nothing to do
   * with boots and VMs; null where each line has to be looked at.
   */
  plainOf(thread: number): BootReplay | null {
    const vm = thread === NO_THREAD ? this.#onlyVm : this.#byThread.get(thread);
    return vm?.plain ?? null;
  }

  get #onlyVm(): Vm | undefined {
    return this.#vms.length === 1 ? this.#vms[0] : undefined;
  }

  apply(cursor: BatchCursor): void {
    const { thread } = cursor;
    if (ROLES[cursor.kind] === role.start) this.end(cursor.byteOffset);
    const vm = thread === NO_THREAD ? this.#threadless(cursor) : this.#byThread.get(thread);
    if (vm === undefined) {
      this.#unknownThread(cursor);
      return;
    }
    this.#newest = vm;
    vm.apply(cursor);
  }

  /** All machines have ended. */
  end(byteOffset: number): void {
    for (const [thread, lines] of this.#newcomers) this.#settle(thread, lines);
    for (const vm of this.#vms) vm.finish(byteOffset);
    this.#vms = [];
    this.#byThread.clear();
    this.#numbers.clear();
    this.#unplaced.clear();
    this.#newest = null;
  }

  /** A line without a thread: the VM that waits for such a message, else the one that spoke last. */
  #threadless(cursor: BatchCursor): Vm {
    const newest = this.#newest ?? this.#vms[0];
    if (newest === undefined) return this.#make();
    if (this.#vms.length === 1 || newest.boot.awaits(cursor)) return newest;
    return this.#vms.find(({ boot }) => boot.awaits(cursor)) ?? newest;
  }

  #make(): Vm {
    const vm = new Vm(this.#open, this.#room);
    this.#vms.push(vm);
    return vm;
  }

  #unknownThread(cursor: BatchCursor): void {
    const { thread } = cursor;
    const lines = this.#newcomers.get(thread) ?? new EarlyLines(this.#room);
    if (this.#vms.some(({ founder }) => founder !== null)) {
      const isFirst = lines.isEmpty && isSwitch(cursor.kind);
      if (lines.takes(cursor) && !(isFirst && bdfOf(cursor, at.switch) !== HOST_BRIDGE)) {
        lines.add(cursor);
        this.#newcomers.set(thread, lines);
        return;
      }
      if (ROLES[cursor.kind] === role.attach && this.#isNewVm(cursor, lines)) {
        this.#adopt(thread, this.#make());
      }
    } else this.#adopt(thread, this.#vms[0] ?? this.#make());
    this.#settle(thread, lines);
    const vm = this.#vmOf(thread);
    if (vm === undefined) this.#lose(cursor);
    else {
      this.#newest = vm;
      vm.apply(cursor);
    }
  }

  #isNewVm(cursor: BatchCursor, lines: EarlyLines): boolean {
    const device = cursor.text(at.device.name);
    const isKnown = this.#vms.some((vm) => vm.has(device));
    if (this.#vms.length >= MOST_VMS) return false;
    const devices = this.#vms.reduce((most, vm) => Math.max(most, vm.devices), 0);
    // Without any line about devices' address spaces, the attached device has to do.
    return (
      devices === 0 ||
      this.#numbers.isApart(cursor.thread) ||
      lines.beginMachine(isKnown, Number.POSITIVE_INFINITY)
    );
  }

  /** Gives a thread to the VM that it must be of, and its held lines with it. */
  #settle(thread: number, lines: EarlyLines): void {
    this.#newcomers.delete(thread);
    if (!this.#byThread.has(thread)) {
      const vm = this.#placeOf(thread);
      if (vm !== null) this.#adopt(thread, vm);
    }
    const vm = this.#vmOf(thread);
    lines.release((line) => {
      if (vm === undefined) this.#lose(line);
      else vm.apply(line);
    });
  }

  /** The VM of a thread: also of one that is not remembered, where there is only one VM. */
  #vmOf(thread: number): Vm | undefined {
    return this.#byThread.get(thread) ?? (this.#isFull ? this.#onlyVm : undefined);
  }

  /** There have been more threads than are remembered. */
  get #isFull(): boolean {
    return this.#byThread.size >= MOST_THREADS;
  }

  #adopt(thread: number, vm: Vm): void {
    if (this.#isFull) return;
    this.#byThread.set(thread, vm);
    this.#numbers.add(thread);
    vm.founder ??= thread;
  }

  /** A process's first thread has the lowest number, and those it starts have numbers near it. */
  #placeOf(thread: number): Vm | null {
    const [only] = this.#vms;
    if (only !== undefined && this.#vms.length === 1) return only;
    let place: Vm | null = null;
    let nearest = NEARBY_THREADS + 1;
    for (const vm of this.#vms) {
      const { founder } = vm;
      if (founder === null || (vm.boot.startsAtBoot && thread < founder)) continue;
      const distance = Math.abs(thread - founder);
      if (distance < nearest) {
        nearest = distance;
        place = vm;
      }
    }
    return place;
  }

  /** A line that any of the VMs could have written: what each of them maps is not sure any more. */
  #lose(cursor: BatchCursor): void {
    if (this.#unplaced.has(cursor.thread) || this.#unplaced.size >= MOST_THREADS) return;
    this.#unplaced.add(cursor.thread);
    const isNamed = this.#unplaced.size <= MOST_NAMED_THREADS;
    const place = placeOf(cursor);
    const count = this.#vms.length;
    for (const { boot } of this.#vms) {
      if (isNamed) boot.loseLines('thread-of-some-vm', place, [cursor.thread, count]);
      else boot.loseLines('threads-of-some-vm', place, [count]);
    }
  }
}

/** What the kernel says, or a program that looks after VMs, where other lines name their process. */
function isOfNobody({ kind, source }: BatchCursor): boolean {
  return kind === KNOWN && source === NO_SOURCE;
}

/** Opens a boot of the process that `writer` names, if the trace tells processes apart. */
export type OpenBoot = (writer: () => string | null) => BootReplay;

/** Gives each line of a trace to the boot of the VM that wrote it. */
export class Vms {
  readonly #open: OpenBoot;
  /** By the name of the process, null where the trace tells none; the one that spoke last is the last. */
  readonly #streams = new Map<string | null, Stream>();
  /** Of the batch. */
  #names: readonly string[] = [];
  readonly #room: Room = { lines: MOST_HELD_IN_ALL };
  /** Processes so far. */
  #begun = 0;
  // Most lines are by whoever wrote the one before, and decide nothing: they take a short way.
  #thread = NO_THREAD;
  #name: string | null = null;
  /** Its number in the batch; -1 where the batch does not name it. */
  #source = NO_SOURCE;
  #plain: BootReplay | null = null;
  /** Messages of nobody's before any process spoke. */
  readonly #nobodys: BatchCursor[] = [];
  /** All lines of the batch are by the same. */
  #hasOneWriter = false;

  /** `open`: a new boot begins. */
  constructor(open: OpenBoot) {
    this.#open = open;
  }

  /** The lines of a batch are about to come. */
  begin({ sources, writer }: EventBatch): void {
    this.#names = sources;
    if (this.#name !== null) {
      const index = sources.indexOf(this.#name);
      this.#source = index < 0 ? -1 : FIRST_SOURCE + index;
    }
    this.#hasOneWriter = writer !== null;
    const isSame = writer?.thread === this.#thread && writer.source === this.#source;
    if (this.#hasOneWriter && !isSame) this.#plain = null;
  }

  apply(cursor: BatchCursor): void {
    const plain = this.#plain;
    if (
      plain !== null &&
      ROLES[cursor.kind] === role.none &&
      (this.#hasOneWriter || (cursor.thread === this.#thread && cursor.source === this.#source))
    ) {
      plain.apply(cursor);
    } else this.#look(cursor);
  }

  /** A line that may decide something, or that somebody else wrote. */
  #look(cursor: BatchCursor): void {
    const { source, thread } = cursor;
    if (isOfNobody(cursor)) {
      this.#takeNobodys(cursor);
      return;
    }
    if (ROLES[cursor.kind] === role.loss) this.#lose(cursor);
    else {
      const stream = this.#stream(cursor);
      this.#releaseNobodys(stream);
      stream.apply(cursor);
    }
    this.#thread = thread;
    this.#source = source;
    this.#name = this.#nameOf(source);
    this.#plain = this.#streams.get(this.#name)?.plainOf(thread) ?? null;
  }

  /** The trace is over. */
  finish(byteOffset: number): void {
    if (this.#nobodys.length > 0) this.#releaseNobodys(this.#streamOf(null, byteOffset));
    for (const stream of this.#streams.values()) stream.end(byteOffset);
  }

  /**
   * A message of nobody's goes to the process that spoke last, or, while none has, to the one that speaks
   * next: often the kernel says why, just before QEMU says that something failed.
   */
  #takeNobodys(cursor: BatchCursor): void {
    const newest = [...this.#streams.values()].at(-1);
    if (newest !== undefined) newest.apply(cursor);
    else this.#nobodys.push(cursor.copy());
    if (this.#nobodys.length >= MOST_OF_NOBODY) {
      this.#releaseNobodys(this.#streamOf(null, cursor.byteOffset));
    }
  }

  #releaseNobodys(stream: Stream): void {
    for (const line of this.#nobodys.splice(0)) stream.apply(line);
  }

  /** Something of the trace is lost: of which process, only its own line can say. */
  #lose(cursor: BatchCursor): void {
    const [first, ...others] =
      cursor.source === NO_SOURCE ? this.#vmsByAge() : this.#stream(cursor).vms;
    if (first === undefined) {
      this.#stream(cursor).apply(cursor);
      return;
    }
    first.apply(cursor);
    const place = placeOf(cursor);
    for (const vm of others) {
      // Behind another, with no line of the VM between, it is no news.
      if (vm.lostAtLine === vm.boot.lastLine) continue;
      vm.lostAtLine = vm.boot.lastLine;
      vm.boot.loseLines('loss-of-some-vm', place);
    }
  }

  /** All VMs, those of the process that began first before the others. */
  #vmsByAge(): readonly Vm[] {
    const streams = [...this.#streams.values()].filter(({ vms }) => vms.length > 0);
    const [any] = streams;
    if (any === undefined) return [];
    if (streams.length === 1) return any.vms;
    const first = streams.reduce((old, other) => (other.ordinal < old.ordinal ? other : old), any);
    return [first, ...streams.filter((stream) => stream !== first)].flatMap(({ vms }) => vms);
  }

  #nameOf(source: number): string | null {
    return source === NO_SOURCE ? null : (this.#names[source - FIRST_SOURCE] ?? null);
  }

  /** The stream of the process that wrote the line. */
  #stream({ byteOffset, source }: BatchCursor): Stream {
    return this.#streamOf(this.#nameOf(source), byteOffset);
  }

  #streamOf(name: string | null, byteOffset: number): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      if (this.#streams.size >= MOST_PROCESSES) this.#endSilent(byteOffset);
      stream = new Stream(() => this.#open(() => name), this.#room, this.#begun);
      this.#begun += 1;
    } else this.#streams.delete(name);
    this.#streams.set(name, stream);
    return stream;
  }

  /** Takes the process that has been silent longest to be over. */
  #endSilent(byteOffset: number): void {
    const [name = null] = this.#streams.keys();
    this.#streams.get(name)?.end(byteOffset);
    this.#streams.delete(name);
  }
}

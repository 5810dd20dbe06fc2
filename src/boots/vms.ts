import { type EventBatch, NO_SOURCE, NO_THREAD } from '../events/batch.ts';
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
} as const;

const SWITCH = kindOf('vtd_switch_address_space');
const START = kindOf('session:start');
const LOSS = kindOf('trace:loss');
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
  if (kind === SWITCH || name === 'vtd_pasid_cache_reset') return role.early;
  if (name.startsWith('message:')) return role.message;
  if (kind === START) return role.start;
  return kind === LOSS ? role.loss : role.none;
});

/** Lines held back at most; a machine that is being made prints some dozens. */
const MOST_HELD = 4096;
/** Threads of one process have numbers close to one another, if nobody starts thousands of them. */
const NEARBY_THREADS = 1000;

/** Lines with which a machine that is being made could begin: devices that are switched off. */
class EarlyLines {
  readonly #lines: BatchCursor[] = [];
  readonly #devices = new Set<number>();
  #hasHostBridge = false;

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  /** True where the line can be one of them. */
  takes(cursor: BatchCursor): boolean {
    if (this.#lines.length >= MOST_HELD) return false;
    switch (ROLES[cursor.kind]) {
      case role.early:
        return cursor.kind !== SWITCH || cursor.u32(at.switch.on) === 0;
      case role.message:
        return !this.isEmpty;
      default:
        return false;
    }
  }

  add(cursor: BatchCursor): void {
    this.#lines.push(cursor.copy());
    if (cursor.kind !== SWITCH) return;
    const device = bdfOf(cursor, at.switch);
    this.#devices.add(device);
    this.#hasHostBridge ||= device === HOST_BRIDGE;
  }

  /**
   * Whether an attached device behind them makes them the lines of a new machine. `isKnown`: the
   * device is attached already; `devices`: how many the machine so far has switched, all of which a
   * reset switches again.
   */
  beginMachine(isKnown: boolean, devices: number): boolean {
    if (devices === 0) return isKnown;
    if (isKnown) return this.#hasHostBridge || this.#devices.size > 1;
    return this.#hasHostBridge && this.#devices.size < devices;
  }

  /** Hands the lines over, in order, and forgets them. */
  release(to: (cursor: BatchCursor) => void): void {
    for (const line of this.#lines.splice(0)) to(line);
    this.#devices.clear();
    this.#hasHostBridge = false;
  }
}

/** One VM: its boots, one at a time. */
class Vm {
  readonly #open: () => BootReplay;
  #replay: BootReplay;
  readonly threads: number[] = [];
  readonly #attached = new Set<string>();
  readonly #devices = new Set<number>();
  readonly #early = new EarlyLines();

  constructor(open: () => BootReplay) {
    this.#open = open;
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
    this.#attached.add(device);
  }

  #deliver(cursor: BatchCursor): void {
    if (cursor.kind === SWITCH) this.#devices.add(bdfOf(cursor, at.switch));
    this.#replay.apply(cursor);
  }
}

/** What one process wrote, or all that the trace does not say who wrote. */
class Stream {
  readonly #open: () => BootReplay;
  #vms: Vm[] = [];
  readonly #byThread = new Map<number, Vm>();
  /** Threads that may be those of a new VM, with their lines so far. */
  readonly #newcomers = new Map<number, EarlyLines>();
  readonly #unplaced = new Set<number>();
  #newest: Vm | null = null;

  constructor(open: () => BootReplay) {
    this.#open = open;
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
    const vm = new Vm(this.#open);
    this.#vms.push(vm);
    return vm;
  }

  #unknownThread(cursor: BatchCursor): void {
    const { thread } = cursor;
    const lines = this.#newcomers.get(thread) ?? new EarlyLines();
    if (this.#vms.some(({ threads }) => threads.length > 0)) {
      const isFirst = lines.isEmpty && cursor.kind === SWITCH;
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
    const vm = this.#byThread.get(thread);
    if (vm === undefined) this.#lose(cursor);
    else {
      this.#newest = vm;
      vm.apply(cursor);
    }
  }

  #isNewVm(cursor: BatchCursor, lines: EarlyLines): boolean {
    const device = cursor.text(at.device.name);
    const isKnown = this.#vms.some((vm) => vm.has(device));
    const devices = Math.max(...this.#vms.map((vm) => vm.devices));
    // Without any line about devices' address spaces, the attached device has to do.
    return (
      devices === 0 ||
      this.#isApart(cursor.thread) ||
      lines.beginMachine(isKnown, Number.POSITIVE_INFINITY)
    );
  }

  /** Whether no process of the threads so far is likely to have started the thread: all have other numbers. */
  #isApart(thread: number): boolean {
    return this.#vms.every(({ threads }) =>
      threads.every((known) => Math.abs(thread - known) > NEARBY_THREADS),
    );
  }

  /** Gives a thread to the VM that it must be of, and its held lines with it. */
  #settle(thread: number, lines: EarlyLines): void {
    this.#newcomers.delete(thread);
    if (!this.#byThread.has(thread)) {
      const vm = this.#placeOf(thread);
      if (vm !== null) this.#adopt(thread, vm);
    }
    const vm = this.#byThread.get(thread);
    lines.release((line) => {
      if (vm === undefined) this.#lose(line);
      else vm.apply(line);
    });
  }

  #adopt(thread: number, vm: Vm): void {
    this.#byThread.set(thread, vm);
    vm.threads.push(thread);
  }

  /** A process's first thread has the lowest number, and those it starts have numbers near it. */
  #placeOf(thread: number): Vm | null {
    const [only] = this.#vms;
    if (only !== undefined && this.#vms.length === 1) return only;
    let place: Vm | null = null;
    let nearest = NEARBY_THREADS + 1;
    for (const vm of this.#vms) {
      const founder = vm.threads[0];
      if (founder === undefined || (vm.boot.startsAtBoot && thread < founder)) continue;
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
    if (this.#unplaced.has(cursor.thread)) return;
    this.#unplaced.add(cursor.thread);
    const numbers = [cursor.thread, this.#vms.length];
    for (const { boot } of this.#vms) {
      boot.loseLines('thread-of-some-vm', placeOf(cursor), numbers);
    }
  }
}

/** Opens a boot of the process that `writer` names, if the trace tells processes apart. */
export type OpenBoot = (writer: () => string | null) => BootReplay;

/** Gives each line of a trace to the boot of the VM that wrote it. */
export class Vms {
  readonly #open: OpenBoot;
  readonly #streams = new Map<number, Stream>();
  /** By the number of their source. */
  readonly #names = new Map<number, string>();
  // Most lines are by whoever wrote the one before, and decide nothing: they take a short way.
  #thread = NO_THREAD;
  #source = NO_SOURCE;
  #plain: BootReplay | null = null;
  /** All lines of the batch are by the same. */
  #hasOneWriter = false;

  /** `open`: a new boot begins. */
  constructor(open: OpenBoot) {
    this.#open = open;
  }

  /** The lines of a batch are about to come. */
  begin({ sources, writer }: EventBatch): void {
    for (const [number, name] of Object.entries(sources)) this.#names.set(Number(number), name);
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
    if (ROLES[cursor.kind] === role.loss) this.#lose(cursor);
    else this.#stream(source).apply(cursor);
    this.#thread = thread;
    this.#source = source;
    this.#plain = this.#streams.get(source)?.plainOf(thread) ?? null;
  }

  /** The trace is over. */
  finish(byteOffset: number): void {
    for (const stream of this.#streams.values()) stream.end(byteOffset);
  }

  /** Something of the trace is lost: of which process, only its own line can say. */
  #lose(cursor: BatchCursor): void {
    const [first, ...others] =
      cursor.source === NO_SOURCE
        ? [...this.#streams.values()].flatMap(({ vms }) => vms)
        : this.#stream(cursor.source).vms;
    if (first === undefined) {
      this.#stream(cursor.source).apply(cursor);
      return;
    }
    first.apply(cursor);
    for (const { boot } of others) boot.loseLines('loss-of-some-vm', placeOf(cursor));
  }

  #stream(source: number): Stream {
    let stream = this.#streams.get(source);
    if (stream === undefined) {
      stream = new Stream(() => this.#open(() => this.#names.get(source) ?? null));
      this.#streams.set(source, stream);
    }
    return stream;
  }
}

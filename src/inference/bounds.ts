/** One bound: how much of it is held or done before the replay of a boot ends. */
export interface BoundEntry {
  readonly most: number;
  /** Bytes that one of them holds, by measurement; 0: it holds nothing by itself. */
  readonly bytes: number;
  /** What there is more of, as results print it. */
  readonly text: string;
  /** Why no machine that runs comes near it: a limit of QEMU, the kernel or the hardware, or what was seen. */
  readonly reason: string;
}

/**
 * Everything that a log can make the replay of a boot hold or do. A guest, or who writes a log, can
 * make up as many names as lines; a machine has few. Beyond a bound the log is none of a machine: the
 * replay of that boot ends there, what it found so far stands, and the boot is not `clean`.
 */
export const bounds = {
  devices: {
    most: 512,
    bytes: 6000,
    text: 'devices and domains',
    reason:
      'PCI Express has 256 functions on a bus; hosts assign up to some hundred, each with one domain at a time',
  },
  'switched-devices': {
    most: 65_536,
    bytes: 300,
    text: 'devices that change address spaces',
    reason: 'PCI Express: bus, slot and function are 16 bits',
  },
  containers: {
    most: 512,
    bytes: 6000,
    text: 'containers',
    reason: 'one for a group of devices at most, of which a host has some hundred',
  },
  notifiers: {
    most: 64,
    bytes: 0,
    text: 'notifiers of one device',
    reason: 'vfio_listener_region_add registers two for each device',
  },
  mappings: {
    most: 2 ** 22,
    bytes: 48,
    text: 'mappings in the host, or in the shadows',
    reason: 'type1 takes 65,535 for each container; 4,194,304 of 4 KiB are 16 GiB at one time',
  },
  'removed-sections': {
    most: 65_536,
    bytes: 60,
    text: 'sections of RAM that one change removes',
    reason: 'a change of the memory map removes some dozens',
  },
  'saving-devices': {
    most: 1024,
    bytes: 600,
    text: 'devices that save their state',
    reason: 'as many as there are devices',
  },
  windows: {
    most: 65_536,
    bytes: 600,
    text: 'windows of dirty tracking',
    reason: 'one a minute for 45 days',
  },
  'drifting-mappings': {
    most: 2 ** 20,
    bytes: 120,
    text: 'mappings that only one side holds',
    reason: 'a finding counts them; 10,000 of a device are remembered',
  },
  findings: {
    most: 10_000,
    bytes: 6000,
    text: 'findings',
    reason:
      'a person reads some dozens; one is for a rule, device, mode, cause and window of tracking',
  },
  'memory-at-risk': {
    most: 2 ** 21,
    bytes: 512,
    text: 'parts of guest memory at risk',
    reason: 'a part is of 4 MiB: 8 TiB in mappings of less',
  },
  // --- Of all boots of a trace ---------------------------------------------------------------------
  memory: {
    most: 2 ** 29,
    bytes: 0,
    text: 'bytes that all open boots of the trace hold',
    reason: 'a boot with 65,535 mappings holds 10 MB',
  },
  steps: {
    most: 2 ** 31,
    bytes: 0,
    text: 'steps through all mappings, beside some for each line',
    reason:
      'a replay looks through them once and prints as many lines: 1,000 replays of 65,535 mappings take 2^26',
  },
} as const satisfies Readonly<Record<string, BoundEntry>>;

export type BoundId = keyof typeof bounds;

/** Steps that each line may bring on top. */
const STEPS_PER_LINE = 1024;

/** What the open boots of one trace hold and have done together. */
export class TraceUse {
  bytes = 0;
  steps = 0;
}

/** A bound that was reached, and at which line. */
export interface ReachedBound {
  readonly id: BoundId;
  readonly line: number;
}

/** Watches what a boot holds and does. */
export class Bounds {
  readonly #trace: TraceUse;
  readonly #counts = new Map<BoundId, number>();
  readonly #line: () => number;
  #bytes = 0;
  #reached: ReachedBound | null = null;

  /** `trace`: shared by all boots of it. `line`: the one that is being replayed. */
  constructor(trace = new TraceUse(), line: () => number = () => 0) {
    this.#trace = trace;
    this.#line = line;
  }

  /** The first bound that was reached: nothing behind it is to be replayed. */
  get reached(): ReachedBound | null {
    return this.#reached;
  }

  /** There are `count` more of it. */
  add(id: BoundId, count = 1): void {
    const all = (this.#counts.get(id) ?? 0) + count;
    this.#counts.set(id, all);
    this.check(id, all);
    const bytes = count * bounds[id].bytes;
    this.#bytes += bytes;
    this.#trace.bytes += bytes;
    this.check('memory', this.#trace.bytes);
  }

  /** There are `count` of it. */
  check(id: BoundId, count: number): void {
    if (count > bounds[id].most) this.#reached ??= { id, line: this.#line() };
  }

  /** A line makes the replay go through `count` mappings. */
  step(count: number): void {
    this.#trace.steps += count;
    this.check('steps', this.#trace.steps - STEPS_PER_LINE * this.#line());
  }

  /** The boot is over, and what it held is let go. */
  release(): void {
    this.#trace.bytes -= this.#bytes;
    this.#bytes = 0;
  }
}

/** Why a boot is not replayed to its end. */
export function boundText({ id, line }: ReachedBound): string {
  const { most, text } = bounds[id];
  return `the replay of this boot ends at line ${line}, with more than ${most} ${text}`;
}

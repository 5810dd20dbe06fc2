import { LineBlocks } from '../../../../src/bytes/lines.ts';
import { lineFormatNamed } from '../../../../src/decoding/index.ts';
import { BlockDecoder } from '../../../../src/engine/decode.ts';
import { TraceReplay } from '../../../../src/engine/replay.ts';
import type { EventBatch } from '../../../../src/events/batch.ts';
import { BatchCursor } from '../../../../src/events/cursor.ts';
import type { RecordSink } from '../../../../src/findings/session-recorder.ts';
import { Boot } from '../../../../src/inference/boot.ts';
import { bdfText } from '../../../../src/inference/device-space.ts';
import type { ModelOptions } from '../../../../src/inference/machine.ts';
import { mappingFlag } from '../../../../src/inference/mapping-flags.ts';
import type { Operation, StaleReason } from '../../../../src/inference/operation.ts';
import { UNKNOWN_ADDRESS, type Unmap } from '../../../../src/inference/unmap.ts';
import type { VfioContainer } from '../../../../src/inference/vfio-container.ts';
import type {
  Cause,
  DirtyQuery,
  MappingRecord,
  Mode,
  Session as SessionResult,
  Trace,
} from '../../../../src/result/types.ts';
import { loadRules } from '../../../../src/rules/index.ts';
import { type GpaRange, unionOfRanges } from '../../../../src/tools/simulator/addresses.ts';

const PAGE = 4096n;
const address = (page: number) => BigInt(page) * PAGE;

/** One unmap as the analyzer records it, with what its model says beside. */
export interface SeenUnmap {
  readonly line: number;
  /** as the model takes it to be */
  readonly device: string | null;
  /** as the result tells it: null where that is not beyond doubt */
  readonly toldDevice: string | null;
  readonly container: string | null;
  readonly cause: Cause;
  readonly iova: bigint;
  readonly size: bigint;
  readonly tracked: boolean | null;
  readonly query: DirtyQuery | null;
  readonly carried: bigint | null;
  readonly isAddressUnknown: boolean;
  readonly bitmapBytes: bigint;
  readonly errno: number;
  readonly observed: boolean;
  readonly mode: Mode | null;
  readonly atRisk: readonly GpaRange[];
  /** as if tracking had been on */
  readonly trackedErrno: number;
  readonly trackedQuery: DirtyQuery;
  /** its mappings were not all known */
  readonly isUncertain: boolean;
  readonly marksPastRam: boolean;
  /** before the first line that tells of tracking */
  readonly isLeading: boolean;
}

export interface SeenMapFailure {
  readonly line: number;
  readonly device: string | null;
  readonly iova: bigint;
  readonly size: bigint;
  readonly errno: number;
  readonly observed: boolean;
}

/** A host mapping that the analyzer called stale, from its first line to its last. */
export interface SeenStale {
  readonly device: string | null;
  readonly iova: bigint;
  readonly size: bigint;
  /** null: the log does not hold it */
  readonly gpa: bigint | null;
  readonly why: StaleReason;
  readonly since: number;
  /** line of the unmap that removed it */
  gone: number | null;
  /** line that showed it to be the guest's translation again */
  usedAgain: number | null;
}

export interface SeenDrift {
  readonly device: string | null;
  readonly iova: bigint;
  readonly size: bigint;
  readonly side: string;
  readonly line: number;
}

export interface SeenGap {
  readonly what: string;
  readonly line: number;
}

/** Everything that the analyzer says of one log. */
export interface Observed {
  readonly trace: Trace;
  /** null: there was nothing in the log that makes a session */
  readonly session: SessionResult | null;
  readonly unmaps: readonly SeenUnmap[];
  readonly mappings: readonly MappingRecord[];
  readonly mapFailures: readonly SeenMapFailure[];
  readonly stale: readonly SeenStale[];
  readonly drifts: readonly SeenDrift[];
  readonly gaps: readonly SeenGap[];
  /** which version of QEMU it emulated, from which line on */
  readonly profiles: readonly { readonly line: number; readonly id: string }[];
}

const rules = await loadRules();

/** Analyses a log: once as the program does, and once more at the model, which tells every single event. */
export function observe(log: string, model: ModelOptions): Observed {
  const batches = batchesOf(log);
  const sink = new Recorder();
  const replay = new TraceReplay(
    { ...model, stampsTellVersion: true, infersOperations: false },
    rules,
    sink,
  );
  for (const batch of batches) replay.consume(batch);
  const description = {
    path: '-',
    compression: 'none',
    format: 'qemu-log',
    clock: 'wall',
  } as const;
  const trace = replay.finish(description, []);
  const watch = new ModelWatch(model);
  watch.run(batches);
  return {
    trace,
    session: trace.sessions[0] ?? null,
    unmaps: sink.settled(),
    mappings: sink.mappings,
    mapFailures: watch.mapFailures,
    stale: watch.stale,
    drifts: watch.drifts,
    gaps: watch.gaps,
    profiles: watch.profiles,
  };
}

function batchesOf(log: string): EventBatch[] {
  const bytes = Buffer.from(log, 'latin1');
  const blocks = new LineBlocks();
  const decoder = new BlockDecoder(lineFormatNamed('qemu-log'), bytes.length);
  const batches = blocks.push(bytes).map((block) => decoder.decode(block));
  const last = blocks.end();
  if (last !== null) batches.push(decoder.decode(last));
  return batches;
}

class Recorder implements RecordSink {
  readonly takesMappings = true;
  readonly mappings: MappingRecord[] = [];
  readonly #unmaps: SeenUnmap[] = [];
  #wasOff = false;

  unmap(unmap: Unmap, _session: number, mode: Mode | null, isLeading: boolean): void {
    this.#unmaps.push(seen(unmap, mode, isLeading));
  }

  settleLeading(_session: number, wasOff: boolean): void {
    this.#wasOff = wasOff;
  }

  mapping(record: MappingRecord): void {
    this.mappings.push(record);
  }

  /** The unmaps, with what showed only later. */
  settled(): readonly SeenUnmap[] {
    return this.#unmaps.map((unmap) =>
      this.#wasOff && unmap.isLeading ? { ...unmap, tracked: false, query: 'none' } : unmap,
    );
  }
}

function seen(unmap: Unmap, mode: Mode | null, isLeading: boolean): SeenUnmap {
  const { asTraced, underTracking } = unmap;
  const risk = Array.from({ length: underTracking.riskCount }, (_, index): GpaRange => {
    const first = underTracking.riskFirst(index);
    return [address(first), address(underTracking.riskLast(index) - first + 1)];
  });
  const bdf = unmap.space.value?.bdf ?? null;
  const told = unmap.device;
  return {
    line: unmap.place.line,
    device: bdf === null ? null : bdfText(bdf),
    toldDevice: told === null ? null : bdfText(told),
    container: unmap.container.value?.id ?? null,
    cause: unmap.cause,
    iova: address(unmap.first),
    size: address(unmap.last - unmap.first + 1),
    tracked: unmap.tracked,
    query: asTraced.query,
    carried: unmap.carried < 0 ? null : address(unmap.carried),
    isAddressUnknown: unmap.carried === UNKNOWN_ADDRESS,
    bitmapBytes: BigInt(unmap.bitmapBytes),
    errno: asTraced.errno,
    observed: unmap.message.isSeen,
    mode,
    atRisk: unionOfRanges(risk),
    trackedErrno: underTracking.errno,
    trackedQuery: underTracking.query,
    isUncertain: unmap.isUncertain,
    marksPastRam: underTracking.pastRamPage >= 0,
    isLeading,
  };
}

/** Replays the events once more, and looks at the model between them. */
class ModelWatch {
  readonly mapFailures: SeenMapFailure[] = [];
  readonly stale: SeenStale[] = [];
  readonly drifts: SeenDrift[] = [];
  readonly gaps: SeenGap[] = [];
  readonly profiles: { readonly line: number; readonly id: string }[] = [];
  readonly #boot: Boot;
  /** Stale mappings of each container by their iova. */
  readonly #current = new Map<VfioContainer, Map<number, SeenStale>>();
  /** Mappings that are gone, while the unmap that removed them has not been reported yet. */
  #waiting: { readonly container: VfioContainer; readonly stale: SeenStale }[] = [];

  constructor(model: ModelOptions) {
    this.#boot = new Boot(
      { ...model, stampsTellVersion: true, infersOperations: false },
      (operation) => this.#reported(operation),
    );
  }

  run(batches: readonly EventBatch[]): void {
    let lines = 0;
    for (const batch of batches) {
      const cursor = new BatchCursor(batch, lines);
      while (cursor.next()) {
        this.#boot.apply(cursor);
        this.#look(cursor.line);
        const { id } = this.#boot.machine.profile;
        if (this.profiles.at(-1)?.id !== id) this.profiles.push({ line: cursor.line, id });
      }
      lines += batch.lines;
    }
    this.#boot.finish();
    this.#look(lines);
    for (const [what, { first }] of this.#boot.machine.losses.gaps) {
      this.gaps.push({ what, line: first.line });
    }
  }

  #reported(operation: Operation): void {
    switch (operation.kind) {
      case 'whole-unmap':
        for (let index = 0; index < operation.count; index += 1) {
          this.#unmapped(operation.piece(index));
        }
        break;
      case 'unmap':
        this.#unmapped(operation);
        break;
      case 'failed-map': {
        const { mark, space, first, last, errno, observed } = operation;
        const bdf = space?.bdf ?? null;
        this.mapFailures.push({
          line: mark.line,
          device: bdf === null ? null : bdfText(bdf),
          iova: address(first),
          size: address(last - first + 1),
          errno,
          observed,
        });
        break;
      }
      case 'stale-mappings': {
        const { happened, container, space, why, mark } = operation;
        if (happened) this.#added(container, space.bdf, why, mark.line);
        break;
      }
      case 'drift': {
        const { space, first, last, mark, side } = operation;
        this.drifts.push({
          device: space.bdf === null ? null : bdfText(space.bdf),
          iova: address(first),
          size: address(last - first + 1),
          side,
          line: mark.line,
        });
        break;
      }
      default:
        break;
    }
  }

  #added(container: VfioContainer, bdf: number | null, why: StaleReason, since: number): void {
    const known = this.#current.get(container) ?? new Map<number, SeenStale>();
    this.#current.set(container, known);
    for (const { first, last, value, flags } of container.host) {
      if ((flags & mappingFlag.stale) === 0 || known.has(first)) continue;
      const stale: SeenStale = {
        device: bdf === null ? null : bdfText(bdf),
        iova: address(first),
        size: address(last - first + 1),
        gpa: (flags & mappingFlag.addressUnknown) === 0 ? address(value) : null,
        why,
        since,
        gone: null,
        usedAgain: null,
      };
      known.set(first, stale);
      this.stale.push(stale);
    }
  }

  #unmapped(unmap: Unmap): void {
    this.#look(unmap.place.line);
    this.#waiting = this.#waiting.filter(({ container, stale }) => {
      const isThis =
        container === unmap.container.value &&
        stale.iova <= address(unmap.last) &&
        stale.iova + stale.size > address(unmap.first);
      if (isThis) stale.gone = unmap.place.line;
      return !isThis;
    });
  }

  /** Finds what is no longer stale since the last look. */
  #look(line: number): void {
    for (const [container, known] of this.#current) {
      if (container.staleCount === known.size) continue;
      const flagsAt = new Map([...container.host].map(({ first, flags }) => [first, flags]));
      for (const [first, stale] of known) {
        const flags = flagsAt.get(first);
        if (flags !== undefined && (flags & mappingFlag.stale) !== 0) continue;
        known.delete(first);
        if (flags !== undefined) stale.usedAgain = line;
        else this.#waiting.push({ container, stale });
      }
    }
  }
}

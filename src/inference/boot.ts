import type { Place } from '../base/place.ts';
import { type EventName, eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { AmdCommands } from './amd-commands.ts';
import { BackendLines } from './backend-lines.ts';
import { TraceUse } from './bounds.ts';
import { Commands } from './commands.ts';
import { DirtySyncs } from './dirty-syncs.ts';
import type { LossId } from './losses.ts';
import { Machine, type ModelOptions } from './machine.ts';
import { FailureMessages } from './messages.ts';
import type { OperationSink } from './operation.ts';
import { PageWalks } from './page-walks.ts';
import { PendingUnmaps } from './pending-unmaps.ts';
import { type Handler, handlers, type Parts } from './reader.ts';
import { Replays } from './replays.ts';
import { VfioListener } from './sections.ts';
import { ShadowDrift } from './shadow-drift.ts';
import { StaleMappings } from './stale-mappings.ts';
import { TraceStart } from './trace-start.ts';
import { TrackingLines } from './tracking-lines.ts';
import { VirtioRequests } from './virtio-requests.ts';
import { WholeUnmaps } from './whole-unmaps.ts';

const at = { notify: offsetsOf('vfio_iommu_map_notify') } as const;

const WALK = kindOf('vtd_page_walk_one');
const SKIP_MAP = kindOf('vtd_page_walk_one_skip_map');
const SKIP_UNMAP = kindOf('vtd_page_walk_one_skip_unmap');
const LEVEL = kindOf('vtd_page_walk_level');
const NOTIFY = kindOf('vfio_iommu_map_notify');
const WHOLE = kindOf('vtd_as_unmap_whole');
/** `op` of a notification, as the catalogue numbers it. */
const OP_MAP = 1;

/**
 * Lines that may stand between an unmap and what belongs to it: QEMU's messages, the backend's own
 * lines, and lines of threads that do not hold QEMU's big lock.
 */
const ANNOTATIONS: ReadonlySet<EventName> = new Set<EventName>([
  'message:bitmap-too-big',
  'message:dma-unmap-failed',
  'message:dma-map-failed',
  'message:known',
  'message:unknown',
  'migrate_error',
  'migrate_fd_error',
  'migrate_set_state',
  'dirtyrate_set_state',
  'iommufd_backend_map_dma',
  'iommufd_backend_map_file_dma',
  'iommufd_backend_unmap_dma',
  'iommufd_backend_unmap_dma_non_exist',
  'iommufd_backend_get_dirty_bitmap',
  'vfio_user_dma_map',
  'vfio_user_dma_unmap',
  'vfio_container_query_dirty_bitmap',
  'vfio_get_dirty_bitmap',
  'vtd_pasid_cache_reset',
  'session:end',
  'trace:loss',
]);

/** By event number: 1 where its line ends everything that is still open. */
const CLOSES = Uint8Array.from(eventNames, (name, kind) =>
  ANNOTATIONS.has(name) || kind === NOTIFY || kind === WHOLE || kind === WALK ? 0 : 1,
);

/** By event number: 1 where what the line says is said with it, and nothing is left open. */
const LEAVES_NOTHING_OPEN = Uint8Array.from(eventNames, (_, kind) =>
  kind === SKIP_MAP || kind === SKIP_UNMAP || kind === LEVEL ? 1 : 0,
);

export interface BootOptions extends ModelOptions {
  /** The trace's own stamps show QEMU's version, as those of the log backend do. */
  readonly stampsTellVersion: boolean;
  /** Whoever decoded it told MAP from UNMAP by other lines. */
  readonly infersOperations: boolean;
}

/**
 * One boot of one VM: the machine as its lines show it, fed with the events of a trace in order.
 *
 * Ends what was open before each line that is not part of it: an unmap whose messages may still have
 * come, the pieces of a whole unmap, a command that announced one.
 */
export class Boot {
  readonly machine: Machine;
  readonly unmaps: PendingUnmaps;
  /** See `BootOptions`. */
  readonly infersOperations: boolean;

  /** The guest's name, where a line told it. */
  vm: string | null = null;
  firstLine = 0;
  /** The trace shows the machine from its start. */
  startsAtBoot = false;
  /** What QEMU or libvirt said when QEMU ended, or ''. */
  ending = '';
  /** From this line on, somebody wants to see the next one before it is taken. */
  watchedLine = Number.POSITIVE_INFINITY;

  readonly #start = new TraceStart();
  readonly #walks: PageWalks;
  readonly #whole: WholeUnmaps;
  readonly #drift: ShadowDrift;
  readonly #stale: StaleMappings;
  readonly #syncs: DirtySyncs;
  readonly #failures: FailureMessages;
  readonly #parts: Parts;
  #lastOffset = 0;
  /** Something may be open that the next line ends. */
  #isOpen = false;
  /** Lines have come behind the end of the replay. */
  #isPassedOver = false;

  /** `use`: what the boots of the trace hold together. */
  constructor(options: BootOptions, report: OperationSink, use = new TraceUse()) {
    const machine = new Machine(options, report, use);
    const stale = new StaleMappings(machine);
    const unmaps = new PendingUnmaps(machine, stale);
    const syncs = new DirtySyncs(machine, stale);
    const walks = new PageWalks(machine, unmaps, stale, syncs);
    const whole = new WholeUnmaps(machine, unmaps, stale, walks);
    const drift = new ShadowDrift(machine);
    const listener = new VfioListener(machine, unmaps, walks);
    const failures = new FailureMessages(machine, unmaps, walks);
    this.machine = machine;
    this.infersOperations = options.infersOperations;
    this.unmaps = unmaps;
    this.#walks = walks;
    this.#whole = whole;
    this.#drift = drift;
    this.#stale = stale;
    this.#syncs = syncs;
    this.#failures = failures;
    this.#parts = {
      boot: this,
      machine,
      syncs,
      walks,
      whole,
      listener,
      failures,
      commands: new Commands(machine, listener, whole, stale, drift),
      amd: new AmdCommands(machine, listener),
      virtio: new VirtioRequests(machine, listener, walks),
      replays: new Replays(machine, listener, walks, stale, drift),
      tracking: new TrackingLines(machine),
      backends: new BackendLines(machine, unmaps, walks, listener),
      isStampNews: options.stampsTellVersion,
    };
  }

  get lastLine(): number {
    return this.machine.line;
  }

  /** Takes the event that the cursor stands on. */
  apply(cursor: BatchCursor): void {
    const { kind } = cursor;
    if (this.machine.bounds.reached !== null) {
      this.#passOver(cursor);
      return;
    }
    this.machine.seen.count(kind);
    if (!this.#start.isSettled) this.#begin(cursor);
    this.machine.line = cursor.line;
    this.#lastOffset = cursor.byteOffset;
    if (this.#isOpen && CLOSES[kind] === 1) this.#close(cursor);
    if (CLOSES[kind] === 1 && this.#syncs.isOpen) this.#syncs.lineCame(kind);
    // Nearly all lines of a long trace are of these kinds; calls through the table are dearer.
    if (kind === WALK) this.#walked(cursor);
    else if (kind === NOTIFY) this.#notified(cursor);
    else if (kind === SKIP_MAP) this.#walks.skippedMap(cursor);
    else if (kind === SKIP_UNMAP) this.#skippedUnmap(cursor);
    else if (kind === LEVEL) this.#walks.level(cursor);
    else (handlers[kind] as Handler)(this.#parts, cursor);
    if (LEAVES_NOTHING_OPEN[kind] === 0) this.#isOpen = true;
  }

  /** `vtd_page_walk_one_skip_unmap`, and the lines that go on with it, if nothing comes of them. */
  #skippedUnmap(cursor: BatchCursor): void {
    this.#walks.skippedUnmap(cursor);
    const most = Math.min(cursor.runLeft, this.watchedLine - cursor.line - 1);
    if (most <= 0 || !this.#start.isSettled || !this.#walks.passEmpty(cursor, most)) return;
    cursor.passRun(most);
    this.machine.seen.count(SKIP_UNMAP, most);
    this.machine.line = cursor.line;
    this.#lastOffset = cursor.byteOffset;
  }

  /** True where the newest lines are such that QEMU's message at the cursor can be about them. */
  awaits(cursor: BatchCursor): boolean {
    return this.#failures.concerns(cursor);
  }

  /** Lines are missing that may have been of this machine. */
  loseLines(id: LossId, mark: Place, numbers: readonly number[] = []): void {
    this.machine.losses.report(id, mark, null, numbers);
  }

  /** The trace, or this boot, is over. */
  finish(): void {
    const isCutShort = this.#walks.isOpen || this.#whole.isOpen;
    const endsInUnmap = this.unmaps.single !== null || this.#whole.isOpen;
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    this.#walks.finish();
    this.#whole.release(true);
    this.#whole.finish(null);
    this.#failures.finish();
    this.#syncs.end('end');
    this.#stale.finish();
    if (endsInUnmap) this.machine.diedAtLine = this.unmaps.pastRamLine;
    if (!isCutShort) {
      this.#drift.finish({ line: this.lastLine, byteOffset: this.#lastOffset, time: null });
    }
    this.machine.finish();
  }

  /** A line behind the end of the replay, where a bound was reached: what it does is not known. */
  #passOver({ byteOffset, line }: BatchCursor): void {
    if (!this.#isPassedOver) this.machine.losses.saidByTrace(line);
    this.#isPassedOver = true;
    this.machine.line = line;
    this.#lastOffset = byteOffset;
  }

  /** The first lines of interest. */
  #begin(cursor: BatchCursor): void {
    if (this.firstLine === 0) this.firstLine = cursor.line;
    this.#start.take(cursor);
    this.startsAtBoot = this.#start.isAtBoot;
    this.machine.attribution.startsUncertain = !this.startsAtBoot;
  }

  /** `vtd_as_unmap_whole`: ends the unmap or MAP and the walk before it, and closes its own pieces. */
  closeWholeUnmap(cursor: BatchCursor): void {
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    this.#walks.end(cursor);
    this.#whole.close(cursor);
  }

  /** Ends everything that is open before a line that is not part of it. */
  #close(cursor: BatchCursor): void {
    this.#isOpen = false;
    this.#failures.finish();
    this.#closeUnmaps(cursor);
    this.#walks.end(cursor);
  }

  #closeUnmaps(cursor: BatchCursor): void {
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    this.#whole.release();
    this.#whole.finish(cursor);
  }

  #walked(cursor: BatchCursor): void {
    if (!this.#walks.isSound(cursor)) {
      this.machine.losses.report('impossible-walk', cursor);
      return;
    }
    this.#walks.recogniseChange(cursor);
    this.#close(cursor);
    this.#walks.event(cursor);
  }

  #notified(cursor: BatchCursor): void {
    const first = cursor.page(at.notify.start);
    const last = cursor.page(at.notify.end);
    const isWhole =
      (cursor.low(at.notify.start) & 0xfff) === 0 && (cursor.low(at.notify.end) & 0xfff) === 0xfff;
    if (last < first || !isWhole) {
      this.machine.losses.report('impossible-notification', cursor);
      return;
    }
    if (cursor.u32(at.notify.op) === OP_MAP) {
      this.#closeUnmaps(cursor);
      this.#walks.mapped(cursor, first, last);
      return;
    }
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    if (this.#syncs.isOpen) this.#syncs.end('unmap');
    if (this.#walks.unmap(cursor, first, last)) return;
    if (this.#whole.take(cursor, first, last)) {
      this.machine.unseenMoves.unmappedWhole();
      return;
    }
    if (!this.machine.viommu.announcesWholeUnmaps) this.#walks.zeroUnmap(cursor, first, last);
    else this.#walks.unexplainedUnmap(cursor, first, last);
  }
}

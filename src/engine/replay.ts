import { TraceError } from '../base/errors.ts';
import { NO_TIME, type Place, timeText } from '../base/place.ts';
import { type Verdict, worse } from '../base/vocabulary.ts';
import { Vms } from '../boots/vms.ts';
import { type EventBatch, type InputLoss, isSetBack, type TraceEnd } from '../events/batch.ts';
import type { LossKind } from '../events/catalogue/notes.ts';
import { BatchCursor } from '../events/cursor.ts';
import { Excerpts } from '../findings/excerpts.ts';
import type { ReportWindow } from '../findings/report-window.ts';
import {
  type BootObserver,
  type RecordSink,
  SessionRecorder,
} from '../findings/session-recorder.ts';
import type { Boot, BootOptions } from '../inference/boot.ts';
import { TraceUse } from '../inference/bounds.ts';
import type { VersionHindsight } from '../inference/version.ts';
import { about, joinMigrations, NOTHING_AGAINST, worseMigration } from '../result/migration.ts';
import { joinExposed } from '../result/result.ts';
import { addTotals, NO_TOTALS } from '../result/totals.ts';
import type { Clock, Loss, Migration, Session, Trace } from '../result/types.ts';
import type { Rule } from '../rules/rule.ts';
import { SkippedEvents } from './skipped-events.ts';

/** What the source of a trace tells of it. */
export interface TraceDescription {
  readonly path: string;
  readonly format: string;
  readonly compression: string;
  readonly clock: Clock;
  /** It is a file that grew while it was read, up to the size that it had. */
  readonly hasGrown?: boolean;
  /** It cannot be read again: standard input, a pipe. */
  readonly comesOnce?: boolean;
}

/** Makes an observer of each boot; `index`: its number, from 0. */
export type Observe = (boot: Boot, index: number) => BootObserver;

/** What is known of the versions of boots before their first lines, by the boots' numbers. */
export type Hindsight = ReadonlyMap<number, VersionHindsight>;

/** Boots that a result lists; logs have some dozens. Of the rest it holds what they come to. */
const MOST_SESSIONS = 10_000;
/** Findings, ranges, windows, steps and their like that all listed boots have together. */
const MOST_ROWS = 1_000_000;

/** Boots between which it is asked for room for more. */
const BOOTS_PER_CHECK = 64;

/** What boots that are not listed come to. */
type Unlisted = Pick<Session, 'verdict' | 'migration' | 'exposed' | 'totals'>;
const NOTHING: Unlisted = {
  verdict: 'clean',
  migration: NOTHING_AGAINST,
  exposed: joinExposed([]),
  totals: NO_TOTALS,
};

/**
 * The replay of one trace: takes its batches in order, gives each boot of each VM a session, and
 * makes the result. Everything in it that has a state is here and below; decoding has none.
 */
export class TraceReplay {
  readonly #options: BootOptions;
  readonly #hindsight: Hindsight;
  readonly #rules: readonly Rule[];
  readonly #sink: RecordSink | null;
  readonly #checkRoom: () => void;
  readonly #observe: Observe | null;
  readonly #window: ReportWindow | null;
  readonly #excerpts = new Excerpts();
  /** In the order in which they began; null while they are not over. */
  readonly #sessions: (Session | null)[] = [];
  #boots = 0;
  #rows = 0;
  /** What the boots that are open hold and have done. */
  readonly #use = new TraceUse();
  #unlisted = NOTHING;
  readonly #recorders = new Map<number, SessionRecorder>();
  readonly #vms = new Vms((writer) => this.#newRecorder(writer));
  readonly #losses = new Map<LossKind, Loss>();
  /** Of boots whose unmaps were not all evaluated for the version that their last lines tell. */
  readonly #learnedLate = new Map<number, VersionHindsight>();
  readonly #skipped = new SkippedEvents();
  /** Of the trace that this one was made of. */
  #end: TraceEnd = { losses: [], hasGrown: false };
  #lines = 0;
  #bytes = 0;
  #events = 0;
  #firstTime: string | null = null;
  #lastSeconds = 0;
  #lastNanoseconds: number = NO_TIME;
  #backwards: Place | null = null;

  /**
   * `checkRoom`: called now and then where a batch brings many boots; what it throws ends the replay.
   * `hindsight`: what an earlier replay of the same trace learned. `observe`: makes an observer of each boot.
   * `window`: what is reported; null: all.
   */
  constructor(
    options: BootOptions,
    rules: readonly Rule[],
    sink: RecordSink | null,
    checkRoom: () => void = () => {},
    hindsight: Hindsight = new Map(),
    observe: Observe | null = null,
    window: ReportWindow | null = null,
  ) {
    this.#window = window;
    this.#observe = observe;
    this.#options = options;
    this.#hindsight = hindsight;
    this.#rules = rules;
    this.#sink = sink;
    this.#checkRoom = checkRoom;
  }

  /**
   * Replays a batch; batches come in the order of the trace, without holes. Its records are not
   * looked at any more when this returns; `release` is called when its source is not, either.
   */
  consume(batch: EventBatch, release: () => void = () => {}): void {
    this.#excerpts.feed(batch, release);
    this.#watchClock(batch);
    this.#vms.begin(batch);
    this.#replay(new BatchCursor(batch, this.#lines));
    this.#lines += batch.lines;
    this.#bytes = batch.byteOffset + batch.byteLength;
    this.#events += batch.traceEvents;
    this.#skipped.add(batch.skipped);
    this.#end = batch.end ?? this.#end;
  }

  /** Bytes of the trace that have been replayed. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * What another replay should know from the start, to be asked for when the result is known: of boots
   * whose version came out after unmaps had been evaluated for another. Empty: nothing would change.
   */
  get learnedLate(): Hindsight {
    return this.#learnedLate;
  }

  /**
   * The result of the trace. `inputLosses`: what its source could not deliver.
   *
   * @throws TraceError where a window of time is asked for that the trace's clock does not tell.
   */
  finish(description: TraceDescription, inputLosses: readonly InputLoss[]): Trace {
    const losses = [...this.#end.losses, ...inputLosses];
    const hasGrown = description.hasGrown === true || this.#end.hasGrown;
    this.#vms.finish(this.#bytes);
    this.#excerpts.finish();
    for (const { kind, detail } of losses) {
      const end = { line: this.#lines, byteOffset: this.#bytes, time: null };
      this.#lose(kind, 1, end, detail);
    }
    const clock = this.#firstTime === null ? 'none' : description.clock;
    const last = timeText(this.#lastSeconds, this.#lastNanoseconds);
    const problem = this.#window?.problem(clock) ?? null;
    if (problem !== null) throw new TraceError(description, problem);
    const isEmpty = this.#lines === 0 && losses.length === 0;
    this.#conclude(() => true);
    const sessions = this.#sessions.filter((session) => session !== null);
    const reasons = isEmpty ? ['the trace is empty'] : this.#reasons(sessions, losses);
    if (this.#window !== null && !isEmpty) {
      reasons.push(...this.#window.emptiness(this.#firstTime, last, sessions));
    }
    if (description.comesOnce === true) reasons.push(...this.#lateVersions());
    return {
      path: description.path,
      format: description.format,
      compression: description.compression,
      bytes: this.#bytes,
      ...(this.#window !== null && { window: this.#window.result() }),
      ...(hasGrown && { hasGrown: true as const }),
      lines: this.#lines,
      events: this.#events + this.#skipped.total,
      skippedEvents: this.#skipped.result(),
      losses: [...this.#losses.values()],
      time: {
        clock,
        first: this.#firstTime,
        last,
      },
      verdict: verdictOf([...sessions, this.#unlisted], reasons),
      migration: migrationOf(sessions, this.#unlisted, reasons),
      exposed: joinExposed([...sessions, this.#unlisted].map(({ exposed }) => exposed)),
      reasons,
      totals: sessions.map(({ totals }) => totals).reduce(addTotals, this.#unlisted.totals),
      sessions,
    };
  }

  /**
   * Nothing but a loop: code that V8 makes while a loop is running is given up where the loop ends,
   * and whatever was compiled into it would be slow at the start of every batch.
   */
  #replay(cursor: BatchCursor): void {
    while (cursor.next()) this.#vms.apply(cursor);
  }

  #watchClock({ clock, byteOffset }: EventBatch): void {
    if (clock === null) return;
    const { first, firstSeconds, firstNanoseconds } = clock;
    const isFirst = this.#lastNanoseconds === NO_TIME;
    if (isFirst) {
      this.#firstTime = timeText(firstSeconds, firstNanoseconds);
      this.#window?.begin(firstSeconds, firstNanoseconds);
    }
    const isBack = !isFirst && isSetBack(firstSeconds, this.#lastSeconds);
    const backwards = isBack ? first : clock.backwards;
    if (backwards !== null) {
      this.#backwards ??= {
        line: this.#lines + backwards.line + 1,
        byteOffset: byteOffset + backwards.byteOffset,
        time: null,
      };
    }
    this.#lastSeconds = clock.lastSeconds;
    this.#lastNanoseconds = clock.lastNanoseconds;
  }

  #newRecorder(writer: () => string | null): SessionRecorder {
    this.#conclude((end) => this.#excerpts.hasDelivered(end));
    const index = this.#boots;
    this.#boots += 1;
    if (this.#boots % BOOTS_PER_CHECK === 0) this.#checkRoom();
    const recorder = new SessionRecorder(
      { ...this.#options, versionHindsight: this.#hindsight.get(index) ?? null },
      this.#rules,
      index,
      this.#excerpts,
      this.#sink,
      ({ loss, count, mark, detail }) => this.#lose(loss, count, mark, detail),
      writer,
      this.#use,
      this.#observe,
      this.#window,
    );
    if (index < MOST_SESSIONS) this.#sessions.push(null);
    this.#recorders.set(index, recorder);
    return recorder;
  }

  /** Makes the results of sessions that are over, and lets go of all that they emulated. */
  #conclude(isTold: (end: number) => boolean): void {
    const over: { readonly index: number; readonly recorder: SessionRecorder }[] = [];
    for (const [index, recorder] of this.#recorders) {
      if (recorder.end >= 0 && isTold(recorder.end)) over.push({ index, recorder });
    }
    // In the order in which they ended, which does not depend on how the trace is cut into batches.
    over.sort((one, other) => one.recorder.end - other.recorder.end || one.index - other.index);
    for (const { index, recorder } of over) {
      this.#recorders.delete(index);
      const session = recorder.result();
      if (recorder.isOfAnotherVersion) {
        this.#learnedLate.set(index, recorder.boot.machine.version.hindsight);
      }
      this.#rows += rowsOf(session);
      if (index < MOST_SESSIONS && this.#rows <= MOST_ROWS) this.#sessions[index] = session;
      else this.#unlisted = together(this.#unlisted, session);
    }
  }

  #lose(kind: LossKind, count: number, mark: Place, detail: string): void {
    const known = this.#losses.get(kind);
    this.#losses.set(kind, {
      kind,
      count: (known?.count ?? 0) + count,
      line: known?.line ?? mark.line,
      byteOffset: known?.byteOffset ?? mark.byteOffset,
      detail: known?.detail ?? detail,
    });
  }

  /** What is wrong where a trace shows its version late and cannot be read again. */
  #lateVersions(): readonly string[] {
    if (this.#learnedLate.size === 0) return [];
    return [
      'unmaps were evaluated for another version of QEMU than later lines tell: analyse the trace from a file, or give --qemu',
    ];
  }

  #reasons(sessions: readonly Session[], losses: readonly InputLoss[]): string[] {
    const reasons = losses.map(({ detail }) => detail);
    if (sessions.length === 0) reasons.push('no VT-d or VFIO event in the trace');
    if (this.#backwards !== null) {
      reasons.push(`the clock is set back at line ${this.#backwards.line}: times are not in order`);
    }
    if (this.#boots > sessions.length) {
      reasons.push(`${this.#boots - sessions.length} boots more are not listed one by one`);
    }
    const several = sessions.length > 1;
    for (const [index, session] of sessions.entries()) {
      const prefix = several ? `session ${index + 1}: ` : '';
      for (const reason of session.reasons) reasons.push(prefix + reason);
    }
    return reasons;
  }
}

/** How long the lists of a session are. */
function rowsOf(session: Session): number {
  const { activity, addressSpaces, containers, findings, reasons, trackingWindows } = session;
  const lists = [
    findings,
    reasons,
    trackingWindows,
    containers,
    addressSpaces,
    activity.steps,
    activity.pieces,
    ...findings.map(({ atRisk }) => atRisk),
    ...addressSpaces.flatMap(({ notifiers, stale }) => [notifiers, stale]),
  ];
  return lists.reduce((sum, { length }) => sum + length, 0);
}

function together(one: Unlisted, other: Unlisted): Unlisted {
  return {
    verdict: worse(one.verdict, other.verdict),
    migration: worseMigration(one.migration, other.migration),
    exposed: joinExposed([one.exposed, other.exposed]),
    totals: addTotals(one.totals, other.totals),
  };
}

function verdictOf(
  sessions: readonly Pick<Session, 'verdict'>[],
  reasons: readonly string[],
): Verdict {
  const floor: Verdict = reasons.length > 0 ? 'inconclusive' : 'clean';
  return sessions.reduce((verdict: Verdict, session) => worse(verdict, session.verdict), floor);
}

/** The answer for the worst boot; where none stands against it, the trace itself may show too little. */
function migrationOf(
  sessions: readonly Session[],
  unlisted: Unlisted,
  reasons: readonly string[],
): Migration {
  const isAlone = sessions.length === 1;
  const all = sessions.map(({ migration }, index) =>
    isAlone ? migration : about(`session ${index + 1}`, migration),
  );
  const worst = joinMigrations([...all, about('a boot that is not listed', unlisted.migration)]);
  const [reason] = reasons;
  return worst.answer === 'yes' && reason !== undefined
    ? { answer: 'unknown', why: reason }
    : worst;
}

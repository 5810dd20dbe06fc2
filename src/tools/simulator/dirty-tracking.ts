import { hex } from './addresses.ts';
import type { QemuProfile } from './qemu-profile.ts';
import type { TraceWriter } from './trace-writer.ts';
import type { TrackingReason, TruthRecorder, WindowTruth } from './truth.ts';

/** Bits of QEMU's flag word `global_dirty_tracking`. */
export const DIRTY_FLAGS: Readonly<Record<TrackingReason, number>> = {
  migration: 1,
  'dirty-rate': 2,
  'dirty-limit': 4,
};

export type MigrationStatus =
  | 'none'
  | 'setup'
  | 'cancelling'
  | 'cancelled'
  | 'active'
  | 'device'
  | 'completed'
  | 'failed';

/** States of `migration_is_setup_or_active` in 7.2 that a simulated migration takes. */
const SETUP_OR_ACTIVE: readonly MigrationStatus[] = ['setup', 'active', 'device'];

/** States of `migration_is_running` in 8.x and later that a simulated migration takes. */
const RUNNING: readonly MigrationStatus[] = [...SETUP_OR_ACTIVE, 'cancelling'];

/** A listener of the start and stop of dirty logging: a container. */
export interface DirtyLogListener {
  startDirtyLog(): void;
  stopDirtyLog(): void;
}

/**
 * Whether dirty tracking is on, and why. The flag word and its postponed stop follow
 * `memory_global_dirty_log_start/_stop`; the rule of 7.2 follows `vfio_devices_all_running_and_saving`.
 */
export class DirtyTracking {
  readonly #profile: QemuProfile;
  readonly #writer: TraceWriter;
  readonly #truth: TruthRecorder;
  readonly #listeners: DirtyLogListener[] = [];
  #flags = 0;
  #postponed = 0;
  #status: MigrationStatus = 'none';
  #saving = false;
  #vmRunning = true;
  #window: WindowTruth | null = null;
  #flagWindow: WindowTruth | null = null;
  #error: { readonly text: string | null } | null = null;

  constructor(profile: QemuProfile, writer: TraceWriter, truth: TruthRecorder) {
    this.#profile = profile;
    this.#writer = writer;
    this.#truth = truth;
  }

  addListener(listener: DirtyLogListener): void {
    this.#listeners.push(listener);
  }

  get flags(): number {
    return this.#flags;
  }

  get status(): MigrationStatus {
    return this.#status;
  }

  get vmRunning(): boolean {
    return this.#vmRunning;
  }

  /** The migration's devices are between `vfio_save_setup` and `vfio_save_cleanup`. */
  get saving(): boolean {
    return this.#saving;
  }

  /** `migration_is_running()`: errors of unmaps go to the migration. */
  get migrationRuns(): boolean {
    return RUNNING.includes(this.#status);
  }

  /** 7.2 only: what makes a dirty sync walk. */
  get setupOrActive(): boolean {
    return SETUP_OR_ACTIVE.includes(this.#status);
  }

  /** 7.2 only: what makes an unmap carry a bitmap there. */
  get savesWhileRunning(): boolean {
    return this.#saving && this.#vmRunning && this.setupOrActive;
  }

  /** A completed migration alone keeps tracking on: the VM runs elsewhere, and nobody fetches dirty bits. */
  get isHandedOver(): boolean {
    return this.#status === 'completed' && this.#flags === DIRTY_FLAGS.migration;
  }

  /** The error that will fail the migration; its text is null where only a code is kept. */
  get migrationError(): { readonly text: string | null } | null {
    return this.#error;
  }

  /** Hands an error to the migration stream. @returns false if it has one already: the first is kept */
  failMigration(text: string | null): boolean {
    if (this.#error !== null) return false;
    this.#error = { text };
    return true;
  }

  forgetMigrationError(): void {
    this.#error = null;
  }

  setStatus(status: MigrationStatus): void {
    this.#status = status;
    const line = this.#writer.trace('migrate_set_state', `new state ${status}`);
    this.#followWindow(line);
  }

  setSaving(saving: boolean, line: number | null): void {
    this.#saving = saving;
    this.#followWindow(line);
  }

  /** The VM stops or runs again; a postponed end of tracking happens now. */
  setVmRunning(running: boolean): void {
    this.#vmRunning = running;
    this.#followWindow(null);
    if (running) this.#runPostponed();
  }

  /** @param fails a listener refuses: the bit is taken back at once; 7.2 only says so
   *  @returns whether the flag is set afterwards */
  start(reason: TrackingReason, fails = false): boolean {
    this.#postponed &= ~DIRTY_FLAGS[reason];
    this.#runPostponed();
    const flag = DIRTY_FLAGS[reason] & ~this.#flags;
    if (flag === 0) return true;
    const first = this.#flags === 0;
    this.#setFlags(this.#flags | flag);
    if (!first) return true;
    if (fails && this.#profile.tracksByMigrationStatus) {
      this.#writer.error('Failed to set dirty tracking flag 0x1 errno: 22');
      return true;
    }
    if (fails) {
      this.#writer.error(
        'vfio: Could not start dirty page tracking - Failed to set dirty tracking flag: Invalid argument',
      );
      this.#setFlags(this.#flags & ~flag);
      return false;
    }
    for (const listener of this.#listeners) listener.startDirtyLog();
    return true;
  }

  stop(reason: TrackingReason): void {
    const flag = DIRTY_FLAGS[reason] & this.#flags;
    if (flag === 0) return;
    if (!this.#vmRunning) this.#postponed |= flag;
    else this.#stopNow(flag);
  }

  /** Closes the truth: the window that is still open keeps no last line. */
  finish(): void {
    this.#window = null;
    this.#flagWindow = null;
  }

  #runPostponed(): void {
    const flags = this.#postponed & this.#flags;
    this.#postponed = 0;
    if (flags !== 0) this.#stopNow(flags);
  }

  #stopNow(flags: number): void {
    this.#setFlags(this.#flags & ~flags);
    if (this.#flags !== 0) return;
    for (const listener of this.#listeners.toReversed()) listener.stopDirtyLog();
  }

  #setFlags(flags: number): void {
    this.#flags = flags;
    const line = this.#writer.trace('global_dirty_changed', `bitmask ${hex(flags)}`);
    this.#flagWindow = this.#follow(
      this.#flagWindow,
      this.#flagReasons,
      line,
      this.#truth.flagWindows,
    );
    this.#followWindow(line);
  }

  #followWindow(line: number | null): void {
    this.#window = this.#follow(this.#window, this.#reasons, line, this.#truth.windows);
  }

  /** Opens, widens or closes a window. @returns the one that is open then */
  #follow(
    window: WindowTruth | null,
    reasons: readonly TrackingReason[],
    line: number | null,
    all: WindowTruth[],
  ): WindowTruth | null {
    if (reasons.length === 0) {
      if (window !== null) window.lastLine = line ?? this.#writer.line;
      return null;
    }
    if (window !== null) {
      window.by = inOrder([...window.by, ...reasons]);
      return window;
    }
    const opened = { firstLine: line ?? this.#writer.line + 1, lastLine: null, by: reasons };
    all.push(opened);
    return opened;
  }

  get #reasons(): readonly TrackingReason[] {
    if (this.#profile.tracksByMigrationStatus) return this.savesWhileRunning ? ['migration'] : [];
    return this.#flagReasons;
  }

  get #flagReasons(): readonly TrackingReason[] {
    return REASONS.filter((reason) => (this.#flags & DIRTY_FLAGS[reason]) !== 0);
  }
}

const REASONS: readonly TrackingReason[] = ['migration', 'dirty-rate', 'dirty-limit'];

function inOrder(reasons: readonly TrackingReason[]): readonly TrackingReason[] {
  return REASONS.filter((reason) => reasons.includes(reason));
}

import type { Place } from '../base/place.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import {
  migrationHasStartedLog,
  migrationIsEnding,
  migrationIsRunning,
  migrationIsSetupOrActive,
} from '../emulation/vfio/dirty-tracking.ts';
import { Bounds } from './bounds.ts';

/** Bits of QEMU's flag word behind `global_dirty_changed`. */
const DIRTY_BITS = [
  [1, 'migration'],
  [2, 'dirty-rate'],
  [4, 'dirty-limit'],
] as const;

/** How a migration ended. */
export type MigrationEnd = 'completed' | 'cancelled' | 'failed';

const ENDS: ReadonlySet<string> = new Set<MigrationEnd>(['completed', 'cancelled', 'failed']);

/** A part of the trace with dirty tracking on. */
export interface Window {
  readonly first: Place;
  last: Place | null;
  bits: number;
  unmaps: number;
  readonly ordinal: number;
  /** Lines are missing from it: tracking may have been off for a part of it. */
  isDoubted: boolean;
  /** How the newest migration in it ended, or one that completed; null: no line tells it. */
  migration: MigrationEnd | null;
}

/**
 * Whether dirty tracking is on: QEMU's flag word, the migration's state, and what devices say.
 *
 * `null` is "the trace does not show it". The flag word is known from its first line on, and before
 * it where that line can only be a rise from zero.
 */
export class DirtyTracking {
  /** The flag word, or null before its first line. */
  mask: number | null = null;
  /** The last `migrate_set_state`, or '' before the first. */
  migrationState = '';
  /** True where devices log their own DMA, as the newest time that tracking was on showed it. */
  deviceTracking = false;
  /** The same, before the newest start. */
  #hadDeviceTracking = false;
  /** Set when the first line of the flag word shows that tracking had been off until then. */
  offUntilFirstLine = false;
  /** Where the newest migration that lines show has completed; null: none has. */
  completedAt: Place | null = null;
  readonly windows: Window[] = [];
  readonly #bounds: Bounds;
  #current: Window | null = null;
  /** By the migration's states, the newest one has started the dirty log and not ended it. */
  #hasStartedLog = false;
  /** Windows from this one on are of the newest migration. */
  #ownWindows = 0;
  readonly #saving = new Set<string>();
  #anySaveSetup = false;
  #running = true;

  constructor(bounds = new Bounds()) {
    this.#bounds = bounds;
  }

  /** The window that is open, if any. */
  get window(): Window | null {
    return this.#current;
  }

  /**
   * Whether a line of the flag word is missing before this one: the word changes with each, starts
   * at zero, and has one bit set at a time.
   */
  missesChange(mask: number, startsAtBoot: boolean): boolean {
    return this.mask === null ? startsAtBoot && !isOneBit(mask) : this.mask === mask;
  }

  /** `global_dirty_changed`. */
  setMask(mask: number, mark: Place): void {
    const before = this.mask;
    if (before === null) {
      // One bit and nothing before: it has just been set, as the word starts at zero. Two bits, or
      // none, mean that tracking had been on already when the trace began.
      this.offUntilFirstLine = isOneBit(mask);
    }
    this.mask = mask;
    if (mask !== 0 && (before ?? 0) === 0) {
      // Devices that log their own DMA say so each time.
      this.#hadDeviceTracking = this.deviceTracking;
      this.deviceTracking = false;
    } else if (mask === 0 && this.#current?.unmaps === 0) {
      // A start that failed, or one under which nothing was unmapped, shows nothing new.
      this.deviceTracking ||= this.#hadDeviceTracking;
    }
    if (mask !== 0 && this.#current === null) this.#open(mark, mask);
    else if (mask !== 0 && this.#current !== null) this.#current.bits |= mask;
    else if (mask === 0) this.#close(mark);
  }

  /** Lines are missing that may have been any since line `from`. */
  doubt(from: number): void {
    // Another migration may have begun.
    this.#ownWindows = this.windows.length;
    for (let index = this.windows.length - 1; index >= 0; index -= 1) {
      const window = this.windows[index] as Window;
      if (window.last !== null && window.last.line < from) return;
      window.isDoubted = true;
    }
  }

  /** The window that is open may have been over for some time. */
  doubtCurrent(): void {
    if (this.#current !== null) this.#current.isDoubted = true;
  }

  setMigrationState(state: string, mark: Place): void {
    // One that is given up has started the dirty log, or has not, as the state before tells.
    const isTold = migrationIsEnding(state) && this.migrationState !== '';
    if (state === 'completed' && this.#hasStartedLog) this.completedAt = mark;
    if (!isTold) this.#hasStartedLog = migrationHasStartedLog(state);
    this.#tellEnd(state);
    this.migrationState = state;
    // `migrate_fd_cleanup` has ended the saving of the migration before, or its notifier has, without a line.
    if (state === 'setup') this.#saving.clear();
    if (this.mask !== null) return;
    // Without the flag word, the migration's own state is the best there is.
    if (this.#hasStartedLog) {
      if (this.#current === null) this.#open(mark, 1);
    } else if (state === 'failed' || state === 'cancelled') this.#close(mark);
  }

  /** Keeps in its window how the migration ends that tracked dirty pages there. */
  #tellEnd(state: string): void {
    if (state === 'setup') {
      this.#ownWindows = this.windows.length - (this.#current === null ? 0 : 1);
      if (this.#current !== null && this.#current.migration !== 'completed')
        this.#current.migration = null;
      return;
    }
    const window = this.windows.at(-1);
    if (window === undefined || this.windows.length <= this.#ownWindows) return;
    // One that fails in postcopy has left the VM where it went.
    const isTold = isEnd(state) && !this.migrationState.startsWith('postcopy');
    const isOfMigration = this.mask === null || (window.bits & 1) !== 0;
    if (isTold && isOfMigration && window.migration !== 'completed') window.migration = state;
  }

  saveSetup(name: string): void {
    this.#anySaveSetup = true;
    this.#saving.add(name);
    this.#bounds.check('saving-devices', this.#saving.size);
  }

  saveCleanup(name: string): void {
    this.#saving.delete(name);
  }

  setRunning(running: boolean): void {
    this.#running = running;
  }

  /** A migration ran: it kept tracking on at some time. */
  get hasMigrated(): boolean {
    return this.windows.some(({ bits }) => (bits & 1) !== 0);
  }

  /**
   * The newest migration has completed, and nothing but it keeps tracking on: the VM runs elsewhere,
   * and what its devices here may write is nobody's any more.
   */
  get isHandedOver(): boolean {
    return this.migrationState === 'completed' && (this.mask === null || this.mask === 1);
  }

  /** `migration_is_running`, by the states seen; null before the first. */
  get migrationRunning(): boolean | null {
    return this.migrationState === '' ? null : migrationIsRunning(this.migrationState);
  }

  /**
   * Whether QEMU's flag word is non-zero: what VT-d looks at from 11.0 on, and what starts tracking
   * in every container from 8.1 on.
   */
  get globalDirty(): boolean | null {
    if (this.mask !== null) return this.mask !== 0;
    return this.#hasStartedLog ? true : null;
  }

  /** Whether an unmap of a container that can track asks for dirty bits now. */
  started(profile: Profile): boolean | null {
    if (profile.legacyTracking === 'started') return this.globalDirty;
    // 7.2: only while a migration runs and its devices save; a dirty rate alone does not count.
    if (this.migrationState === '') {
      if (this.mask === null) return null;
      return (this.mask & 1) === 0 ? false : null;
    }
    if (!migrationIsSetupOrActive(this.migrationState)) return false;
    if (this.#anySaveSetup) return this.#running && this.#saving.size > 0;
    if (this.migrationState === 'setup') return false;
    return this.mask === null ? null : (this.mask & 1) !== 0;
  }

  /** What switched tracking on in a window. */
  static causeOf(window: Window): string {
    const names = DIRTY_BITS.filter(([bit]) => (window.bits & bit) !== 0).map(([, name]) => name);
    return names.length === 0 ? 'unknown' : names.join('+');
  }

  #open(first: Place, bits: number): void {
    this.#current = {
      first,
      last: null,
      bits,
      unmaps: 0,
      ordinal: this.windows.length + 1,
      isDoubted: false,
      migration: null,
    };
    this.windows.push(this.#current);
    this.#bounds.add('windows');
  }

  #close(last: Place): void {
    if (this.#current === null) return;
    this.#current.last = last;
    this.#current = null;
  }
}

function isEnd(state: string): state is MigrationEnd {
  return ENDS.has(state);
}

function isOneBit(mask: number): boolean {
  return mask !== 0 && (mask & (mask - 1)) === 0;
}

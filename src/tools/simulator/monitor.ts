import { DIRTY_FLAGS } from './dirty-tracking.ts';
import type { Machine } from './machine.ts';
import type { EmulatedIommu } from './viommu.ts';

/** Steps of an outgoing migration, so that guest acts can fall between them. */
export type MigrationStep =
  | 'setup'
  | 'log'
  | 'active'
  | 'sync'
  | 'switchover'
  | 'complete'
  | 'fail'
  | 'cancel'
  | 'cleanup';

/**
 * What the host does to the VM: migrations, dirty-rate measurements, dirty limits, pauses. Order of lines as in real
 * captures.
 */
export class Monitor {
  readonly #machine: Machine;
  readonly #iommu: EmulatedIommu;
  #measuring = false;
  #limiting = false;
  /** `failed` or `cancelled` was reached, the cleanup is still to come */
  #ending = false;
  #stoppedForSwitchover = false;

  constructor(machine: Machine, iommu: EmulatedIommu) {
    this.#machine = machine;
    this.#iommu = iommu;
  }

  /** @returns false if the step makes no sense now */
  migrate(step: MigrationStep): boolean {
    const { tracking } = this.#machine;
    if (this.#isBlocked) return false;
    const { status } = tracking;
    if (tracking.migrationError !== null && (status === 'active' || status === 'device')) {
      this.#fail();
      return true;
    }
    if (step === 'setup' && !tracking.vmRunning && status === 'completed') return false;
    const possible = STEP_FROM[step].includes(status) && (step === 'cleanup') === this.#ending;
    if (possible) this.#step(step);
    return possible;
  }

  /** QEMU refuses a migration behind a vIOMMU, always or with these devices. */
  get #isBlocked(): boolean {
    const { profile, options } = this.#machine;
    if (!options.migratable && profile.tracksByMigrationStatus) return true;
    const refuses =
      profile.blocksMigration || options.deviceTracking || options.backend === 'vfio-user';
    return refuses && !options.ignoreMigrationBlocker;
  }

  /** Starts or ends a measurement. Page sampling does not track anything. */
  measureDirtyRate(on: boolean, mode: 'dirty-bitmap' | 'page-sampling', fails = false): boolean {
    const { tracking, writer } = this.#machine;
    if (on === this.#measuring) return false;
    writer.thread = 'migration';
    if (on) {
      writer.trace('dirtyrate_set_state', 'new state unstarted');
      writer.trace('dirtyrate_set_state', 'new state measuring');
      if (mode === 'page-sampling') {
        writer.trace('dirtyrate_calculate', 'dirty rate: 3 MB/s');
        writer.trace('dirtyrate_set_state', 'new state measured');
        return true;
      }
      if (!tracking.start('dirty-rate', fails)) return true;
      this.#iommu.syncDirtyPages();
      this.#measuring = true;
      return true;
    }
    this.#iommu.syncDirtyPages();
    tracking.stop('dirty-rate');
    writer.trace('dirtyrate_calculate', 'dirty rate: 0 MB/s');
    writer.trace('dirtyrate_set_state', 'new state measured');
    this.#measuring = false;
    return true;
  }

  limitDirtyRate(on: boolean): boolean {
    const { tracking, writer } = this.#machine;
    if (on === this.#limiting) return false;
    this.#limiting = on;
    writer.thread = 'main';
    if (on) {
      writer.trace('dirtylimit_state_initialize', 'dirtylimit state initialize: max cpus 1');
      tracking.start('dirty-limit');
      writer.trace('dirtylimit_set_vcpu', 'CPU[0] set dirty page rate limit 100');
    } else {
      tracking.stop('dirty-limit');
      writer.trace('dirtylimit_state_finalize', '');
    }
    return true;
  }

  syncDirtyPages(): boolean {
    this.#machine.writer.thread = 'main';
    this.#iommu.syncDirtyPages();
    return true;
  }

  setRunning(running: boolean): boolean {
    const { tracking, writer } = this.#machine;
    if (running === tracking.vmRunning) return false;
    writer.thread = 'main';
    this.#runStateLines(running, running ? 'running' : 'paused');
    tracking.setVmRunning(running);
    return true;
  }

  #step(step: MigrationStep): void {
    const { tracking, writer } = this.#machine;
    writer.thread = 'migration';
    switch (step) {
      case 'setup':
        tracking.forgetMigrationError();
        tracking.setStatus('setup');
        this.#notifierLines('setup', 0);
        return;
      case 'log':
        this.#startLog();
        return;
      case 'active':
        this.#startLog();
        tracking.setStatus('active');
        return;
      case 'sync':
        this.#syncRound();
        return;
      case 'switchover':
        this.#syncRound();
        this.#runStateLines(false, 'finish-migrate');
        this.#stoppedForSwitchover = true;
        tracking.setVmRunning(false);
        writer.trace('migration_completion_vm_stop', 'ret 0');
        tracking.setStatus('device');
        this.#syncRound();
        return;
      case 'complete':
        this.#complete();
        return;
      case 'fail':
        this.#fail();
        return;
      case 'cancel':
        tracking.setStatus('cancelling');
        this.#ending = true;
        return;
      case 'cleanup':
        this.#cleanUp();
        return;
      default:
        step satisfies never;
    }
  }

  /** 0x1, the first sync, and `vfio_save_setup`, whose place before or after is not fixed. */
  #startLog(): void {
    const { tracking, random } = this.#machine;
    if ((tracking.flags & DIRTY_FLAGS.migration) !== 0 && tracking.saving) return;
    const savesFirst = random.chance(0.5);
    if (savesFirst) this.#saveSetup();
    tracking.start('migration');
    this.#syncRound();
    if (!savesFirst) this.#saveSetup();
  }

  #syncRound(): void {
    const { writer, random } = this.#machine;
    writer.trace('migration_bitmap_sync_start', '');
    this.#iommu.syncDirtyPages();
    writer.trace('migration_bitmap_sync_end', `dirty_pages ${random.below(4000)}`);
  }

  #complete(): void {
    const { profile, tracking } = this.#machine;
    // an error that was kept fails the migration before it can complete
    if (tracking.migrationError !== null) {
      this.#fail();
      return;
    }
    this.#stopCopyLines();
    tracking.setStatus('completed');
    this.#stoppedForSwitchover = false;
    this.#saveCleanup();
    // the VM is stopped: the end of tracking waits until it runs again
    tracking.stop('migration');
    // the number of "done" moved up in 11.x
    this.#notifierLines('completed', profile.drainsUnderTracking ? 2 : 1);
  }

  /** The last part of the device's state. */
  #stopCopyLines(): void {
    const { options, profile, writer } = this.#machine;
    if (!options.migratable) return;
    for (const device of this.#hostDevices()) {
      if (profile.tracksByMigrationStatus) {
        writer.trace('vfio_save_complete_precopy', ` (${device})`);
      } else {
        writer.trace('vfio_save_complete_precopy_start', ` (${device})`);
        const change = `new state STOP_COPY, recover state STOP`;
        writer.trace('vfio_migration_set_state', ` (${device}) ${change}`);
        writer.trace('vfio_migration_set_device_state', ` (${device}) state STOP_COPY`);
        writer.trace('vfio_save_block', ` (${device}) data_size 8192`);
        writer.trace('vfio_save_complete_precopy', ` (${device}) ret 0`);
      }
      writer.trace('vfio_save_device_config_state', ` (${device})`);
    }
  }

  #fail(): void {
    const { profile, tracking, writer } = this.#machine;
    const event = profile.tracksByMigrationStatus ? 'migrate_fd_error' : 'migrate_error';
    writer.thread = 'migration';
    const text = tracking.migrationError?.text ?? 'Unable to write to socket: Broken pipe';
    writer.trace(event, `error=${text}`);
    tracking.setStatus('failed');
    this.#ending = true;
  }

  /** The end of a failed or cancelled migration: tracking stops only now. */
  #cleanUp(): void {
    const { tracking, random } = this.#machine;
    const cancelled = tracking.status === 'cancelling';
    const last = random.chance(0.5);
    this.#ending = false;
    if (cancelled && !last) tracking.setStatus('cancelled');
    this.#saveCleanup();
    tracking.stop('migration');
    if (cancelled && last) tracking.setStatus('cancelled');
    this.#notifierLines(cancelled ? 'cancelled' : 'failed', 2);
    tracking.forgetMigrationError();
    if (this.#stoppedForSwitchover) {
      this.#stoppedForSwitchover = false;
      this.#runStateLines(true, 'running');
      tracking.setVmRunning(true);
    }
  }

  #saveSetup(): void {
    const { options, profile, tracking, writer } = this.#machine;
    if (!options.migratable || tracking.saving) return;
    let line: number | null = null;
    for (const device of this.#hostDevices()) {
      const size = profile.tracksByMigrationStatus ? '' : ' data buffer size 8192';
      line = writer.trace('vfio_save_setup', ` (${device})${size}`);
    }
    tracking.setSaving(true, line);
  }

  #saveCleanup(): void {
    const { tracking, writer } = this.#machine;
    if (!tracking.saving) return;
    let line: number | null = null;
    for (const device of this.#hostDevices()) {
      line = writer.trace('vfio_save_cleanup', ` (${device})`);
    }
    tracking.setSaving(false, line);
  }

  #notifierLines(text: string, event: number): void {
    const { options, profile, writer } = this.#machine;
    if (!options.migratable) return;
    const state = profile.notifierPrintsText ? text : String(event);
    for (const device of this.#hostDevices()) {
      writer.trace('vfio_migration_state_notifier', ` (${device}) state ${state}`);
    }
  }

  #runStateLines(running: boolean, reason: string): void {
    const { options, profile, tracking, writer } = this.#machine;
    if (!options.migratable) return;
    const state = running ? 'RUNNING' : 'STOP';
    for (const device of this.#hostDevices()) {
      if (profile.tracksByMigrationStatus) {
        // bits of the old protocol: 1 running, 2 saving
        const bits = (running ? 1 : 0) | (tracking.saving ? 2 : 0);
        writer.trace('vfio_migration_set_state', ` (${device}) state ${bits}`);
        writer.trace(
          'vfio_vmstate_change',
          ` (${device}) running ${running ? 1 : 0} reason ${reason} device state ${bits}`,
        );
      } else {
        writer.trace(
          'vfio_migration_set_state',
          ` (${device}) new state ${state}, recover state ERROR`,
        );
        writer.trace('vfio_migration_set_device_state', ` (${device}) state ${state}`);
        writer.trace(
          'vfio_vmstate_change',
          ` (${device}) running ${running ? 1 : 0} reason ${reason} device state ${state}`,
        );
      }
    }
  }

  #hostDevices(): string[] {
    return this.#iommu.assigned.flatMap(({ listener }) =>
      listener === null ? [] : [listener.container.hostDevice],
    );
  }
}

/** Statuses from which a step can be taken. */
const STEP_FROM: Readonly<Record<MigrationStep, readonly string[]>> = {
  setup: ['none', 'completed', 'failed', 'cancelled'],
  log: ['setup'],
  active: ['setup'],
  sync: ['active'],
  switchover: ['active'],
  complete: ['device'],
  fail: ['setup', 'active', 'device'],
  cancel: ['setup', 'active'],
  cleanup: ['failed', 'cancelling'],
};

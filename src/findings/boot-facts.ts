import type { Place } from '../base/place.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { Viommu } from '../emulation/viommu/viommu.ts';
import type { EventName } from '../events/catalogue/index.ts';
import type { Boot } from '../inference/boot.ts';
import type { Machine } from '../inference/machine.ts';
import type { Known } from '../inference/parameters.ts';
import type { Window } from '../inference/tracking.ts';
import { vIommuKind } from '../inference/viommu-kind.ts';
import type { FactSource, SessionFacts } from '../rules/facts.ts';
import type { ReportWindow } from './report-window.ts';
import type { SessionTotals } from './totals.ts';

/** The facts of a session as its boot and totals have them: all that rules see of it. */
export class BootFacts implements SessionFacts {
  readonly #boot: Boot;
  readonly #machine: Machine;
  readonly #totals: SessionTotals;
  readonly #window: ReportWindow | null;

  /** `window`: what is reported; null: all. */
  constructor(boot: Boot, totals: SessionTotals, window: ReportWindow | null) {
    this.#window = window;
    this.#boot = boot;
    this.#machine = boot.machine;
    this.#totals = totals;
  }

  get profile(): Profile {
    return this.#machine.profile;
  }
  get versionSource(): FactSource {
    return this.#machine.version.known.source;
  }
  versionsAgree(field: keyof Profile): boolean {
    return this.#machine.version.agree(field);
  }

  get areOperationsInferred(): boolean {
    return this.#boot.infersOperations;
  }
  get isTrackingOption(): boolean {
    return this.#machine.options.tracking === 'on';
  }
  get isFlagWordTraced(): boolean {
    return this.#machine.tracking.mask !== null;
  }
  get globalDirty(): boolean | null {
    return this.#machine.tracking.globalDirty;
  }
  get trackingWindow(): Window | null {
    return this.#machine.tracking.window;
  }

  get hostPageSize(): Known<number> {
    return this.#machine.parameters.hostPageSize;
  }
  get bitmapLimit(): Known<number> {
    return this.#machine.parameters.bitmapLimit;
  }
  get isBitmapLimitBounded(): boolean {
    return this.#machine.parameters.isBitmapLimitBounded;
  }
  get entryLimit(): Known<number> {
    return this.#machine.parameters.entryLimit;
  }
  get viommu(): Viommu {
    return this.#machine.viommu;
  }
  get mayHaveVIommu(): boolean {
    return vIommuKind(this.#machine).value !== 'none';
  }
  get mayHaveAwBits(): boolean {
    return this.mayHaveVIommu && this.viommu.hasWidth;
  }
  get ramPages(): number {
    return this.#machine.ram.sizes?.totalPages ?? -1;
  }
  get ramSource(): FactSource {
    return this.#machine.ram.source;
  }

  get completedMigration(): Place | null {
    const { completedAt } = this.#machine.tracking;
    if (completedAt === null || this.#window === null) return completedAt;
    return this.#window.takesPlace(completedAt) ? completedAt : null;
  }
  get lastDirtyQueryLine(): number {
    return this.#machine.lastDirtyQueryLine;
  }
  get areSyncsOfOthers(): boolean {
    return this.#machine.containers.all.every(
      (container) => !container.canTrack || this.#machine.deviceTrackingIn(container),
    );
  }
  get mayHaveTracked(): boolean {
    const { mask, windows } = this.#machine.tracking;
    return windows.length > 0 || mask === null;
  }
  get unmapsOfUnknownTracking(): SessionFacts['unmapsOfUnknownTracking'] {
    return this.#totals.unknown;
  }
  get uncertainUnderTracking(): SessionFacts['uncertainUnderTracking'] {
    return { count: this.#totals.tracked.uncertain, ...this.#boot.unmaps.uncertain };
  }

  get hasContainers(): boolean {
    return this.#machine.containers.all.length > 0;
  }
  get mayLackNotifications(): boolean {
    return !this.#machine.dueNotifications.wereNone;
  }
  get unseenSkipAtLine(): number {
    return this.#machine.skipsUnseen?.line ?? 0;
  }
  get unseenMoveAtLine(): number {
    return this.#machine.unseenMoves.atLine;
  }
  get unseenSyncAtLine(): number {
    const { earlySyncsUnseen, syncsUnseen, tracking } = this.#machine;
    const early = tracking.offUntilFirstLine ? null : earlySyncsUnseen;
    return (early ?? syncsUnseen)?.line ?? 0;
  }
  get unseenChangeAtLine(): number {
    return this.#machine.changesUnseen?.line ?? 0;
  }
  get mayHaveUnseenSyncs(): boolean {
    const { mappings, maySyncDevices, options, tracking, unowned, viommu } = this.#machine;
    const hasMapped = mappings.shadow.peak > 0 || unowned.wasAny;
    if (!viommu.syncForgets || !maySyncDevices || !hasMapped) return false;
    if (options.tracking !== 'from-trace') return options.tracking === 'on';
    // Where that is not known of unmaps that matter, it has been said.
    const isUntold = tracking.mask === null && !this.#totals.unknown.hasHazard;
    return tracking.windows.length > 0 || isUntold;
  }
  get hasUnexplainedSwitch(): boolean {
    return this.#machine.dueNotifications.unexplainedSwitch !== null;
  }

  isTraced(event: EventName): boolean {
    return this.#machine.isTraced(event);
  }
  get hasMessages(): boolean {
    return this.#machine.hasMessages;
  }
  get isDeviceLogKnown(): boolean {
    return this.#machine.isDeviceLogRuledOut;
  }
  get hasTooManyLosses(): boolean {
    return this.#machine.losses.areTooMany;
  }
  get diedAtLine(): number {
    return this.#machine.diedAtLine;
  }
}

import type { Profile } from '../emulation/profiles/profile.ts';
import type { EventName } from '../events/catalogue/index.ts';
import type { Machine } from '../inference/machine.ts';
import type { Known } from '../inference/parameters.ts';
import type { Window } from '../inference/tracking.ts';
import type { FactSource, SessionFacts } from '../rules/facts.ts';

/** The facts of a session as its machine has them: all that rules see of it. */
export class MachineFacts implements SessionFacts {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
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
  get ramPages(): number {
    return this.#machine.ram.totalPages;
  }
  get ramSource(): FactSource {
    return this.#machine.ram.source;
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

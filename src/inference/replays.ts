import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { DeviceSpace } from './device-space.ts';
import { bdfOf, placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PageWalks } from './page-walks.ts';
import type { VfioListener } from './sections.ts';
import type { ShadowDrift } from './shadow-drift.ts';
import type { StaleMappings } from './stale-mappings.ts';

const at = {
  valid: offsetsOf('vtd_replay_ce_valid'),
  invalid: offsetsOf('vtd_replay_ce_invalid'),
} as const;

/**
 * Replays of a device's tables (`vtd_iommu_replay`): one for each notifier that is registered, and
 * one for each dirty sync.
 */
export class Replays {
  readonly #machine: Machine;
  readonly #listener: VfioListener;
  readonly #walks: PageWalks;
  readonly #stale: StaleMappings;
  readonly #drift: ShadowDrift;

  constructor(
    machine: Machine,
    listener: VfioListener,
    walks: PageWalks,
    stale: StaleMappings,
    drift: ShadowDrift,
  ) {
    this.#machine = machine;
    this.#listener = listener;
    this.#walks = walks;
    this.#stale = stale;
    this.#drift = drift;
  }

  /** `vtd_replay_ce_valid`: the device's tables are walked now. */
  valid(cursor: BatchCursor): void {
    const space = this.#machine.attribution.named(bdfOf(cursor, at.valid));
    this.#begin(space, cursor);
    space.domain = cursor.u32(at.valid.domain);
    space.isDomainKnown = true;
    space.rootPage = cursor.page(at.valid.lo);
    space.isRootKnown = true;
  }

  /** `vtd_replay_ce_invalid`: the device has no tables. */
  invalid(cursor: BatchCursor): void {
    const space = this.#machine.attribution.named(bdfOf(cursor, at.invalid));
    this.#begin(space, cursor);
    space.rootPage = -1;
    space.isRootKnown = true;
  }

  /** `vtd_iommu_replay`: from 8.1 on it empties the device's whole shadow first. */
  #begin(space: DeviceSpace, cursor: BatchCursor): void {
    this.#drift.replaying(space, placeOf(cursor));
    const { attribution, hasWalks, registering, writtenBy } = this.#machine;
    if (writtenBy.replayClearsShadow) {
      // Where walks are not in the trace, what it finds again shows only as a device gets translated.
      const isFirst = registering !== null && space.notifiers.length === 1;
      if (hasWalks || isFirst) this.#machine.mappings.shadowClear(space);
      // What the walk does not find again, QEMU has forgotten and the host still maps.
      this.#machine.bounds.step(space.container?.host.size ?? 0);
      space.container?.host.setFlags(0, Number.MAX_SAFE_INTEGER, 0, mappingFlag.kept);
    }
    this.#stale.replayed(space);
    // One replay belongs to each registration; what comes after it are dirty syncs.
    this.#machine.registering = null;
    this.#walks.replayedNotifier = registering === null ? null : registering.notifier;
    // Where the region has no name, the switch of the device may be a line that is missing.
    if (registering !== null && registering.space !== space) {
      this.#listener.moveNotifier(registering.space, space, registering.notifier, cursor);
    }
    attribution.enrol();
    this.#listener.checkRegistered(space, cursor);
    attribution.replay(space);
    this.#machine.losses.reportHole(cursor);
  }
}

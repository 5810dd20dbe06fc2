import { pageOf } from '../base/address.ts';
import type { Place } from '../base/place.ts';
import type { UnmapInMigration } from '../emulation/viommu/intel/unmap-in-migration.ts';
import { SentUnmaps } from '../emulation/viommu/sent.ts';
import type { AddressRange } from '../emulation/viommu/viommu.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { DeviceSpace } from './device-space.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import type { PieceGroup } from './piece-groups.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { UNKNOWN_ADDRESS } from './unmap.ts';

/**
 * What QEMU 11.x does in the place of pieces while dirty tracking is on: an UNMAP for each mapping
 * that its search of the shadow finds (`vtd_address_space_unmap_in_dirty_tracking`). It has no
 * closing line, and where it finds nothing it prints none at all.
 */
export class UnmapsInMigration {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #stale: StaleMappings;
  /** What the emulation says is sent. */
  readonly #sent = new SentUnmaps();

  constructor(machine: Machine, pending: PendingUnmaps, stale: StaleMappings) {
    this.#machine = machine;
    this.#pending = pending;
    this.#stale = stale;
  }

  /** Tracking is on in a version that unmaps by node then, and no pieces under tracking have said otherwise. */
  get isDue(): boolean {
    const { tracking, unmapsByNode, version } = this.#machine;
    const isTracking = tracking.globalDirty === true;
    return unmapsByNode && isTracking && version.unmapInMigrationSeen !== false;
  }

  /** Takes the UNMAP of the cursor's line as that of one mapping of the device. */
  take(
    cursor: BatchCursor,
    space: DeviceSpace,
    isSure: boolean,
    first: number,
    last: number,
  ): void {
    const unmap = this.#pending.open(cursor, first, last);
    this.#pending.place(unmap, space, isSure);
    unmap.cause = 'drain';
    const nodes = space.shadow.overlapping(first, last);
    const known = (nodes.flags(0) & mappingFlag.addressUnknown) === 0;
    const zero = this.#machine.writtenBy.unmapInMigration?.carries === 'zero';
    unmap.carried = zero ? 0 : known ? nodes.value(0) : UNKNOWN_ADDRESS;
    this.#pending.evaluate(unmap, nodes);
    this.#machine.mappings.shadowRemove(space, first, last);
  }

  /**
   * The whole unmap of a device is over: what the emulation would still send is missing from the
   * trace, and what is left where it would send nothing stays behind.
   */
  finish(space: DeviceSpace, mark: Place): void {
    for (const notifier of space.effectiveNotifiers) this.#finishNotifier(space, notifier, mark);
    this.#machine.report({ kind: 'whole-unmap-by-node', space });
  }

  #finishNotifier(space: DeviceSpace, notifier: AddressRange, mark: Place): void {
    const first = pageOf(notifier.start);
    const last = pageOf(notifier.end);
    if (this.#predict(space, notifier).count === 0) {
      const isPassedBy = this.#behaviour?.passesBy(notifier) === true;
      this.#stale.mark(space, first, last, mark, isPassedBy ? 'wrap' : 'unlisted');
      return;
    }
    this.#machine.losses.report('unmaps-by-node', mark, space);
    this.#machine.mappings.shadowRemove(space, first, last);
    this.#machine.mappings.hostForget(this.#machine.containers.of(space), first, last);
  }

  /**
   * Under tracking version 11 would have unmapped by node instead of sending the pieces of `group`.
   * What would have come of that is told with the first piece.
   */
  replacePieces(space: DeviceSpace, group: PieceGroup): void {
    const { profile, viommu } = this.#machine;
    if (profile.unmapInMigration === null || !viommu.unmapsByNode) return;
    const { firstPage, from, notifier, to } = group;
    const unmap = this.#pending.held(from);
    if (unmap.tracked === true) return;
    for (let index = from; index < to; index += 1) this.#pending.held(index).replaceByNodes();
    // Of pieces that are not in the trace nothing is told.
    const { last } = this.#pending.held(to - 1);
    const sent = this.#predict(space, notifier);
    sent.cutBehind(last);
    const nodes = space.shadow.overlapping(firstPage, last);
    this.#stale.wouldBe(space, nodes, sent.count, unmap.place.mark);
    this.#pending.evaluateInstead(unmap, sent, nodes);
  }

  /** That of the version that is emulated, or of the one that wrote the trace. */
  get #behaviour(): UnmapInMigration | null {
    const { profile, writtenBy } = this.#machine;
    return profile.unmapInMigration ?? writtenBy.unmapInMigration;
  }

  /** What a notifier would be sent in migration, over what the shadow holds now. */
  #predict({ shadow, viommu }: DeviceSpace, notifier: AddressRange): SentUnmaps {
    const profile = { unmapInMigration: this.#behaviour };
    const state = { profile, isInMigration: true, awBits: 64 };
    viommu.unmapWholeSpace(notifier, shadow, state, this.#sent);
    return this.#sent;
  }
}

/**
 * True where `first .. last` is what a notifier of the device is sent for one of its mappings, be it
 * one that the search passes by: a stable release may mend the search.
 */
export function isNodeOfNotifier(space: DeviceSpace, first: number, last: number): boolean {
  const nodes = space.shadow.overlapping(first, last);
  if (nodes.count !== 1) return false;
  return space.effectiveNotifiers.some(
    ({ start, end }) =>
      Math.max(nodes.first(0), pageOf(start)) === first &&
      Math.min(nodes.last(0), pageOf(end)) === last,
  );
}

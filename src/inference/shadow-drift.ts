import { pageOf } from '../base/address.ts';
import type { Place } from '../base/place.ts';
import type { DeviceSpace } from './device-space.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';

/** Which of the two holds a mapping that the other does not. */
export type DriftSide = 'host' | 'shadow';

/** Mappings of one device that are remembered as reported. */
const MOST_REMEMBERED = 10_000;
/** What has a report of its own: sections of RAM are no translations, stale and failed ones are told. */
const TOLD = mappingFlag.ram | mappingFlag.stale | mappingFlag.failed;

/**
 * Finds mappings that only one of QEMU's shadow and the host holds although nothing failed: what a
 * dirty sync made QEMU forget before the guest invalidated it, what iommufd left in place without a
 * word, what QEMU dropped on the way to the host.
 *
 * Looked for when a replay is over, where QEMU has just rebuilt its shadow, and at the end.
 */
export class ShadowDrift {
  readonly #machine: Machine;
  readonly #reported = new Map<DeviceSpace, Set<string>>();
  /** The device whose tables were replayed last, and where; null once that has been looked at. */
  #replayed: DeviceSpace | null = null;
  #mark: Place = { line: 0, byteOffset: 0, time: null };

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A device's tables are being replayed: what it maps is complete when the next command begins. */
  replaying(space: DeviceSpace, mark: Place): void {
    if (this.#replayed !== null && this.#replayed !== space) this.replayEnded();
    this.#replayed = space;
    this.#mark = mark;
  }

  /** Another command begins: a replay before it is over. */
  replayEnded(): void {
    const space = this.#replayed;
    if (space === null) return;
    this.#replayed = null;
    this.#look(space, this.#mark);
  }

  /** The trace is over. In the middle of a replay the shadow is not complete. */
  finish(mark: Place): void {
    if (this.#machine.attribution.operation === 'replay') return;
    for (const space of this.#machine.attribution.spaces) this.#look(space, mark);
  }

  #look(space: DeviceSpace, mark: Place): void {
    const { container, shadow } = space;
    if (container === null || !this.#isSure(space)) return;
    this.#machine.bounds.step(container.host.size + shadow.size);
    for (const { first, last, flags } of container.host) {
      if ((flags & TOLD) === 0 && !shadow.overlaps(first, last)) {
        this.#report(space, first, last, mark, 'host');
      }
    }
    const delivered = space.notifiers.map(
      ({ start, end }) => [pageOf(start), pageOf(end)] as const,
    );
    for (const { first, last, flags } of shadow) {
      const isDelivered = delivered.some(([from, to]) => first <= to && last >= from);
      const isTold = (flags & TOLD) !== 0 || !isDelivered;
      if (!isTold && !container.host.overlaps(first, last)) {
        this.#report(space, first, last, mark, 'shadow');
      }
    }
  }

  /** Both sides are known, and nothing that is missing from the trace can be the reason. */
  #isSure(space: DeviceSpace): boolean {
    const { attribution, hasNotifications, hasWalks, losses } = this.#machine;
    if (losses.isAny || !hasWalks || !hasNotifications || space.interval.knowledge !== 'whole')
      return false;
    // Without notifiers the device is not translated, and what the shadow holds is not in use.
    if (space.container === null || space.notifiers.length === 0) return false;
    return attribution.singleDeviceIn(space.container) !== null;
  }

  #report(space: DeviceSpace, first: number, last: number, mark: Place, side: DriftSide): void {
    const known = this.#reported.get(space) ?? new Set();
    this.#reported.set(space, known);
    const key = `${side} ${first}`;
    if (known.has(key) || known.size >= MOST_REMEMBERED) return;
    known.add(key);
    this.#machine.bounds.add('drifting-mappings');
    this.#machine.report({ kind: 'drift', mark, space, first, last, side });
  }
}

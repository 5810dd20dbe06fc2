import { type EventKind, type EventName, eventNames, kindOf } from '../events/catalogue/index.ts';

const WALK = kindOf('vtd_page_walk_one');
const NOTIFY = kindOf('vfio_iommu_map_notify');

/**
 * Which events a boot has had so far: one that has come once is traced, so that where another of its
 * kind is due and does not come, the line is missing.
 */
export class SeenEvents {
  readonly #counts = new Float64Array(eventNames.length);
  #hasMessages = false;

  /** The next lines are of this event. */
  count(kind: EventKind, lines = 1): void {
    this.#counts[kind] = (this.#counts[kind] as number) + lines;
  }

  isTraced(name: EventName): boolean {
    return (this.#counts[kindOf(name)] as number) > 0;
  }

  /** Page walks are in the trace, so that mappings have guest addresses. */
  get hasWalks(): boolean {
    return (this.#counts[WALK] as number) > 0;
  }

  /** Notifications are in the trace, so that a missing one is a lost one. */
  get hasNotifications(): boolean {
    return (this.#counts[NOTIFY] as number) > 0;
  }

  /** QEMU's own messages are in this trace, so that a failure would show. */
  get hasMessages(): boolean {
    return this.#hasMessages;
  }

  /** A line holds a message of QEMU. */
  sawMessage(): void {
    this.#hasMessages = true;
  }
}

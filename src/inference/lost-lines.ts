import type { Place } from '../base/place.ts';
import { BatchCursor } from '../events/cursor.ts';
import type { Attribution } from './attribution.ts';
import type { DeviceSpace } from './device-space.ts';
import { placeOf } from './line.ts';
import { type LossId, losses, lossText } from './losses.ts';
import type { OperationSink } from './operation.ts';
import type { SeenEvents } from './seen-events.ts';
import type { DirtyTracking } from './tracking.ts';

/** What a result says of lines that are missing: how often they were found to be, and where. */
export interface Gap {
  count: number;
  readonly first: Place;
}

/** Places at which lines are missing up to which the rest of the trace is still believed. */
const MOST_LOSSES = 3;

/**
 * Which lines are known to be missing from a boot, and what of the rest is still believed.
 */
export class LostLines {
  readonly #sink: OperationSink;
  readonly #seen: SeenEvents;
  readonly #attribution: Attribution;
  readonly #tracking: DirtyTracking;
  /** By their text. */
  readonly #gaps = new Map<string, Gap>();
  /** The trace itself says that something of it is lost. */
  #isSaidByTrace = false;
  /** Places at which lines are missing, those that one loss explains counted once. */
  #places = 0;
  /** A single loss was enough: it came before any walk or notification, or all so far may be another device's. */
  #isFoundationLost = false;

  constructor(
    sink: OperationSink,
    seen: SeenEvents,
    attribution: Attribution,
    tracking: DirtyTracking,
  ) {
    this.#sink = sink;
    this.#seen = seen;
    this.#attribution = attribution;
    this.#tracking = tracking;
  }

  /** What only missing lines explain, in the order in which it was found. */
  get gaps(): ReadonlyMap<string, Gap> {
    return this.#gaps;
  }

  /** Lines are known to be missing. */
  get isAny(): boolean {
    return this.#isSaidByTrace || this.#gaps.size > 0;
  }

  /** So much is missing, or so early, that nothing is believed any more but what a line says by itself. */
  get areTooMany(): boolean {
    return this.#isFoundationLost || this.#places > MOST_LOSSES;
  }

  /**
   * Lines are missing at `place`, of `space` or of any device; what that costs is in the table.
   * `numbers`: those that the text of the entry asks for.
   */
  report(
    id: LossId,
    place: BatchCursor | Place,
    space: DeviceSpace | null = null,
    numbers: readonly number[] = [],
  ): void {
    const { cost, kind } = losses[id];
    const text = lossText(id, numbers);
    if (kind === 'unreadable') {
      this.#sink({ kind: 'loss', mark: markOf(place), loss: kind, count: 1, detail: text });
      return;
    }
    this.#count(text, place);
    const { line } = place;
    if (cost === 'tracking') this.#tracking.doubtCurrent();
    else if (cost === 'boot') this.saidByTrace(line);
    else {
      const isBefore = cost !== 'device';
      if (space === null) this.doubtAll(line, isBefore);
      else this.#doubt(space, line, isBefore);
      if (cost === 'rest-of-trace') this.#isFoundationLost = true;
    }
  }

  /** Lines of a page walk are missing, if the lines so far show it. */
  reportHole(cursor: BatchCursor): void {
    if (!this.#attribution.hasHole) return;
    this.report('walk-lines', cursor, this.#attribution.takeHole());
  }

  /**
   * The trace says at `line` that something of it is lost: what devices map is not sure any more from
   * there on, or, where `isBefore`, since it was last known.
   */
  saidByTrace(line: number, isBefore = false): void {
    this.#isSaidByTrace = true;
    this.doubtAll(line, isBefore);
  }

  /**
   * What any device maps is not sure any more from `line` on, or, where `isBefore`, since it was last
   * known.
   */
  doubtAll(line: number, isBefore = false): void {
    const { spaces } = this.#attribution;
    if (spaces.length === 0) this.#newPlace(line);
    let isNews = false;
    for (const space of spaces) isNews = space.lose(line, isBefore) || isNews;
    if (isNews) this.#newPlace(line);
  }

  /** Reports to the sink what only missing lines explain, once all of it is known. */
  finish(): void {
    for (const [detail, { count, first }] of this.#gaps) {
      this.#sink({ kind: 'loss', mark: first, loss: 'missing-events', count, detail });
    }
  }

  #doubt(space: DeviceSpace, line: number, isBefore: boolean): void {
    const { from } = space.interval;
    if (space.lose(line, isBefore)) this.#newPlace(isBefore ? from : line);
  }

  /** Lines are missing somewhere since line `from`, and nothing has shown them before. */
  #newPlace(from: number): void {
    this.#places += 1;
    this.#isFoundationLost ||= !this.#seen.hasWalks && !this.#seen.hasNotifications;
    this.#attribution.doubt();
    this.#tracking.doubt(from);
  }

  #count(text: string, place: BatchCursor | Place): void {
    const known = this.#gaps.get(text);
    if (known === undefined) this.#gaps.set(text, { count: 1, first: markOf(place) });
    else known.count += 1;
  }
}

function markOf(place: BatchCursor | Place): Place {
  return place instanceof BatchCursor ? placeOf(place) : place;
}

import { addressOfPage, hex, hexOfPages } from '../base/address.ts';
import { timeText } from '../base/place.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Machine } from '../inference/machine.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { Activity, ActivityStep, Hex } from '../result/types.ts';

/** Steps that a session's course is told in; twice as many are gathered before they are joined. */
const STEPS = 128;
/** Lines of the first steps; doubled whenever there are too many steps. */
const FIRST_STRIDE = 16;
/** Different pieces of whole unmaps that are listed. */
const MOST_PIECES = 128;

type Step = { -readonly [Key in keyof ActivityStep]: ActivityStep[Key] };

function losesBits({ underTracking }: Unmap): boolean {
  return underTracking.harmfulZero || underTracking.wrongAddress || underTracking.noQuery;
}

/**
 * The course of a session, for charts: how many mappings the host held, and when unmaps and
 * what they did came. Bounded: a longer session has longer steps. By lines, so that it depends on
 * nothing but the trace.
 */
export class ActivityRecorder {
  readonly #machine: Machine;
  #stride = FIRST_STRIDE;
  #steps: Step[] = [];
  #current: Step | null = null;
  /** The line at which the next step begins. */
  nextLine = 0;
  readonly #pieces = new Map<
    number,
    { first: number; last: number; count: number; failed: number; bytes: number }
  >();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  unmap(unmap: Unmap): void {
    const step = this.#current;
    if (step === null) return;
    step.unmaps += 1;
    if (unmap.tracked === true) {
      if (unmap.asTraced.errno !== 0) step.failures += 1;
      else if (losesBits(unmap)) step.losses = (step.losses ?? 0) + 1;
    }
    if (this.#machine.mappings.host.now > step.hostMappings)
      step.hostMappings = this.#machine.mappings.host.now;
    if (unmap.cause !== 'whole-unmap') return;
    step.pieces += 1;
    this.#piece(unmap);
  }

  /** Host mappings are left behind by what came in `line`, which may be of an earlier step. */
  stale(line: number, count: number): void {
    const step = this.#steps.findLast((earlier) => earlier.line <= line) ?? this.#steps[0];
    if (step !== undefined) step.stale = (step.stale ?? 0) + count;
  }

  /** The course so far. */
  result(): Activity {
    const pieces = [...this.#pieces.values()].sort((a, b) => a.first - b.first);
    return {
      steps: this.#steps,
      pieces: pieces.map(({ first, last, count, failed, bytes }) => ({
        iova: hexOfPages(first) as Hex,
        size: hex(addressOfPage(last - first + 1)) as Hex,
        bitmapBytes: hex(bytes) as Hex,
        count,
        failed,
      })),
    };
  }

  /** Begins a step with the event that is about to be replayed; its line is `nextLine` or later. */
  begin(cursor: BatchCursor): void {
    if (this.#steps.length >= 2 * STEPS) this.#join();
    this.#current = {
      line: cursor.line,
      time: timeText(cursor.seconds, cursor.nanoseconds),
      hostMappings: this.#machine.mappings.host.now,
      unmaps: 0,
      pieces: 0,
      failures: 0,
    };
    this.#steps.push(this.#current);
    this.nextLine = cursor.line + this.#stride;
  }

  #join(): void {
    this.#stride *= 2;
    this.#steps = this.#steps.flatMap((step, index) => {
      if (index % 2 === 1) return [];
      const next = this.#steps[index + 1];
      if (next === undefined) return [step];
      step.hostMappings = Math.max(step.hostMappings, next.hostMappings);
      step.unmaps += next.unmaps;
      step.pieces += next.pieces;
      step.failures += next.failures;
      if (next.losses !== undefined) step.losses = (step.losses ?? 0) + next.losses;
      if (next.stale !== undefined) step.stale = (step.stale ?? 0) + next.stale;
      return [step];
    });
  }

  #piece(unmap: Unmap): void {
    // Iova and size of a piece follow from its first page and the width, so the first page will do.
    const known = this.#pieces.get(unmap.first);
    const failed = unmap.tracked === true && unmap.asTraced.errno !== 0 ? 1 : 0;
    if (known !== undefined) {
      known.count += 1;
      known.failed += failed;
    } else if (this.#pieces.size < MOST_PIECES) {
      const { first, last, bitmapBytes } = unmap;
      this.#pieces.set(first, { first, last, count: 1, failed, bytes: bitmapBytes });
    }
  }
}

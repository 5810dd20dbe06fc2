import { NO_TIME, type Place } from '../base/place.ts';
import type { WindowRequest, WindowTime } from '../base/report-window.ts';
import { bdfText, type DeviceSpace } from '../inference/device-space.ts';
import type { Operation } from '../inference/operation.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { Clock, Session, Trace } from '../result/types.ts';

const BILLION = 1_000_000_000n;

/**
 * What of one trace is reported. All of the trace is replayed all the same: what came before tells what
 * is mapped, tracked and known. What is of no device that the trace names belongs to each.
 */
export class ReportWindow {
  readonly #request: WindowRequest;
  readonly #devices: ReadonlySet<string>;
  /** In nanoseconds of the trace's clock, once its first time is known. */
  #since: bigint | null = null;
  #until: bigint | null = null;
  /** The newest time, which lines without one have. */
  #now: bigint | null = null;

  constructor(request: WindowRequest) {
    this.#request = request;
    this.#devices = new Set(request.devices);
  }

  /** The first time of the trace. */
  begin(seconds: number, nanoseconds: number): void {
    const first = timeOf(seconds, nanoseconds);
    this.#now = first;
    this.#since = resolved(this.#request.since, first);
    this.#until = resolved(this.#request.until, first);
  }

  /** The replay comes to a line. */
  pass({ seconds, nanoseconds }: { readonly seconds: number; readonly nanoseconds: number }): void {
    if (nanoseconds !== NO_TIME) this.#now = timeOf(seconds, nanoseconds);
  }

  /** Whether what happened is reported. */
  takes(operation: Operation): boolean {
    switch (operation.kind) {
      case 'unmap':
        return this.takesUnmap(operation);
      case 'whole-unmap':
        return operation.count === 0 || this.takesUnmap(operation.piece(0));
      case 'whole-unmap-by-node':
        return this.#takesSpace(operation.space) && this.#takesTime(this.#now);
      default:
        return (
          this.#takesSpace('space' in operation ? operation.space : null) &&
          this.takesPlace(operation.mark)
        );
    }
  }

  takesUnmap({ device, place }: Unmap): boolean {
    if (!this.#takesDevice(device)) return false;
    const { nanoseconds, seconds } = place;
    return this.#takesTime(nanoseconds === NO_TIME ? this.#now : timeOf(seconds, nanoseconds));
  }

  takesPlace({ time }: Place): boolean {
    return this.#takesTime(time === null ? this.#now : BigInt(time));
  }

  /** Why nothing can be reported of a trace with this clock; null where it can. */
  problem(clock: Clock): string | null {
    const { since, until } = this.#request;
    if (since === null && until === null) return null;
    if (clock === 'none') return 'the trace has no times, which --since and --until need';
    const isOfWall = [since, until].some((bound) => bound?.from === 'epoch');
    return isOfWall && clock !== 'wall'
      ? 'the trace has no times of day: give --since and --until as seconds after its first time, such as +120.5'
      : null;
  }

  /** What keeps silence in the window from saying anything. `last`: the last time of the trace. */
  emptiness(first: string | null, last: string | null, sessions: readonly Session[]): string[] {
    const reasons: string[] = [];
    const [since, until] = [this.#since, this.#until];
    const isOver = since !== null && last !== null && since > BigInt(last);
    const isEarly = until !== null && first !== null && until < BigInt(first);
    const isTurned = since !== null && until !== null && since > until;
    if (isOver || isEarly || isTurned) reasons.push('no time of the trace lies in the window');
    const named = new Set(
      sessions.flatMap(({ addressSpaces }) => addressSpaces.map(({ device }) => device)),
    );
    for (const device of this.#devices) {
      if (!named.has(device)) reasons.push(`no line of the trace names the device ${device}`);
    }
    return reasons;
  }

  /** The window as results have it. */
  result(): NonNullable<Trace['window']> {
    return {
      since: this.#since === null ? null : String(this.#since),
      until: this.#until === null ? null : String(this.#until),
      devices: [...this.#devices],
    };
  }

  #takesSpace(space: DeviceSpace | null): boolean {
    return this.#takesDevice(space?.bdf ?? null);
  }

  #takesDevice(bdf: number | null): boolean {
    return bdf === null || this.#devices.size === 0 || this.#devices.has(bdfText(bdf));
  }

  #takesTime(time: bigint | null): boolean {
    if (time === null) return true;
    return (
      (this.#since === null || time >= this.#since) && (this.#until === null || time <= this.#until)
    );
  }
}

function timeOf(seconds: number, nanoseconds: number): bigint {
  return BigInt(seconds) * BILLION + BigInt(nanoseconds);
}

function resolved(bound: WindowTime | null, first: bigint): bigint | null {
  if (bound === null) return null;
  return bound.from === 'epoch' ? bound.nanoseconds : first + bound.nanoseconds;
}

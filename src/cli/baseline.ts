import { InvalidArgumentError } from 'commander';
import { UsageError } from '../base/errors.ts';
import { plural } from '../base/words.ts';
import { readSmallFile } from '../bytes/small-file.ts';
import type { Output } from '../engine/outputs.ts';
import {
  type Accepted,
  accept,
  type BaselineEntry,
  baselineText,
  extended,
  isDay,
  parseBaseline,
} from '../result/baseline.ts';
import type { Result } from '../result/types.ts';
import { countedFindings, type FailLevel } from './exit-status.ts';
import type { Terminal } from './terminal.ts';

/** The options that a baseline depends on. */
export interface BaselineFlags {
  readonly baseline?: string;
  readonly updateBaseline?: string;
  readonly acceptUntil?: string;
  readonly failOn: FailLevel;
  readonly strict?: boolean;
}

/** Entries named on the terminal of those that have expired. */
const FEW = 5;

/** Parses a day such as `2027-01-31`. */
export function day(text: string): string {
  if (!isDay(text)) throw new InvalidArgumentError('Expected a day such as 2027-01-31.');
  return text;
}

/** The baseline of a run: what it accepts of a result, and how it grows where that is asked for. */
export class Baseline {
  readonly #flags: BaselineFlags;
  readonly #entries: readonly BaselineEntry[];
  readonly #today: string;
  /** Kept, as each output and the exit status need it. */
  #accepted: { readonly of: Result; readonly accepted: Accepted } | null = null;
  /** What the file is going to hold; null where it stays as it is. */
  #grown: readonly BaselineEntry[] | null = null;

  private constructor(flags: BaselineFlags, entries: readonly BaselineEntry[], today: string) {
    this.#flags = flags;
    this.#entries = entries;
    this.#today = today;
  }

  /**
   * What `--baseline` names; without it, nothing is accepted.
   *
   * @throws UsageError where the file is not there, unless it is to be made, or is no baseline, or an
   *   option lacks another.
   */
  static from(flags: BaselineFlags): Baseline {
    const { acceptUntil, baseline, updateBaseline } = flags;
    if (updateBaseline !== undefined) {
      if (baseline === undefined) throw new UsageError('--update-baseline needs --baseline');
      if (updateBaseline.trim() === '') throw new UsageError('--update-baseline needs a reason');
      if (flags.failOn === 'none') {
        throw new UsageError(
          '--update-baseline accepts what counts; with --fail-on none, nothing does',
        );
      }
    } else if (acceptUntil !== undefined) {
      throw new UsageError('--accept-until needs --update-baseline');
    }
    const today = new Date().toISOString().slice(0, 10);
    return new Baseline(flags, entriesOf(baseline, updateBaseline !== undefined), today);
  }

  /** The result with what is accepted marked in it. */
  accept(result: Result): Result {
    if (this.#flags.baseline === undefined) return result;
    if (this.#accepted?.of !== result) {
      this.#accepted = { of: result, accepted: this.#acceptedOf(result) };
    }
    return this.#accepted.accepted.result;
  }

  #acceptedOf(result: Result): Accepted {
    const { acceptUntil = null, failOn, updateBaseline } = this.#flags;
    const accepted = accept(result, this.#entries, this.#today);
    if (updateBaseline === undefined) return accepted;
    const counted = accepted.result.traces.flatMap((trace) =>
      countedFindings(trace, failOn, this.#flags).map((finding) => ({ trace, finding })),
    );
    const reason = { reason: updateBaseline, until: acceptUntil };
    this.#grown = extended(this.#entries, counted, reason, this.#today);
    return accept(result, this.#grown, this.#today);
  }

  /** Outputs that see what is accepted; with them the baseline itself, where it is to be written. */
  outputs(outputs: readonly Output[]): readonly Output[] {
    const { baseline, updateBaseline } = this.#flags;
    if (baseline === undefined) return outputs;
    const marked = outputs.map(({ path, render }) => ({
      path,
      render: (result: Result) => render(this.accept(result)),
    }));
    if (updateBaseline === undefined) return marked;
    const grown = (result: Result) => {
      this.accept(result);
      return [baselineText(this.#grown ?? this.#entries)];
    };
    return [...marked, { path: baseline, render: grown }];
  }

  /** Says on stderr what was accepted, what has expired and what nothing has to do with any more. */
  tell({ complain }: Terminal): void {
    const { baseline = '' } = this.#flags;
    if (this.#accepted === null) return;
    const { count, expired, unused } = this.#accepted.accepted;
    const added = this.#grown?.filter((entry) => !this.#entries.includes(entry)) ?? [];
    const grown = this.#grown === null ? '' : `; ${entries(added.length)} added`;
    complain(`${baseline}: ${plural(count, 'finding')} accepted${grown}`);
    for (const { finding, reason, rule, until } of expired.slice(0, FEW)) {
      complain(
        `${baseline}: ${rule ?? finding} was accepted until ${until} (${reason}); it counts again`,
      );
    }
    if (expired.length > FEW) {
      complain(`${baseline}: and ${expired.length - FEW} more have expired`);
    }
    if (unused.length > 0) {
      complain(`${baseline}: no finding here for ${entries(unused.length)}`);
    }
  }
}

/** `1 entry`, `2 entries`. */
function entries(count: number): string {
  return count === 1 ? '1 entry' : `${count} entries`;
}

function entriesOf(path: string | undefined, mayBeNew: boolean): readonly BaselineEntry[] {
  if (path === undefined) return [];
  const text = readSmallFile(path);
  if (text !== null) return parseBaseline(text, path);
  if (mayBeNew) return [];
  throw new UsageError(`${path}: no such file; --update-baseline makes one`);
}

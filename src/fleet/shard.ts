import { UsageError } from '../base/errors.ts';

/** One of `of` shares of a run's traces. */
export interface Shard {
  /** From 1. */
  readonly number: number;
  readonly of: number;
}

export const WHOLE: Shard = { number: 1, of: 1 };

/**
 * Reads `K/N`.
 *
 * @throws UsageError unless 1 <= K <= N.
 */
export function parseShard(text: string): Shard {
  const [, number, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { number: Number(number), of: Number(of) };
  if (number === undefined || shard.number < 1 || shard.number > shard.of) {
    throw new UsageError(`--shard: ${text} is not K/N with 1 <= K <= N`);
  }
  return shard;
}

/** Whether the trace whose result has this key belongs to a share: every one to just one of them. */
export function isInShard(key: string, { number, of }: Shard): boolean {
  return Number.parseInt(key.slice(0, 12), 16) % of === number - 1;
}

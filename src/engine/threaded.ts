import { pMapIterable } from 'p-map';
import { rangesOf, TAIL_BYTES } from '../bytes/ranges.ts';
import { Slots } from '../bytes/slots.ts';
import type { DecodeTask } from './decode.ts';
import { type GatheredBlocks, gatheredBlocks, gatheredBytes } from './gathered.ts';
import {
  type Decode,
  type Decoded,
  decodeHere,
  GATHERING,
  PartsInOrder,
  REPLAYED,
} from './local.ts';
import { type Pool, TASKS_PER_THREAD } from './pool.ts';

/** Bytes of one range of a large trace: small enough that few in flight stay small together. */
const RANGE_BYTES = 2 * 1024 * 1024;
/** Bytes of the first one, for which the replay has to wait. */
const FIRST_RANGE_BYTES = 128 * 1024;
/** From here on a trace is decoded by several threads; below, starting them takes longer. */
export const LARGE_BYTES = 16 * 1024 * 1024;
/** Decoded ranges that may wait for the replay, per thread. */
const AHEAD = 5;

/**
 * Decodes parts of a trace side by side in threads, where it is large enough for that: ranges of a
 * plain file, which each thread reads by itself, or blocks of lines that are read here.
 *
 * `pool`: its threads; called where there is something for them. `rangeBytes`: for tests; also small traces are cut then.
 */
export function decodeInThreads(pool: () => Pool, rangeBytes: number | null): Decode {
  const isLarge = (bytes: number, least: number) => rangeBytes !== null || bytes >= least;
  return (source, format) => {
    if (format.kind !== 'lines') return decodeHere(source, format);
    const { inputBytes, ranges } = source;
    if (ranges !== null) {
      if (!isLarge(ranges.bytes, LARGE_BYTES)) return decodeHere(source, format);
      const parts = rangesOf(ranges.bytes, rangeBytes ?? RANGE_BYTES, FIRST_RANGE_BYTES);
      const { name } = format;
      const slots = slotsOf(pool().threads, RANGE_BYTES + TAIL_BYTES);
      return sideBySide(
        parts,
        (range) => ({ format: name, slot: slots.take(), ranges, range }),
        slots,
        pool(),
      );
    }
    if (inputBytes !== null && inputBytes < LARGE_BYTES / 8) return decodeHere(source, format);
    const slots = slotsOf(pool().threads, gatheredBytes(source));
    return sideBySide(
      gatheredBlocks(source, slots),
      ({ blocks, slot }: GatheredBlocks) => ({ format: format.name, slot, blocks }),
      slots,
      pool(),
    );
  };
}

/**
 * Decodes parts in threads; a bounded number is under way or waiting. It is over when no thread is
 * at work any more.
 */
async function* sideBySide<Part>(
  parts: Iterable<Part> | AsyncIterable<Part>,
  taskOf: (part: Part) => DecodeTask,
  slots: Slots,
  pool: Pool,
): AsyncGenerator<Decoded> {
  const atWork = new Set<Promise<unknown>>();
  const decode = async (part: Part) => {
    const task = taskOf(part);
    const work = pool.decode(task);
    atWork.add(work);
    try {
      return { slot: task.slot, batches: await work };
    } finally {
      atWork.delete(work);
    }
  };
  const limits = {
    concurrency: pool.threads * TASKS_PER_THREAD,
    backpressure: pool.threads * AHEAD,
  };
  const inOrder = new PartsInOrder();
  try {
    for await (const { slot, batches } of pMapIterable(parts, decode, limits)) {
      yield* inOrder.of(batches, slot, slots);
      if (inOrder.isBroken) return;
    }
  } finally {
    await Promise.allSettled(atWork);
  }
}

/** Memory for what is under way in threads, or waits for the replay, and for what that still quotes. */
function slotsOf(threads: number, bytes: number): Slots {
  return new Slots(threads * AHEAD + REPLAYED + GATHERING, bytes, true);
}

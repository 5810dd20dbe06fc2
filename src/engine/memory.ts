import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TraceError } from '../base/errors.ts';

/** Part of the heap's limit up to which a trace may fill it: what is left, reports need, and one batch. */
const MOST_FILLED = 0.7;

/** Of the limit that V8 tells, what is only for what is new, if nobody has asked for another size of it. */
const YOUNG_BYTES = 48 * 2 ** 20;
const MOST_YOUNG = 3 / 7;

/**
 * Whether the heap of this thread has room for more of a trace. Where it seems to have none, garbage
 * is collected first: V8 lets it grow up to the limit.
 *
 * @throws TraceError where it has none: a heap that is full ends the whole process, without a word of
 * ours and with the partial files of others.
 */
export function checkHeap(path: string): void {
  if (!isFilled()) return;
  collectGarbage();
  if (!isFilled()) return;
  throw heapFull(path, Math.round(roomForLongLived() / 2 ** 20));
}

/** What is thrown for a trace that needs more than the `mib` MiB that a thread may use. */
export function heapFull(path: string, mib: number): TraceError {
  return new TraceError(
    { path },
    `needs more memory than the ${mib} MiB that Node.js may use here; NODE_OPTIONS=--max-old-space-size=N allows N MiB`,
  );
}

function isFilled(): boolean {
  return getHeapStatistics().used_heap_size > roomForLongLived() * MOST_FILLED;
}

function roomForLongLived(): number {
  const { heap_size_limit } = getHeapStatistics();
  return heap_size_limit - Math.min(YOUNG_BYTES, heap_size_limit * MOST_YOUNG);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}

import { type Place, timeText } from '../base/place.ts';
import type { BatchCursor } from '../events/cursor.ts';

/** Where the cursor stands. */
export function placeOf(cursor: BatchCursor): Place {
  return {
    line: cursor.line,
    byteOffset: cursor.byteOffset,
    time: timeText(cursor.seconds, cursor.nanoseconds),
  };
}

/** 00:00.0: the first device that a machine has, which nobody assigns to a guest. */
export const HOST_BRIDGE = 0;

/** bus << 8 | devfn of an event that prints bus, slot and function. */
export function bdfOf(
  cursor: BatchCursor,
  at: { readonly bus: number; readonly slot: number; readonly fn: number },
): number {
  return (cursor.u32(at.bus) << 8) | (cursor.u32(at.slot) << 3) | cursor.u32(at.fn);
}

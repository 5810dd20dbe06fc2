// The names of events, by hash: those of the catalogue, and those that are only counted.

const SLOTS: u32 = 4096;
const SLOT_BYTES: u32 = 64;
/** Slots that are looked at: a name that would lie further from its own is not taken. */
const MOST_STEPS: u32 = 8;
/** Slots behind the last one, so that no search has to begin anew at the first. */
const TABLE = memory.data((4096 + 8) * 64, 64);

// A slot: the name's bytes, the others 0; its length, 0 for a free slot; its kind; its count.
const LENGTH: usize = 48;
const KIND: usize = 52;
const COUNT: usize = 56;

// @ts-ignore: decorator
@inline
function firstSlot(at: usize, length: u32): usize {
  const mixed = (load<u64>(at + length - 8) ^ (load<u64>(at) << 7)) * 0x9e37_79b9_7f4a_7c15;
  return TABLE + ((<u32>(mixed >> 48) + length * 31) & (SLOTS - 1)) * SLOT_BYTES;
}

/** The slot of a name, or 0. */
// @ts-ignore: decorator
@inline
export function slotOf(at: usize, length: u32): usize {
  let slot = firstSlot(at, length);
  for (let step: u32 = 0; step < MOST_STEPS; step++) {
    const known = load<u32>(slot, LENGTH);
    if (known == 0) return 0;
    if (known == length && isSame(at, slot, length)) return slot;
    slot += SLOT_BYTES;
  }
  return 0;
}

/** Whether the name in a slot stands here, both being of this length. */
// @ts-ignore: decorator
@inline
function isSame(at: usize, slot: usize, length: u32): bool {
  if (length < 16) {
    return (
      load<u64>(at) == load<u64>(slot) &&
      load<u64>(at + length - 8) == load<u64>(slot + length - 8)
    );
  }
  let same = v128.and(
    i8x16.eq(v128.load(at), v128.load(slot)),
    i8x16.eq(v128.load(at + length - 16), v128.load(slot + length - 16)),
  );
  if (length > 32) same = v128.and(same, i8x16.eq(v128.load(at, 16), v128.load(slot, 16)));
  return v128.all_true<u8>(same);
}

// @ts-ignore: decorator
@inline
export function kindAt(slot: usize): i32 {
  return load<i32>(slot, KIND);
}

// @ts-ignore: decorator
@inline
export function count(slot: usize): void {
  store<u32>(slot, load<u32>(slot, COUNT) + 1, COUNT);
}

/**
 * Takes a name into the table; returns its slot, or 0 where its place is too full. The name must be
 * new, its length within SHORTEST_NAME and LONGEST_NAME.
 */
export function add(at: usize, length: u32, kind: i32): usize {
  let slot = firstSlot(at, length);
  for (let step: u32 = 0; step < MOST_STEPS; step++) {
    if (load<u32>(slot, LENGTH) == 0) {
      memory.copy(slot, at, length);
      store<u32>(slot, length, LENGTH);
      store<i32>(slot, kind, KIND);
      return slot;
    }
    slot += SLOT_BYTES;
  }
  return 0;
}

/** How often the name in a slot was counted since this was asked last. */
export function takeCount(slot: usize): u32 {
  const counted = load<u32>(slot, COUNT);
  store<u32>(slot, 0, COUNT);
  return counted;
}

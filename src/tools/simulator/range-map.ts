/** Anything that covers the inclusive range [iova, last]. */
export interface Ranged {
  readonly iova: bigint;
  readonly last: bigint;
}

/** A block is split when it holds this many items: small enough that splicing into it costs next to nothing. */
const BLOCK_LENGTH = 256;

/**
 * Items that never overlap, in ascending order. It is one sorted array cut into blocks, so that 100,000 items cost a binary
 * search and a short splice, and everything else is plain array code.
 * The shadow of a device (QEMU's IOVATree) and the mappings of a container are both of this kind.
 */
export class RangeMap<T extends Ranged> {
  #blocks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The lowest item that shares a byte with [start, last]. */
  firstOverlap(start: bigint, last: bigint): T | undefined {
    const block = this.#blocks[this.#blockOf(start)];
    if (block === undefined) return undefined;
    const item = block[indexIn(block, start)];
    return item !== undefined && item.iova <= last ? item : undefined;
  }

  overlaps(start: bigint, last: bigint): boolean {
    return this.firstOverlap(start, last) !== undefined;
  }

  /** Every item that shares a byte with [start, last], ascending. */
  overlapping(start: bigint, last: bigint): T[] {
    const found: T[] = [];
    for (let b = this.#blockOf(start); b < this.#blocks.length; b++) {
      const block = this.#blocks[b] ?? [];
      for (let i = indexIn(block, start); i < block.length; i++) {
        const item = block[i];
        if (item === undefined || item.iova > last) return found;
        found.push(item);
      }
    }
    return found;
  }

  /** Adds the item, or does nothing and answers false if it would overlap another. */
  insert(item: T): boolean {
    const b = this.#blockOf(item.iova);
    const block = this.#blocks[b];
    if (block === undefined) {
      this.#append(item);
      return true;
    }
    const i = indexIn(block, item.iova);
    const next = block[i];
    if (next !== undefined && next.iova <= item.last) return false;
    block.splice(i, 0, item);
    this.#size++;
    if (block.length >= 2 * BLOCK_LENGTH) this.#blocks.splice(b + 1, 0, block.splice(BLOCK_LENGTH));
    return true;
  }

  /** Removes and returns every item that shares a byte with [start, last], items only partly inside too. */
  removeOverlapping(start: bigint, last: bigint): T[] {
    const removed: T[] = [];
    for (let b = this.#blockOf(start); b < this.#blocks.length; ) {
      const block = this.#blocks[b] ?? [];
      const from = indexIn(block, start);
      let to = from;
      for (let item = block[to]; item !== undefined && item.iova <= last; item = block[++to]);
      if (to === from) break;
      const whole = to < block.length;
      removed.push(...block.splice(from, to - from));
      if (block.length === 0) this.#blocks.splice(b, 1);
      else b++;
      if (whole) break;
    }
    this.#size -= removed.length;
    return removed;
  }

  clear(): void {
    this.#blocks = [];
    this.#size = 0;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const block of this.#blocks) yield* block;
  }

  #append(item: T): void {
    const block = this.#blocks.at(-1);
    if (block === undefined || block.length >= BLOCK_LENGTH) this.#blocks.push([item]);
    else block.push(item);
    this.#size++;
  }

  /** Index of the first block whose last item ends at or above `address`. */
  #blockOf(address: bigint): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const top = this.#blocks[middle]?.at(-1);
      if (top !== undefined && top.last >= address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Index of the first item of a sorted block that ends at or above `address`. */
function indexIn(block: readonly Ranged[], address: bigint): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = block[middle];
    if (item !== undefined && item.last >= address) high = middle;
    else low = middle + 1;
  }
  return low;
}

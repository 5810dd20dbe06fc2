/** UNMAPs that a vIOMMU sends to a notifier, in their order. Filled anew by whoever is handed it. */
export class SentUnmaps {
  #count = 0;
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #carried: number[] = [];

  get count(): number {
    return this.#count;
  }

  /** Pages of the UNMAP at `index`, inclusive. */
  first(index: number): number {
    return this.#first[index] as number;
  }
  last(index: number): number {
    return this.#last[index] as number;
  }
  /** The page that its `translated_addr` holds. */
  carried(index: number): number {
    return this.#carried[index] as number;
  }

  clear(): void {
    this.#count = 0;
  }

  /** How many of them share a page with `first .. last`. */
  meeting(first: number, last: number): number {
    let count = 0;
    for (let index = 0; index < this.#count; index += 1) {
      if (this.first(index) <= last && this.last(index) >= first) count += 1;
    }
    return count;
  }

  /** Takes out those that begin behind page `last`. */
  cutBehind(last: number): void {
    while (this.#count > 0 && this.first(this.#count - 1) > last) this.#count -= 1;
  }

  add(first: number, last: number, carried: number): void {
    this.#first[this.#count] = first;
    this.#last[this.#count] = last;
    this.#carried[this.#count] = carried;
    this.#count += 1;
  }
}

/** The pages from the lowest to the highest of some ranges: what is outside of them is quick to tell. */
export class Extent {
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  meets(first: number, last: number): boolean {
    return first <= this.#last && last >= this.#first;
  }

  add(first: number, last: number): void {
    if (first < this.#first) this.#first = first;
    if (last > this.#last) this.#last = last;
  }

  clear(): void {
    this.#first = Number.POSITIVE_INFINITY;
    this.#last = Number.NEGATIVE_INFINITY;
  }
}

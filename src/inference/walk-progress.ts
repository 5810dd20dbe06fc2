import { UNSET_PAGE } from '../base/address.ts';

/** Where an entry lies that a walk's next line holds. */
export const step = {
  /** Right behind the one before, or once more in its place, as its translation changed. */
  next: 0,
  /** Further up: lines between are missing, or not traced. */
  ahead: 1,
  /** Further down: in another walk. */
  behind: 2,
} as const;

/**
 * How far the page walk that is under way has come.
 *
 * QEMU goes through the tables from the start of a range to its end (`vtd_page_walk_level`), and each
 * entry on the way is one line: a table further down, a change, or a skip. So where all of them are
 * traced, a walk is without holes, and its end shows which table is the root of the next one.
 */
export class WalkProgress {
  /** The page that the next line should hold. */
  #next = Number.POSITIVE_INFINITY;
  /** The page behind the last of the walk; 0: none is under way. */
  #end: number = UNSET_PAGE;
  /** First page of the newest entry. */
  #first: number = UNSET_PAGE;

  /** A walk is under way, and has not come to its end. */
  get isOpen(): boolean {
    return this.#next < this.#end;
  }

  /** The page that the walk has come to. */
  get position(): number {
    return this.#next;
  }

  /** A walk from page `start` to the one before `end` begins. */
  begin(start: number, end: number): void {
    this.#next = start;
    this.#first = -1;
    this.#end = end;
  }

  /** A table below the root, from page `start` on. False where it is not what comes next. */
  descend(start: number): boolean {
    const isNext = start === this.#next;
    this.#next = start;
    this.#first = -1;
    return isNext;
  }

  /** An entry that covers the pages `first .. last`. */
  pass(first: number, last: number): number {
    const next = this.#next;
    const isAgain = first === this.#first && last + 1 === next;
    this.#first = first;
    this.#next = last + 1;
    if (isAgain) return step.next;
    // Behind the end of one walk another begins, with a line of its own.
    if (first <= next && last >= next && first !== this.#end) return step.next;
    return first > next ? step.ahead : step.behind;
  }

  /**
   * Entries of the pages `first .. last`, each behind the one before it; `newest`: where the last one
   * begins. False where one of them would not come next: then none is taken.
   */
  passAll(first: number, last: number, newest: number): boolean {
    if (first !== this.#next || (this.#end >= first && this.#end <= last)) return false;
    this.#first = newest;
    this.#next = last + 1;
    return true;
  }

  /** No walk is under way; whatever entry comes next does not follow. */
  abandon(): void {
    this.#next = Number.POSITIVE_INFINITY;
    this.#first = -1;
    this.#end = 0;
  }
}

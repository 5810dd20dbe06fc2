import { PageRangeMap } from '../base/page-range-map.ts';
import type { Bounds } from './bounds.ts';

/** The domain of mappings of which no command tells it: that of any. */
const ANY = -1;

interface Change {
  readonly first: number;
  readonly last: number;
  readonly isMap: boolean;
  /** A MAP of what a device is known to have mapped. */
  readonly isKnown: boolean;
}

/**
 * What AMD-Vi has mapped for one of several devices, and no line tells for which: by domain, as the line of a
 * command behind its MAPs and UNMAPs has that. A device that leaves its domain takes nothing from here: another one may
 * have the same.
 */
export class UnownedMappings {
  readonly #bounds: Bounds;
  readonly #domains = new Map<number, PageRangeMap>();
  /** MAPs and UNMAPs since the last line of anything else. */
  #newest: Change[] = [];
  /** A MAP has come. */
  wasAny = false;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** MAPs or UNMAPs have come, and no line that tells of which domain. */
  get isOpen(): boolean {
    return this.#newest.length > 0;
  }

  /** Something may be mapped. */
  get isAny(): boolean {
    return this.isOpen || [...this.#domains.values()].some(({ size }) => size > 0);
  }

  /**
   * A MAP of the pages `first .. last` has come; `isKnown`: a device is known to have mapped exactly these. True
   * where one may have.
   */
  mapped(first: number, last: number, isKnown: boolean): boolean {
    this.wasAny = true;
    this.#newest.push({ first, last, isMap: true, isKnown });
    this.#bounds.check('mappings', this.#newest.length);
    return isKnown || this.#isMapped(ANY, first, last);
  }

  /** An UNMAP of these pages has come. */
  unmapped(first: number, last: number): void {
    if (this.wasAny) this.#newest.push({ first, last, isMap: false, isKnown: false });
  }

  /** What has come was of a device in `domain`. True where something was mapped that had been mapped there before. */
  endsIn(domain: number): boolean {
    const newest = this.#newest;
    if (newest.length === 0) return false;
    this.#newest = [];
    const isAgain = newest.some(
      ({ first, isKnown, isMap, last }) =>
        isKnown || (isMap && this.#isMapped(domain, first, last)),
    );
    for (const { first, isMap, last } of newest) {
      if (isMap) this.#add(domain, first, last);
      else this.#domains.get(domain)?.remove(first, last);
    }
    return isAgain;
  }

  /** No line tells of which domain what has come was. True as by `endsIn`, of any domain. */
  ends(): boolean {
    return this.endsIn(ANY);
  }

  #isMapped(domain: number, first: number, last: number): boolean {
    if (domain === ANY) return [...this.#domains.values()].some((map) => map.has(first, last));
    return [domain, ANY].some((one) => this.#domains.get(one)?.has(first, last) === true);
  }

  #add(domain: number, first: number, last: number): void {
    const map = this.#domains.get(domain) ?? new PageRangeMap();
    this.#domains.set(domain, map);
    map.remove(first, last);
    map.insert(first, last, 0, 0);
    this.#bounds.check('devices', this.#domains.size);
    this.#bounds.check('mappings', map.size);
  }
}

import { PageRangeMap, type RangeScratch } from '../../base/page-range-map.ts';
import { IovaTree } from '../viommu/iova-tree.ts';
import type { Extent } from './extent.ts';
import { Hazards } from './hazards.ts';
import type { WhatIfMachine } from './matrix.ts';
import { unite } from './parted-maps.ts';
import { RiskGroup } from './risk-groups.ts';

/** What was met while dirty pages were tracked, or at other times, as if they had been. */
export type Times = 'tracked' | 'untracked';

/** Machines that treat an operation alike and have met the same others of its kind, with what came of these. */
export interface Share {
  /** One of them. */
  readonly machine: WhatIfMachine;
  readonly hazards: Hazards;
}

/** Counts of one kind, from times between which other machines were counted together; the last is the newest. */
type Counted = readonly Hazards[];

/** What was counted of a machine, by times and kinds of operations. */
type Ledger = Map<string, Counted>;

/** What is counted in now, with the counts that it follows in the ledgers of machines. */
interface Open {
  readonly hazards: Hazards;
  readonly after: Map<Counted, Counted>;
}

/** Of the widest address space. */
export const LAST_PAGE = 2 ** 52 - 1;

/** Counts of one kind from which on those that are about as large are added up. */
const MANY_APART = 16;

/**
 * What QEMU and the host map in some machines: shadows by device, host maps by container. What becomes
 * of their unmaps is counted once for all that treat them alike: a machine has a ledger of such counts,
 * which it shares, by times and kinds of operations.
 */
export class World {
  /** This one, as a list. */
  readonly alone: readonly World[] = [this];
  readonly #ledgers = new Map<WhatIfMachine, Ledger>();
  readonly #shares = new Map<string | number, readonly Share[]>();
  /** What is counted in now, by times and kinds: all in them is of all machines that use them. */
  readonly #open = new Map<string, Open>();
  #nobody = new RiskGroup();
  /** Undefined until it is asked for, and where the machines have changed. */
  #awBits: number | null | undefined = undefined;
  readonly #shadows: IovaTree[] = [];
  readonly #hosts: PageRangeMap[] = [];

  constructor(machines: readonly WhatIfMachine[]) {
    for (const machine of machines) this.#ledgers.set(machine, new Map());
  }

  get machines(): Iterable<WhatIfMachine> {
    return this.#ledgers.keys();
  }

  /** The width of their vIOMMU; null where they have several. */
  get awBits(): number | null {
    if (this.#awBits === undefined) {
      const widths = new Set([...this.machines].map(({ awBits }) => awBits));
      this.#awBits = widths.size === 1 ? this.machine.awBits : null;
    }
    return this.#awBits;
  }

  /** Any of them. */
  get machine(): WhatIfMachine {
    for (const machine of this.#ledgers.keys()) return machine;
    throw new Error('a world without machines');
  }

  /** The group of none of those in which is counted now. */
  get nobody(): RiskGroup {
    return this.#nobody;
  }

  /** `device`: its number, from 0. */
  shadow(device: number): IovaTree {
    let shadow = this.#shadows[device];
    if (shadow === undefined) {
      shadow = new IovaTree();
      this.#shadows[device] = shadow;
    }
    return shadow;
  }

  /** `container`: its number, from 0. */
  host(container: number): PageRangeMap {
    let host = this.#hosts[container];
    if (host === undefined) {
      host = new PageRangeMap();
      this.#hosts[container] = host;
    }
    return host;
  }

  /** Where an operation is counted, by how machines treat it and when. */
  sharesOf(
    keyOf: (machine: WhatIfMachine) => string,
    timesOf: (machine: WhatIfMachine) => Times,
  ): readonly Share[] {
    const shares = new Map<Hazards, WhatIfMachine>();
    for (const [machine, ledger] of this.#ledgers) {
      const key = `${timesOf(machine)} ${keyOf(machine)}`;
      let open = this.#open.get(key);
      if (open === undefined) {
        open = { hazards: new Hazards(), after: new Map() };
        this.#open.set(key, open);
      }
      const { after, hazards } = open;
      const counted = ledger.get(key) ?? NOTHING;
      if (counted.at(-1) !== hazards) {
        // Machines that have been counted together so far share this, too.
        const longer = after.get(counted) ?? [...summedUp(counted), hazards];
        after.set(counted, longer);
        ledger.set(key, longer);
      }
      if (!shares.has(hazards)) shares.set(hazards, machine);
    }
    return [...shares].map(([hazards, machine]) => ({ hazards, machine }));
  }

  /** The same, remembered by a name that stands for both functions. */
  sharesNamed(
    name: string | number,
    keyOf: (machine: WhatIfMachine) => string,
    timesOf: (machine: WhatIfMachine) => Times,
  ): readonly Share[] {
    let shares = this.#shares.get(name);
    if (shares === undefined) {
      shares = this.sharesOf(keyOf, timesOf);
      this.#shares.set(name, shares);
    }
    return shares;
  }

  /**
   * What became of each machine, with what was counted in `common`; the same object for machines of
   * which the same was counted.
   */
  *results(common: World): Generator<Record<Times, Hazards> & { readonly machine: WhatIfMachine }> {
    const numbers = new Map<Hazards, number>();
    const sums = new Map<string, Hazards>();
    const sum = (machine: WhatIfMachine, times: Times) => {
      const ledgers = [common, this].flatMap((world) => [...(world.#ledgers.get(machine) ?? [])]);
      const counted = ledgers.flatMap(([key, own]) => (key.startsWith(`${times} `) ? own : []));
      for (const hazards of counted) {
        if (!numbers.has(hazards)) numbers.set(hazards, numbers.size);
      }
      const name = counted.map((hazards) => numbers.get(hazards)).join();
      const known = sums.get(name) ?? sumOf(counted);
      sums.set(name, known);
      return known;
    };
    for (const machine of this.#ledgers.keys()) {
      yield { machine, tracked: sum(machine, 'tracked'), untracked: sum(machine, 'untracked') };
    }
  }

  /**
   * Parts the machines by what is mapped for them from here on. The first part stays here; the others
   * get worlds of their own, which begin as this one is now.
   */
  partition(keyOf: (machine: WhatIfMachine) => string): readonly World[] {
    const parts = new Map<string, WhatIfMachine[]>();
    for (const machine of this.#ledgers.keys()) {
      const key = keyOf(machine);
      const part = parts.get(key);
      if (part === undefined) parts.set(key, [machine]);
      else part.push(machine);
    }
    if (parts.size === 1) return this.alone;
    const [, ...others] = parts.values();
    const worlds = others.map((machines) => this.#copy(machines));
    for (const machine of others.flat()) this.#ledgers.delete(machine);
    this.#countAnew();
    return [this, ...worlds];
  }

  /** From here on there are other machines, which are counted together. */
  #countAnew(): void {
    this.#shares.clear();
    this.#open.clear();
    this.#nobody = new RiskGroup();
    this.#awBits = undefined;
  }

  /** Takes over the machines of a world in which the same is mapped. */
  join(other: World): void {
    for (const [machine, ledger] of other.#ledgers) this.#ledgers.set(machine, ledger);
    this.#countAnew();
  }

  /** Puts what is mapped here into `common`, as far as it may be there. */
  moveTo(common: World): void {
    for (const [device, shadow] of this.#shadows.entries()) {
      if (shadow !== undefined) unite(common.shadow(device), [shadow], 0, LAST_PAGE);
    }
    for (const [container, host] of this.#hosts.entries()) {
      if (host !== undefined) unite(common.host(container), [host], 0, LAST_PAGE);
    }
  }

  /** Adds to `extent` the ranges that share a page with `first .. last`. */
  addExtent(extent: Extent, first: number, last: number): void {
    for (const shadow of this.#shadows) add(extent, shadow?.overlapping(first, last));
    for (const host of this.#hosts) add(extent, host?.collect(first, last));
  }

  /** True where nothing is mapped otherwise than in the other one. */
  isSameAs(other: World): boolean {
    return areSame(this.#shadows, other.#shadows) && areSame(this.#hosts, other.#hosts);
  }

  #copy(machines: readonly WhatIfMachine[]): World {
    const copy = new World(machines);
    for (const machine of machines) copy.#ledgers.set(machine, new Map(this.#ledgers.get(machine)));
    for (const [index, shadow] of this.#shadows.entries()) {
      for (const { first, last, value, flags } of shadow ?? []) {
        copy.shadow(index).insert(first, last, value, flags);
      }
    }
    for (const [index, host] of this.#hosts.entries()) {
      for (const { first, last, value, flags } of host ?? []) {
        copy.host(index).insert(first, last, value, flags);
      }
    }
    return copy;
  }
}

function add(extent: Extent, ranges: RangeScratch | undefined): void {
  if (ranges === undefined || ranges.count === 0) return;
  extent.add(ranges.first(0), ranges.last(ranges.count - 1));
}

const NOTHING: Counted = [];

function sumOf(counted: Counted): Hazards {
  const sum = new Hazards();
  for (const hazards of counted) sum.addAll(hazards);
  sum.joinRisks();
  return sum;
}

/** Fewer counts with the same sum, where they are many: what is large is not added up again for what is small. */
function summedUp(counted: Counted): Counted {
  if (counted.length < MANY_APART) return counted;
  const sums: Hazards[] = [];
  for (const hazards of counted) {
    let newest = hazards;
    for (let before = sums.at(-1); before !== undefined; before = sums.at(-1)) {
      if (before.riskParts > 2 * newest.riskParts) break;
      newest = sumOf([before, newest]);
      sums.pop();
    }
    sums.push(newest);
  }
  return sums;
}

type Ranges = Pick<PageRangeMap, 'size' | typeof Symbol.iterator>;

function areSame(some: readonly Ranges[], others: readonly Ranges[]): boolean {
  const sizeOf = (ranges: Ranges | undefined) => ranges?.size ?? 0;
  const count = Math.max(some.length, others.length);
  for (let index = 0; index < count; index += 1) {
    if (sizeOf(some[index]) !== sizeOf(others[index])) return false;
  }
  return some.every((ranges, index) => areRangesSame(ranges, others[index]));
}

function areRangesSame(ranges: Ranges | undefined, others: Ranges | undefined): boolean {
  if (ranges === undefined || others === undefined || ranges.size === 0) return true;
  const iterator = others[Symbol.iterator]();
  for (const { first, flags, last, value } of ranges) {
    const { value: other } = iterator.next();
    if (other === undefined || other.first !== first || other.last !== last) return false;
    if (other.value !== value || other.flags !== flags) return false;
  }
  return true;
}

import { pageOf } from '../../base/address.ts';
import type { PageRangeMap } from '../../base/page-range-map.ts';
import type { IovaTree } from '../viommu/iova-tree.ts';
import type { AddressRange } from '../viommu/viommu.ts';
import type { WhatIfMachine } from './matrix.ts';
import { hostFlag } from './parted-maps.ts';
import { nodesOf, piecesOf, type UnmapPlan } from './plan.ts';
import type { Times } from './world.ts';

/** Pages of a notifier, inclusive. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The effect of an unmap that leaves nothing. */
export const ALL = 'all';

/** How machines unmap a whole space. */
export interface WholeClass {
  readonly times: Times;
  /** What they do now, and what they would do under tracking. */
  readonly sent: 'in pieces' | 'by node';
  readonly evaluated: 'in pieces' | 'by node';
  /** What decides what comes of it under tracking. */
  readonly kind: string;
  /** The same, and what is left now. */
  readonly name: string;
}

/** The classes of all machines, and a name for what they depend on. */
export interface WholeClasses {
  readonly name: string;
  readonly machines: ReadonlyMap<WhatIfMachine, WholeClass>;
}

/** What is done to shadow and host. */
export interface WholeEffect {
  readonly plan: UnmapPlan;
  readonly results: readonly number[];
  readonly name: string;
}

/** The UNMAPs of a whole space that go to a notifier, made when they are asked for. */
export class WholePlans {
  readonly #notifier: AddressRange;
  readonly #shadow: IovaTree;
  readonly #plans = new Map<string, UnmapPlan>();

  constructor(notifier: AddressRange, shadow: IovaTree) {
    this.#notifier = notifier;
    this.#shadow = shadow;
  }

  of({ awBits, profile }: WhatIfMachine, isByNode: boolean): UnmapPlan {
    const behaviour = isByNode ? profile.unmapInMigration : null;
    const name = behaviour?.sends ?? String(awBits);
    let plan = this.#plans.get(name);
    if (plan === undefined) {
      plan =
        behaviour === null
          ? piecesOf(this.#notifier, awBits)
          : nodesOf(this.#notifier, behaviour, this.#shadow);
      this.#plans.set(name, plan);
    }
    return plan;
  }
}

/** What is mapped before the unmap of a whole space, in the pages of a notifier. */
export class WholeUnmap {
  readonly shadow: IovaTree;
  readonly host: PageRangeMap;
  readonly span: Span;
  readonly #translations = new Map<string, number>();
  #mirrored: boolean | null = null;

  constructor(shadow: IovaTree, host: PageRangeMap, span: Span) {
    this.shadow = shadow;
    this.host = host;
    this.span = span;
  }

  /** A name for what UNMAPs with these results leave. */
  effectOf(machine: WhatIfMachine, plan: UnmapPlan, results: readonly number[]): string {
    if (this.#takesAll(machine, plan, results)) return ALL;
    const kept = results.flatMap((result, index) =>
      result !== 0 && this.host.overlaps(plan.sent.first(index), plan.sent.last(index))
        ? [index]
        : [],
    );
    return `${plan.name} ${machine.backend} ${kept.join()}`;
  }

  /** Whether they leave nothing in the notifier's range. */
  #takesAll({ backend }: WhatIfMachine, plan: UnmapPlan, results: readonly number[]): boolean {
    const { host, shadow, span } = this;
    const { isByNode, sent } = plan;
    if (isByNode) {
      const isTaken = backend === 'iommufd' || results.every((result) => result === 0);
      return isTaken && this.isEachNode(plan);
    }
    let behind = span.first - 1;
    for (let index = 0; index < sent.count; index += 1) {
      const first = sent.first(index);
      const last = sent.last(index);
      if (last > behind) behind = last;
      // iommufd unmaps whatever it tells of dirty pages.
      const isKept = results[index] !== 0 && backend === 'legacy';
      if (isKept && host.overlaps(first, last)) return false;
      if (host.straddles(first, last)) return false;
    }
    return (
      span.last <= behind ||
      !(host.overlaps(behind + 1, span.last) || shadow.overlaps(behind + 1, span.last))
    );
  }

  /** How many translations the host would still map after UNMAPs with these results. */
  left({ backend }: WhatIfMachine, plan: UnmapPlan, results: readonly number[]): number {
    const { isByNode, sent } = plan;
    const isTaken = (index: number) => results[index] === 0 || backend === 'iommufd';
    const { first, last } = this.span;
    const mapped = this.#translationsIn(first, last);
    // Each UNMAP is of one node, and the host has exactly these.
    const isEachOne = isByNode && this.#isMirrored && mapped === this.#nodeCount;
    let taken = 0;
    for (let index = 0; index < sent.count; index += 1) {
      if (!isTaken(index)) continue;
      taken += isEachOne ? 1 : this.#translationsIn(sent.first(index), sent.last(index));
    }
    return Math.max(0, mapped - taken);
  }

  /** Whether the UNMAPs are of one node each, of all there are, and the host maps exactly these. */
  isEachNode({ sent }: UnmapPlan): boolean {
    if (!this.#isMirrored || sent.count !== this.#nodeCount) return false;
    // An UNMAP that is cut to the notifier cuts through its node.
    return [0, sent.count - 1].every(
      (index) => index < 0 || this.shadow.hasNode(sent.first(index), sent.last(index)),
    );
  }

  /** Whether the host maps exactly the ranges that the shadow has. */
  get #isMirrored(): boolean {
    if (this.#mirrored === null) {
      const { first, last } = this.span;
      const nodes = this.shadow.overlapping(first, last);
      const held = this.host.collect(first, last);
      this.#mirrored = nodes.count === held.count;
      for (let index = 0; this.#mirrored && index < nodes.count; index += 1) {
        this.#mirrored =
          nodes.first(index) === held.first(index) && nodes.last(index) === held.last(index);
      }
    }
    return this.#mirrored;
  }

  get #nodeCount(): number {
    return this.shadow.overlapping(this.span.first, this.span.last).count;
  }

  /** How many translations, which are no sections of RAM, the host has in a range. */
  #translationsIn(first: number, last: number): number {
    const name = `${first} ${last}`;
    let count = this.#translations.get(name);
    if (count === undefined) {
      const held = this.host.collect(first, last);
      count = 0;
      for (let index = 0; index < held.count; index += 1) {
        if ((held.flags(index) & hostFlag.ram) === 0) count += 1;
      }
      this.#translations.set(name, count);
    }
    return count;
  }
}

/** Marks the translations in this range as stale; how many were not yet. */
export function markLeft(host: PageRangeMap, { first, last }: Span): number {
  let count = 0;
  const held = host.collect(first, last);
  for (let index = 0; index < held.count; index += 1) {
    if ((held.flags(index) & (hostFlag.ram | hostFlag.stale)) !== 0) continue;
    host.setFlags(held.first(index), held.first(index), 0, hostFlag.stale);
    count += 1;
  }
  return count;
}

export function spanOf({ start, end }: AddressRange): Span {
  return { first: pageOf(start), last: pageOf(end) };
}

import { pageOf } from '../../base/address.ts';
import type { PageRangeMap } from '../../base/page-range-map.ts';
import type { IovaTree } from '../viommu/iova-tree.ts';
import type { AddressRange } from '../viommu/viommu.ts';
import type { Hazards } from './hazards.ts';
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

/** What becomes of the unmap of a whole space under tracking. */
export interface WholeEvaluation {
  readonly counts: Hazards;
  /** Guest pages at risk: first, last, first, last ... */
  readonly risk: readonly number[];
  /** What its UNMAPs return. */
  readonly results: readonly number[];
  /** Translations that it leaves in the host. */
  readonly left: number;
}

/** What is done to shadow and host. */
export interface WholeEffect {
  readonly plan: UnmapPlan;
  readonly results: readonly number[];
  readonly name: string;
}

export function addWhole(hazards: Hazards, { counts, risk }: WholeEvaluation): void {
  hazards.addAll(counts);
  for (let index = 0; index < risk.length; index += 2) {
    hazards.risk.add(risk[index] as number, risk[index + 1] as number);
  }
}

/** The UNMAPs of a whole space, made when they are asked for. */
export class WholePlans {
  readonly #notifiers: readonly AddressRange[];
  readonly #shadow: IovaTree;
  readonly #plans = new Map<string, UnmapPlan>();

  constructor(notifiers: readonly AddressRange[], shadow: IovaTree) {
    this.#notifiers = notifiers;
    this.#shadow = shadow;
  }

  of({ awBits, profile }: WhatIfMachine, isByNode: boolean): UnmapPlan {
    const behaviour = isByNode ? profile.unmapInMigration : null;
    const name = behaviour?.sends ?? String(awBits);
    let plan = this.#plans.get(name);
    if (plan === undefined) {
      plan =
        behaviour === null
          ? piecesOf(this.#notifiers, awBits)
          : nodesOf(this.#notifiers, behaviour, this.#shadow);
      this.#plans.set(name, plan);
    }
    return plan;
  }
}

/** What is mapped before the unmap of a whole space. */
export class WholeUnmap {
  readonly shadow: IovaTree;
  readonly host: PageRangeMap;
  readonly #spans: readonly Span[];
  #mapped = -1;
  #nodes = -1;

  constructor(shadow: IovaTree, host: PageRangeMap, spans: readonly Span[]) {
    this.shadow = shadow;
    this.host = host;
    this.#spans = spans;
  }

  /** A name for what UNMAPs with these results leave. */
  effectOf(machine: WhatIfMachine, plan: UnmapPlan, results: readonly number[]): string {
    if (this.#takesAll(machine, plan, results)) return ALL;
    const kept = plan.unmaps.flatMap(({ first, last }, index) =>
      results[index] !== 0 && this.host.overlaps(first, last) ? [index] : [],
    );
    return `${plan.name} ${machine.backend} ${kept.join()}`;
  }

  /** Whether they leave nothing in the notifiers' ranges. */
  #takesAll(
    { backend }: WhatIfMachine,
    { isByNode, unmaps }: UnmapPlan,
    results: readonly number[],
  ): boolean {
    const { host, shadow } = this;
    if (isByNode) {
      if (unmaps.length !== this.#nodeCount) return false;
      if (unmaps.length !== this.#held) return false;
      return unmaps.every(
        ({ first, last }, index) =>
          host.has(first, last) &&
          shadow.hasNode(first, last) &&
          (results[index] === 0 || backend === 'iommufd'),
      );
    }
    let behind = 0;
    for (const [index, { first, last }] of unmaps.entries()) {
      if (last > behind) behind = last;
      if (results[index] !== 0 && host.overlaps(first, last)) return false;
      if (host.straddles(first, last)) return false;
    }
    return this.#spans.every(
      ({ last }) =>
        last <= behind || !(host.overlaps(behind + 1, last) || shadow.overlaps(behind + 1, last)),
    );
  }

  /** How many translations the host would still map after UNMAPs with these results. */
  left({ backend }: WhatIfMachine, { unmaps }: UnmapPlan, results: readonly number[]): number {
    let taken = 0;
    for (const [index, { first, last }] of unmaps.entries()) {
      const isTaken = results[index] === 0 || backend === 'iommufd';
      if (isTaken) taken += translationsIn(this.host, first, last);
    }
    return Math.max(0, this.#mappedCount - taken);
  }

  get #mappedCount(): number {
    if (this.#mapped < 0) {
      this.#mapped = sum(this.#spans, ({ first, last }) => translationsIn(this.host, first, last));
    }
    return this.#mapped;
  }

  /** Sections of RAM included, which UNMAPs by node pass by. */
  get #held(): number {
    return sum(this.#spans, ({ first, last }) => this.host.collect(first, last).count);
  }

  get #nodeCount(): number {
    if (this.#nodes < 0) {
      this.#nodes = sum(
        this.#spans,
        ({ first, last }) => this.shadow.overlapping(first, last).count,
      );
    }
    return this.#nodes;
  }
}

function sum(spans: readonly Span[], of: (span: Span) => number): number {
  return spans.reduce((total, span) => total + of(span), 0);
}

/** How many translations, which are no sections of RAM, the host has in a range. */
function translationsIn(host: PageRangeMap, first: number, last: number): number {
  const held = host.collect(first, last);
  let count = 0;
  for (let index = 0; index < held.count; index += 1) {
    if ((held.flags(index) & hostFlag.ram) === 0) count += 1;
  }
  return count;
}

/** Marks the translations in these ranges as stale; how many were not yet. */
export function markLeft(host: PageRangeMap, spans: readonly Span[]): number {
  let count = 0;
  for (const { first, last } of spans) {
    const held = host.collect(first, last);
    for (let index = 0; index < held.count; index += 1) {
      if ((held.flags(index) & (hostFlag.ram | hostFlag.stale)) !== 0) continue;
      host.setFlags(held.first(index), held.first(index), 0, hostFlag.stale);
      count += 1;
    }
  }
  return count;
}

export function spanOf({ start, end }: AddressRange): Span {
  return { first: pageOf(start), last: pageOf(end) };
}

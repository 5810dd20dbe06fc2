import { PAGE_SHIFT, pageOf } from '../../base/address.ts';
import type { Mutable } from '../../base/mutable.ts';
import type { PageRangeMap, RangeScratch } from '../../base/page-range-map.ts';
import { Outcome } from '../outcome.ts';
import type { RamLayout } from '../ram-layout.ts';
import { type Scenario, unmapOutcome, type World as View } from '../scenario.ts';
import { dirtyBitmapBytesOfPages } from '../vfio/dirty-bitmap.ts';
import { mapNotifyResult, regionDelCarries } from '../vfio/listener.ts';
import { vtdPageWalkOne } from '../viommu/intel/page-walk.ts';
import { type IovaTree, permission } from '../viommu/iova-tree.ts';
import { SentUnmaps } from '../viommu/sent.ts';
import type { AddressRange } from '../viommu/viommu.ts';
import { Hazards } from './hazards.ts';
import type { WhatIfMachine } from './matrix.ts';
import { nodesOf, piecesOf, type UnmapPlan } from './plan.ts';
import { type Times, World } from './world.ts';

/** Pages of the narrowest vIOMMU, 39 bits. */
const NARROWEST_END = 2 ** 27;

/** Bits beside the permissions that host mappings have here. */
export const hostFlag = {
  /** A section of RAM, and no translation. */
  ram: 8,
  /** The unmap of a whole space has left it. */
  stale: 16,
} as const;

/** What of QEMU's state decides how unmaps ask for dirty bits. */
export interface TrackingState {
  /** The flag word of dirty tracking is not zero. */
  readonly globalDirty: boolean;
  /** `migration_is_running`. */
  readonly migrationRunning: boolean;
  /** What 7.2 asks for: a migration runs, and its devices save. */
  readonly saving: boolean;
}

/** Whom an operation concerns. */
export interface Target {
  /** Numbers, from 0; -1 for a device where it concerns none more than another. */
  readonly device: number;
  readonly container: number;
  /** The host's IOMMU can tell iommufd which pages are dirty. */
  readonly iommufdTracks: boolean;
  /** All devices of the container log their own DMA. */
  readonly deviceTracking: boolean;
}

/** What is the same for all machines. */
export interface WhatIfHost {
  readonly ram: RamLayout;
  /** Bytes of the largest dirty bitmap. */
  readonly bitmapBytes: number;
  /** Mappings that type1 accepts. */
  readonly entryLimit: number;
}

/** Pages of a notifier, inclusive. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** What became of a machine. */
export interface MachineResult {
  readonly machine: WhatIfMachine;
  readonly tracked: Hazards;
  readonly untracked: Hazards;
  /** What is mapped in the end. */
  readonly world: World;
}

/**
 * Many machines that are given the same by their guest. What QEMU and the host map is held once for
 * all machines for which it is the same: worlds part where an operation leaves something else in one
 * machine than in another, and join where that is over.
 */
export class Worlds {
  readonly #host: WhatIfHost;
  readonly #machines: readonly WhatIfMachine[];
  /** How they unmap whole spaces, and what that depends on. */
  #classes: ReadonlyMap<WhatIfMachine, WholeClass> = new Map();
  #classesName = '';
  #worlds: readonly World[];
  readonly #sent = new SentUnmaps();
  readonly #outcome = new Outcome();
  readonly #scenario: Mutable<Scenario>;
  readonly #view: Mutable<View>;

  constructor(machines: readonly WhatIfMachine[], host: WhatIfHost) {
    this.#host = host;
    this.#machines = machines;
    const [first] = machines;
    if (first === undefined) throw new Error('no machine');
    const world = new World(machines);
    this.#worlds = [world];
    this.#scenario = {
      profile: first.profile,
      tracked: true,
      backend: first.behaviour,
      limits: host,
      pageSize: first.pageSize,
      deviceTracking: false,
    };
    this.#view = { mapped: null, host: world.host(0), ram: host.ram };
  }

  /** How many different states there are now. */
  get count(): number {
    return this.#worlds.length;
  }

  /** Each machine with what became of it. */
  *results(): Generator<MachineResult> {
    for (const world of this.#worlds) {
      for (const result of world.results()) yield { ...result, world };
    }
  }

  // --- Page walks ------------------------------------------------------------------------------------

  /**
   * A walk has come to an entry of the pages `first .. last` that leads to `gpa`. `spans`: the notifiers
   * that its events go to; none in a dirty sync, which only fills the shadow.
   */
  present(
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    gpa: number,
    permissions: number,
    tracking: TrackingState,
  ): void {
    for (const world of this.#reached(last)) {
      const shadow = world.shadow(target.device);
      const step = vtdPageWalkOne(shadow, first, last, gpa, permissions);
      if (step === 'skip-map') {
        usedAgain(world.host(target.container), first, last, gpa);
        continue;
      }
      const parts =
        step === 'change'
          ? this.#unmapWalked(world, target, spans, first, last, gpa, tracking)
          : world.alone;
      for (const part of parts) {
        part.shadow(target.device).insert(first, last, gpa, permissions);
        for (const span of spans) this.#map(part, target, span, first, last, gpa, permissions);
      }
    }
  }

  /**
   * The worlds of machines whose walks come to page `last`: `vtd_page_walk` goes up to the address width.
   */
  #reached(last: number): readonly World[] {
    if (last < NARROWEST_END) return this.#worlds;
    const isReached = ({ awBits }: WhatIfMachine) => last < 2 ** (awBits - PAGE_SHIFT);
    return this.#worlds.flatMap((world) => {
      const parts = this.#parted(world.partition((machine) => String(isReached(machine))));
      return parts.filter(({ machine }) => isReached(machine));
    });
  }

  /**
   * Walks have come to `count` entries of `pages` each, from page `first` on, that are not present, and
   * hold page `carried`.
   */
  absent(
    target: Target,
    spans: readonly Span[],
    first: number,
    pages: number,
    count: number,
    carried: number,
    tracking: TrackingState,
  ): void {
    const end = first + pages * count;
    for (const world of this.#worlds) {
      if (!world.shadow(target.device).overlaps(first, end - 1)) continue;
      let parts = world.alone;
      for (let at = first; at < end; at += pages) {
        parts = this.#each(parts, (part) =>
          part.shadow(target.device).overlaps(at, at + pages - 1)
            ? this.#unmapWalked(part, target, spans, at, at + pages - 1, carried, tracking)
            : part.alone,
        );
      }
    }
  }

  /** `vtd_iommu_replay`: the device's shadow is made anew. */
  replayed(device: number): void {
    for (const world of this.#worlds) world.shadow(device).clear();
  }

  /** Sends the UNMAP of a walk, takes the pages from the shadow, and returns the worlds that come of it. */
  #unmapWalked(
    before: World,
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    carried: number,
    tracking: TrackingState,
  ): readonly World[] {
    let worlds = before.alone;
    for (const span of spans) {
      if (first > span.last || last < span.first) continue;
      const from = Math.max(first, span.first);
      const to = Math.min(last, span.last);
      const isCut = from !== first || to !== last;
      worlds = this.#each(worlds, (world) =>
        isCut
          ? this.#unmapPart(world, target, from, to, carried, tracking)
          : this.#unmap(world, target, from, to, carried, tracking),
      );
    }
    for (const world of worlds) world.shadow(target.device).remove(first, last);
    return worlds;
  }

  /** `memory_region_notify_iommu_one` stops at an event that is none of its notifier's up to 10.1, and cuts it later. */
  #unmapPart(
    before: World,
    target: Target,
    first: number,
    last: number,
    carried: number,
    tracking: TrackingState,
  ): readonly World[] {
    return this.#each(this.#parted(before.partition(crossingOf)), (part) => {
      if (crossingOf(part.machine) === 'crop') {
        return this.#unmap(part, target, first, last, carried, tracking);
      }
      for (const { hazards } of part.sharesOf(anyKind, always)) hazards.aborts += 1;
      return part.alone;
    });
  }

  /** An UNMAP of a walk reaches VFIO, with the shadow still as it was. */
  #unmap(
    before: World,
    target: Target,
    first: number,
    last: number,
    carried: number,
    tracking: TrackingState,
  ): readonly World[] {
    const isLarge = dirtyBitmapBytesOfPages(last - first + 1, 4096) > this.#host.bitmapBytes;
    const shares = isLarge
      ? before.sharesOf(
          (machine) => `${walkKindOf(machine)} ${machine.pageSize}`,
          (machine) => timesFor(machine, target, tracking),
        )
      : before.sharesNamed(codeOf(target, tracking), walkKindOf, (machine) =>
          timesFor(machine, target, tracking),
        );
    const nodes = before.shadow(target.device).overlapping(first, last);
    const host = before.host(target.container);
    const isPlain = !host.straddles(first, last);
    let hasFailed = false;
    let kind = '';
    for (const { hazards, machine } of shares) {
      if (isLarge || machine.queryKind !== kind) {
        this.#evaluate(before, target, machine, first, last, carried, nodes);
        kind = machine.queryKind;
      }
      hazards.add(first, last, this.#outcome);
      if (this.#outcome.errno !== 0) hasFailed = true;
    }
    // Most take the same everywhere.
    if (isPlain && !hasFailed) {
      host.remove(first, last);
      return before.alone;
    }
    return this.#take(before, target, first, last, (machine) => {
      if (timesFor(machine, target, tracking) === 'untracked') {
        return this.#untrackedResult(before, target, machine, first, last);
      }
      this.#evaluate(before, target, machine, first, last, carried, null);
      return this.#outcome.errno;
    });
  }

  /** A MAP reaches VFIO. */
  #map(
    world: World,
    { container }: Target,
    span: Span,
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): void {
    if (first > span.last || last < span.first) return;
    const host = world.host(container);
    const { entryLimit } = this.#host;
    const from = Math.max(first, span.first);
    const to = Math.min(last, span.last);
    if (from !== first || to !== last) {
      for (const part of this.#parted(world.partition(crossingOf))) {
        const { behaviour, profile } = part.machine;
        const own = part.host(container);
        const isCut = profile.crossingEvent === 'crop';
        if (isCut && mapNotifyResult(behaviour, own, from, to, entryLimit) === 0) {
          own.insert(from, to, gpa, permissions);
          continue;
        }
        for (const { hazards } of part.sharesOf(anyKind, always)) {
          hazards[isCut ? 'failedMaps' : 'aborts'] += 1;
        }
      }
      return;
    }
    if (host.size < entryLimit) {
      if (!host.insert(first, last, gpa, permissions)) countFailedMap(world);
      return;
    }
    for (const part of this.#parted(world.partition(({ backend }) => backend))) {
      const own = part.host(container);
      if (part.machine.behaviour.mapResult(own, first, last, entryLimit) !== 0)
        countFailedMap(part);
      else own.insert(first, last, gpa, permissions);
    }
  }

  // --- Whole spaces ----------------------------------------------------------------------------------

  /** The device has left its domain, or was reset: its whole space is unmapped, notifier by notifier. */
  unmapWhole(target: Target, notifiers: readonly AddressRange[], tracking: TrackingState): void {
    for (const world of this.#worlds) this.#unmapWhole(world, target, notifiers, tracking);
    this.#join();
  }

  /** A notifier is registered: up to 8.0 its replay begins with an unmap of its whole range. */
  registered(target: Target, notifier: AddressRange, tracking: TrackingState): void {
    const isNew = ({ profile }: WhatIfMachine) => String(profile.replayClearsShadow);
    for (const world of this.#worlds) {
      for (const part of this.#parted(world.partition(isNew))) {
        if (part.machine.profile.replayClearsShadow) continue;
        this.#unmapWhole(part, target, [notifier], tracking);
      }
    }
    this.#join();
  }

  #unmapWhole(
    world: World,
    target: Target,
    notifiers: readonly AddressRange[],
    tracking: TrackingState,
  ): void {
    const spans = notifiers.map(spanOf);
    const before = new WholeUnmap(world.shadow(target.device), world.host(target.container), spans);
    const plans = new WholePlans(notifiers, before.shadow);
    const evaluations = new Map<string, WholeEvaluation>();
    const evaluate = (machine: WhatIfMachine, { evaluated, kind }: WholeClass) => {
      let evaluation = evaluations.get(kind);
      if (evaluation === undefined) {
        const plan = plans.of(machine, evaluated === 'by node');
        evaluation = this.#evaluateWhole(world, target, machine, plan, before);
        evaluations.set(kind, evaluation);
      }
      return evaluation;
    };
    const classes = this.#classesOf(target, notifiers, tracking);
    const classOf = (machine: WhatIfMachine) => classes.get(machine) as WholeClass;
    const shares = world.sharesNamed(
      `whole ${this.#classesName}`,
      (machine) => classOf(machine).kind + classOf(machine).sent,
      (machine) => classOf(machine).times,
    );
    const effects = new Map<string, WholeEffect>();
    const effectOf = (machine: WhatIfMachine) => {
      const own = classOf(machine);
      let known = effects.get(own.name);
      if (known === undefined) {
        const plan = plans.of(machine, own.sent === 'by node');
        const results =
          own.times === 'tracked'
            ? evaluate(machine, own).results
            : plan.unmaps.map(({ first, last }) =>
                this.#untrackedResult(world, target, machine, first, last),
              );
        known = { plan, results, name: before.effectOf(machine, plan, results) };
        effects.set(own.name, known);
      }
      return known;
    };
    for (const { hazards, machine } of shares) {
      const own = classOf(machine);
      const evaluation = evaluate(machine, own);
      addWhole(hazards, evaluation);
      // What stays in any case is counted as it happens.
      if (own.times === 'untracked' && effectOf(machine).name === ALL) {
        hazards.stale += evaluation.left;
      }
    }
    for (const part of this.#parted(world.partition((machine) => effectOf(machine).name))) {
      const { name, plan, results } = effectOf(part.machine);
      const shadow = part.shadow(target.device);
      const host = part.host(target.container);
      for (const [index, { first, last }] of plan.unmaps.entries()) {
        part.machine.behaviour.applyUnmap(host, first, last, results[index] ?? 0);
        shadow.remove(first, last);
      }
      if (name === ALL) continue;
      const left = markLeft(host, spans);
      for (const { hazards } of part.sharesOf(anyKind, always)) hazards.stale += left;
    }
  }

  /** How each machine unmaps a whole space; the same until something changes that it depends on. */
  #classesOf(
    target: Target,
    notifiers: readonly AddressRange[],
    tracking: TrackingState,
  ): ReadonlyMap<WhatIfMachine, WholeClass> {
    const { bitmapBytes } = this.#host;
    const ranges = notifiers.map(({ end, start }) => `${start}-${end}`).join();
    const name = `${codeOf(target, tracking)} ${tracking.migrationRunning} ${bitmapBytes} ${ranges}`;
    if (name === this.#classesName) return this.#classes;
    const classes = new Map<WhatIfMachine, WholeClass>();
    for (const machine of this.#machines) {
      const times = timesFor(machine, target, tracking);
      const sent = unmapsByNode(machine, tracking) ? 'by node' : 'in pieces';
      // Had dirty pages been tracked by a migration, versions that unmap by node then would have done so.
      const canByNode = times === 'untracked' && machine.profile.unmapInMigration !== null;
      const evaluated = canByNode ? 'by node' : sent;
      const planName = (how: WholeClass['sent']) =>
        how === 'by node' ? machine.profile.unmapInMigration?.sends : machine.awBits;
      const tooLarge =
        evaluated === 'by node'
          ? 0
          : this.#tooLarge(machine, target, piecesOf(notifiers, machine.awBits));
      const kind = `whole ${planName(evaluated)} ${machine.queryKind} ${tooLarge} `;
      const own = `${times} ${planName(sent)} ${machine.backend} ${kind}`;
      classes.set(machine, { times, sent, evaluated, kind, name: own });
    }
    this.#classes = classes;
    this.#classesName = name;
    return classes;
  }

  /** How many UNMAPs of a plan ask for a bitmap that is larger than the container accepts. */
  #tooLarge({ backend, pageSize }: WhatIfMachine, target: Target, { unmaps }: UnmapPlan): number {
    if (backend !== 'legacy' || target.deviceTracking) return 0;
    const { bitmapBytes } = this.#host;
    return unmaps.filter(
      ({ first, last }) => dirtyBitmapBytesOfPages(last - first + 1, pageSize) > bitmapBytes,
    ).length;
  }

  /** What becomes of the unmap of a whole space under tracking. */
  #evaluateWhole(
    world: World,
    target: Target,
    machine: WhatIfMachine,
    plan: UnmapPlan,
    before: WholeUnmap,
  ): WholeEvaluation {
    const counts = new Hazards();
    const results: number[] = [];
    const risk: number[] = [];
    const outcome = this.#outcome;
    for (const { first, last, carried } of plan.unmaps) {
      const nodes = before.shadow.overlapping(first, last);
      this.#evaluate(world, target, machine, first, last, carried, nodes);
      counts.count(first, last, outcome);
      for (let index = 0; index < outcome.riskCount; index += 1) {
        risk.push(outcome.riskFirst(index), outcome.riskLast(index));
      }
      results.push(outcome.errno);
    }
    return { counts, risk, results, left: before.left(machine, plan, results) };
  }

  // --- Sections --------------------------------------------------------------------------------------

  /** A section of RAM is mapped for a device that is not translated; false where it is there. `flags`: permissions. */
  sectionAdded(container: number, first: number, last: number, flags: number): boolean {
    let isNew = false;
    for (const world of this.#worlds) {
      const host = world.host(container);
      if (host.insert(first, last, first, flags | hostFlag.ram)) isNew = true;
    }
    return isNew;
  }

  /** It turns out not to be mapped. */
  sectionForgotten(container: number, first: number, last: number): void {
    for (const world of this.#worlds) world.host(container).remove(first, last);
  }

  /** It turns out to be a ROM. */
  sectionIsReadOnly(container: number, first: number, last: number): void {
    for (const world of this.#worlds) {
      world.host(container).setFlags(first, last, permission.write, 0);
    }
  }

  /** `vfio_listener_region_del`, of a section of RAM, or, where the target has a device, of its IOMMU region. */
  sectionRemoved(target: Target, first: number, last: number, tracking: TrackingState): void {
    const isRam = target.device < 0;
    for (const world of this.#worlds) {
      const host = world.host(target.container);
      const mapped = () =>
        isRam ? host.collect(first, last) : world.shadow(target.device).overlapping(first, last);
      const nodes = mapped();
      const isWritable = isRam && (nodes.count === 0 || (nodes.flags(0) & permission.write) !== 0);
      const carriedBy = ({ profile }: WhatIfMachine) =>
        regionDelCarries(profile, isWritable, first, this.#host.ram.ramPage(first));
      const timesOf = (machine: WhatIfMachine) => timesFor(machine, target, tracking);
      const evaluate = (machine: WhatIfMachine) => {
        const carried = carriedBy(machine);
        // Where nothing tells the place of a section in RAM, it is right.
        const isRight = Number.isNaN(carried);
        const known = isRight ? null : mapped();
        this.#evaluate(world, target, machine, first, last, isRight ? 0 : carried, known);
        return this.#outcome;
      };
      const kindOf = (machine: WhatIfMachine) =>
        `section ${walkKindOf(machine)} ${carriedBy(machine)}`;
      for (const { hazards, machine } of world.sharesOf(kindOf, timesOf)) {
        hazards.add(first, last, evaluate(machine));
      }
      this.#take(world, target, first, last, (machine) =>
        timesOf(machine) === 'tracked'
          ? evaluate(machine).errno
          : this.#untrackedResult(world, target, machine, first, last),
      );
    }
    this.#join();
  }

  // --- What they have in common ----------------------------------------------------------------------

  /** Evaluates an UNMAP under tracking, into `#outcome`. */
  #evaluate(
    world: World,
    target: Target,
    machine: WhatIfMachine,
    first: number,
    last: number,
    carried: number,
    mapped: RangeScratch | null,
  ): void {
    this.#use(machine, target);
    this.#view.mapped = mapped;
    this.#view.host = world.host(target.container);
    this.#sent.clear();
    this.#sent.add(first, last, carried);
    unmapOutcome(this.#sent, this.#scenario, this.#view, this.#outcome);
  }

  /** What an UNMAP returns while nothing is tracked. */
  #untrackedResult(
    world: World,
    target: Target,
    machine: WhatIfMachine,
    first: number,
    last: number,
  ): number {
    const host = world.host(target.container);
    return machine.behaviour.unmapResult(host, first, last, 'none', this.#use(machine, target));
  }

  #use({ behaviour, pageSize, profile }: WhatIfMachine, { deviceTracking }: Target): Scenario {
    const scenario = this.#scenario;
    scenario.profile = profile;
    scenario.backend = behaviour;
    scenario.pageSize = pageSize;
    scenario.deviceTracking = deviceTracking;
    return scenario;
  }

  /** Takes from the host what an UNMAP with these results removes; returns the worlds that come of it. */
  #take(
    world: World,
    { container }: Target,
    first: number,
    last: number,
    resultOf: (machine: WhatIfMachine) => number,
  ): readonly World[] {
    const host = world.host(container);
    if (!host.overlaps(first, last)) return world.alone;
    const isCut = host.straddles(first, last);
    const results = new Map<WhatIfMachine, number>();
    for (const machine of world.machines) results.set(machine, resultOf(machine));
    const effectOf = (machine: WhatIfMachine) => {
      if (machine.backend === 'iommufd') return isCut ? 'part' : 'taken';
      return results.get(machine) === 0 ? 'taken' : 'kept';
    };
    const parts = this.#parted(world.partition(effectOf));
    for (const part of parts) {
      const { machine } = part;
      const result = results.get(machine) ?? 0;
      machine.behaviour.applyUnmap(part.host(container), first, last, result);
    }
    return parts;
  }

  /** What comes of each of some worlds, together. */
  #each(worlds: readonly World[], of: (world: World) => readonly World[]): readonly World[] {
    const [only] = worlds;
    return worlds.length === 1 && only !== undefined ? of(only) : worlds.flatMap(of);
  }

  /** Worlds that one has been parted into are among those that go on. */
  #parted(parts: readonly World[]): readonly World[] {
    if (parts.length > 1) this.#worlds = [...this.#worlds, ...parts.slice(1)];
    return parts;
  }

  /** Worlds in which the same is mapped become one. */
  #join(): void {
    if (this.#worlds.length === 1) return;
    const joined: World[] = [];
    for (const world of this.#worlds) {
      const same = joined.find((other) => other.isSameAs(world));
      if (same === undefined) joined.push(world);
      else same.join(world);
    }
    this.#worlds = joined;
  }
}

/** The effect of an unmap that leaves nothing. */
const ALL = 'all';

/** How machines unmap a whole space. */
interface WholeClass {
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
interface WholeEvaluation {
  readonly counts: Hazards;
  /** Guest pages at risk: first, last, first, last ... */
  readonly risk: readonly number[];
  /** What its UNMAPs return. */
  readonly results: readonly number[];
  /** Translations that it leaves in the host. */
  readonly left: number;
}

/** What is done to shadow and host. */
interface WholeEffect {
  readonly plan: UnmapPlan;
  readonly results: readonly number[];
  readonly name: string;
}

function addWhole(hazards: Hazards, { counts, risk }: WholeEvaluation): void {
  hazards.addAll(counts);
  for (let index = 0; index < risk.length; index += 2) {
    hazards.risk.add(risk[index] as number, risk[index + 1] as number);
  }
}

/** The UNMAPs of a whole space, made when they are asked for. */
class WholePlans {
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
class WholeUnmap {
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
      if (unmaps.length !== this.#mappedCount) return false;
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
function markLeft(host: PageRangeMap, spans: readonly Span[]): number {
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

/** The guest's tables hold a translation again that was stale. */
function usedAgain(host: PageRangeMap, first: number, last: number, gpa: number): void {
  const flags = host.flagsOf(first, last, gpa);
  if (flags >= 0 && (flags & hostFlag.stale) !== 0) host.setFlags(first, last, hostFlag.stale, 0);
}

/** Whether an unmap of the machine asks for dirty bits: `vfio_dma_unmap` and its successors. */
function timesFor(
  { backend, profile }: WhatIfMachine,
  target: Target,
  tracking: TrackingState,
): Times {
  if (backend === 'iommufd' && !target.iommufdTracks) return 'untracked';
  const isTracked = profile.legacyTracking === 'saving' ? tracking.saving : tracking.globalDirty;
  return isTracked ? 'tracked' : 'untracked';
}

/** What `timesFor` depends on, as a number. */
function codeOf({ deviceTracking, iommufdTracks }: Target, tracking: TrackingState): number {
  const { globalDirty, saving } = tracking;
  return (
    (deviceTracking ? 1 : 0) + (iommufdTracks ? 2 : 0) + (globalDirty ? 4 : 0) + (saving ? 8 : 0)
  );
}

/** Whether VT-d unmaps by node instead of in pieces. */
function unmapsByNode({ profile }: WhatIfMachine, tracking: TrackingState): boolean {
  if (profile.unmapInMigration === null) return false;
  return profile.unmapInMigration.when === 'global-dirty'
    ? tracking.globalDirty
    : tracking.migrationRunning;
}

/** Machines of one kind treat the UNMAP of a page walk alike. */
function walkKindOf({ profile, queryKind }: WhatIfMachine): string {
  return `walk ${queryKind} ${profile.legacyTracking}`;
}

const crossingOf = ({ profile }: WhatIfMachine) => profile.crossingEvent;
/** In the place of a kind: what is the same for all machines of a world. */
const anyKind = () => 'any';
const always = () => 'tracked' as const;

function countFailedMap(world: World): void {
  for (const { hazards } of world.sharesOf(anyKind, always)) hazards.failedMaps += 1;
}

function spanOf({ start, end }: AddressRange): Span {
  return { first: pageOf(start), last: pageOf(end) };
}

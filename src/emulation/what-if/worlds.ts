import { PAGE_SHIFT } from '../../base/address.ts';
import type { Mutable } from '../../base/mutable.ts';
import { PageRangeMap } from '../../base/page-range-map.ts';
import type { RamLayout } from '../ram-layout.ts';
import type { Scenario } from '../scenario.ts';
import { dirtyBitmapBytesOfPages } from '../vfio/dirty-bitmap.ts';
import { mapNotifyResult, regionDelCarries } from '../vfio/listener.ts';
import { vtdPageWalkOne } from '../viommu/intel/page-walk.ts';
import { permission } from '../viommu/iova-tree.ts';
import type { AddressRange } from '../viommu/viommu.ts';
import { Extent } from './extent.ts';
import type { Hazards } from './hazards.ts';
import type { WhatIfMachine } from './matrix.ts';
import { hostFlag, part, unite } from './parted-maps.ts';
import { piecesOf, type UnmapPlan } from './plan.ts';
import { RisksOfOperation } from './risk-groups.ts';
import { type Mappings, SharedUnmap, type SharedView } from './shared-unmap.ts';
import {
  ALL,
  markLeft,
  type Span,
  spanOf,
  type WholeClass,
  type WholeClasses,
  type WholeEffect,
  WholePlans,
  WholeUnmap,
} from './whole.ts';
import { WholeEvaluator } from './whole-evaluator.ts';
import { LAST_PAGE, type Times, World } from './world.ts';

/** Ways to unmap whole spaces that are remembered. */
const MOST_CLASSES = 64;

/** Pages of the narrowest vIOMMU, 39 bits. */
const NARROWEST_END = 2 ** 27;

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

/** Whose maps are meant. */
type Place = Pick<Target, 'container' | 'device'>;

/** What is the same for all machines. */
export interface WhatIfHost {
  readonly ram: RamLayout;
  /** Bytes of the largest dirty bitmap. */
  readonly bitmapBytes: number;
  /** Mappings that type1 accepts. */
  readonly entryLimit: number;
}

/** What became of a machine. */
export interface MachineResult {
  readonly machine: WhatIfMachine;
  readonly tracked: Hazards;
  readonly untracked: Hazards;
  /** What a container of the host maps in the end. */
  host(container: number): PageRangeMap;
}

/**
 * Many machines that are given the same by their guest. What QEMU and the host map for all of them is
 * held once, and what is done to it is done, and counted, once. Only pages where something else is
 * mapped in one machine than in another are held by world, a world for all machines for which they are
 * the same: worlds part where an operation leaves something else in one machine than in another, and
 * join where that is over.
 *
 * No page is mapped both for all and in a world of its own.
 */
export class Worlds {
  readonly #host: WhatIfHost;
  readonly #machines: readonly WhatIfMachine[];
  /** How they unmap whole spaces, by what that depends on. */
  readonly #classes = new Map<string, WholeClasses>();
  /** What is the same for all machines. */
  readonly #common: World;
  /** What is not. */
  #worlds: readonly World[];
  /** Pages outside of which no world has anything, between two operations. */
  readonly #own = new Extent();
  readonly #shared = new SharedUnmap();
  readonly #risks = new RisksOfOperation();
  readonly #scenario: Mutable<Scenario>;
  readonly #view: Mutable<SharedView>;

  constructor(machines: readonly WhatIfMachine[], host: WhatIfHost) {
    this.#host = host;
    this.#machines = machines;
    const [first] = machines;
    if (first === undefined) throw new Error('no machine');
    this.#common = new World(machines);
    this.#worlds = [new World(machines)];
    this.#scenario = {
      profile: first.profile,
      tracked: true,
      backend: first.behaviour,
      limits: host,
      pageSize: first.pageSize,
      deviceTracking: false,
    };
    this.#view = { mapped: null, host: this.#common.host(0), ram: host.ram };
  }

  /** How many different states there are now. */
  get count(): number {
    return this.#worlds.length;
  }

  /** Each machine with what became of it. */
  *results(): Generator<MachineResult> {
    for (const world of this.#worlds) {
      const host = (container: number) => this.#hostOf(world, container);
      for (const result of world.results(this.#common)) yield { ...result, host };
    }
  }

  /** All that a container of the host maps for the machines of a world. */
  #hostOf(world: World, container: number): PageRangeMap {
    const all = new PageRangeMap();
    for (const part of [this.#common, world]) {
      for (const { first, flags, last, value } of part.host(container)) {
        all.insert(first, last, value, flags);
      }
    }
    return all;
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
    const isCommon = this.#isCommon(target, first, last);
    if (last >= NARROWEST_END || !isCommon) {
      this.#part(target, first, last);
      for (const world of this.#reached(last)) {
        this.#present(world, target, spans, first, last, gpa, permissions, tracking);
      }
      this.#unite(target, first, last);
      return;
    }
    const step = vtdPageWalkOne(this.#common.shadow(target.device), first, last, gpa, permissions);
    // What is stale is not common.
    if (step === 'skip-map') return;
    if (step === 'change') this.#unmapWalkedInAll(target, spans, first, last, gpa, tracking);
    const way =
      step === 'change' ? this.#wayTo(target, spans, first, last) : wayTo(spans, first, last);
    this.#mapInAll(way, target, spans, first, last, gpa, permissions);
  }

  /** The same in one world, which holds all that is mapped there. */
  #present(
    world: World,
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    gpa: number,
    permissions: number,
    tracking: TrackingState,
  ): void {
    const step = vtdPageWalkOne(world.shadow(target.device), first, last, gpa, permissions);
    if (step === 'skip-map') {
      usedAgain(world.host(target.container), first, last, gpa);
      return;
    }
    const worlds =
      step === 'change'
        ? this.#unmapWalked(world, target, spans, first, last, gpa, tracking)
        : world.alone;
    this.#mapWalked(worlds, target, spans, first, last, gpa, permissions);
  }

  /**
   * The worlds of machines whose walks come to page `last`: `vtd_page_walk` goes up to the address width.
   */
  #reached(last: number): readonly World[] {
    if (last < NARROWEST_END) return this.#worlds;
    const isReached = ({ awBits }: WhatIfMachine) => last < 2 ** (awBits - PAGE_SHIFT);
    return this.#worlds.flatMap((world) => {
      const isParted = world.awBits !== null;
      const parts = isParted
        ? world.alone
        : this.#parted(world.partition((machine) => String(isReached(machine))));
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
    const { device } = target;
    const end = first + pages * count;
    const isMapped = (from: number, to: number) =>
      this.#common.shadow(device).overlaps(from, to) ||
      (this.#own.meets(from, to) &&
        this.#worlds.some((world) => world.shadow(device).overlaps(from, to)));
    if (!isMapped(first, end - 1)) return;
    for (let at = first; at < end; at += pages) {
      const last = at + pages - 1;
      if (count > 1 && !isMapped(at, last)) continue;
      this.#unmapWalkedInAll(target, spans, at, last, carried, tracking);
    }
  }

  /** `vtd_iommu_replay`: the device's shadow is made anew. */
  replayed(device: number): void {
    for (const world of [this.#common, ...this.#worlds]) world.shadow(device).clear();
  }

  /**
   * Sends the UNMAP of a walk to all machines that have something mapped there, and takes the pages
   * from their shadows.
   */
  #unmapWalkedInAll(
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    carried: number,
    tracking: TrackingState,
  ): void {
    const { device, container } = target;
    const way = this.#wayTo(target, spans, first, last);
    if (way !== 'other') {
      const isDone =
        way === 'none' || this.#countUnmap(this.#common, target, first, last, carried, tracking);
      if (isDone) {
        if (way === 'whole') this.#common.host(container).remove(first, last);
        this.#common.shadow(device).remove(first, last);
        return;
      }
    }
    this.#part(target, first, last);
    for (const world of this.#worlds) {
      const shadow = world.shadow(device);
      if (!shadow.overlaps(first, last)) continue;
      if (way === 'other') {
        this.#unmapWalked(world, target, spans, first, last, carried, tracking);
        continue;
      }
      // It is counted already.
      const parts = this.#takeWalked(world, target, first, last, tracking);
      for (const part of parts) part.shadow(device).remove(first, last);
    }
    this.#unite(target, first, last);
  }

  /** An entry whose pages are in no shadow goes into all, and the MAP is sent. */
  #mapInAll(
    way: Way,
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): void {
    const { device, container } = target;
    if (way === 'none' || (way === 'whole' && this.#hasRoom(container))) {
      const common = this.#common;
      common.shadow(device).insert(first, last, gpa, permissions);
      if (way === 'none') return;
      if (!common.host(container).insert(first, last, gpa, permissions)) countFailedMap(common);
      return;
    }
    this.#part(target, first, last);
    this.#mapWalked(this.#worlds, target, spans, first, last, gpa, permissions);
    this.#unite(target, first, last);
  }

  /** Whether type1 accepts one more mapping in every machine. */
  #hasRoom(container: number): boolean {
    const room = this.#roomFor(container);
    for (const world of this.#worlds) {
      if (world.host(container).size >= room) return false;
    }
    return true;
  }

  /** How many mappings type1 accepts beside those that all machines have. */
  #roomFor(container: number): number {
    return this.#host.entryLimit - this.#common.host(container).size;
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
    if (this.#countUnmap(before, target, first, last, carried, tracking)) {
      before.host(target.container).remove(first, last);
      return before.alone;
    }
    return this.#takeWalked(before, target, first, last, tracking);
  }

  /** Counts the UNMAP of a walk; true where it takes the same from the host in all of these machines. */
  #countUnmap(
    before: World,
    target: Target,
    first: number,
    last: number,
    carried: number,
    tracking: TrackingState,
  ): boolean {
    const isLarge = dirtyBitmapBytesOfPages(last - first + 1, 4096) > this.#host.bitmapBytes;
    const timesOf = (machine: WhatIfMachine) => timesFor(machine, target, tracking);
    const code = codeOf(target, tracking);
    const shares = isLarge
      ? before.sharesOf(
          ({ pageSize, queryKind }) => `walk ${queryKind} ${pageSize} ${code}`,
          timesOf,
        )
      : before.sharesNamed(code, ({ queryKind }) => `walk ${queryKind} ${code}`, timesOf);
    const unmap = this.#start(before, target, first, last, carried);
    let hasFailed = false;
    let kind = '';
    for (const { hazards, machine } of shares) {
      if (isLarge || machine.queryKind !== kind) {
        unmap.evaluate(this.#use(machine, target));
        kind = machine.queryKind;
      }
      hazards.add(unmap);
      this.#risks.add(hazards, unmap.risks, before.nobody);
      if (unmap.errno !== 0) hasFailed = true;
    }
    this.#risks.commit();
    // Most take the same everywhere.
    return !hasFailed && !before.host(target.container).straddles(first, last);
  }

  /** Takes from the host of a world what the UNMAP of a walk removes, which has been counted. */
  #takeWalked(
    world: World,
    target: Target,
    first: number,
    last: number,
    tracking: TrackingState,
  ): readonly World[] {
    return this.#take(world, target, first, last, (machine) => {
      const times = timesFor(machine, target, tracking);
      return this.#result(world, target, machine, first, last, times);
    });
  }

  /** An entry goes into the shadows of some worlds, and its MAP to the notifiers of these pages. */
  #mapWalked(
    before: readonly World[],
    target: Target,
    spans: readonly Span[],
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): void {
    for (const world of before) world.shadow(target.device).insert(first, last, gpa, permissions);
    let worlds = before;
    for (const span of spans) {
      if (first > span.last || last < span.first) continue;
      worlds = this.#each(worlds, (world) =>
        this.#map(world, target, span, first, last, gpa, permissions),
      );
    }
  }

  /** A MAP reaches VFIO; returns the worlds that come of it. */
  #map(
    world: World,
    { container }: Target,
    span: Span,
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): readonly World[] {
    const host = world.host(container);
    const entryLimit = this.#roomFor(container);
    const from = Math.max(first, span.first);
    const to = Math.min(last, span.last);
    if (from !== first || to !== last) {
      const parts = this.#parted(world.partition(crossingOf));
      for (const part of parts) {
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
      return parts;
    }
    if (host.size < entryLimit) {
      if (!host.insert(first, last, gpa, permissions)) countFailedMap(world);
      return world.alone;
    }
    const parts = this.#parted(world.partition(({ backend }) => backend));
    for (const part of parts) {
      const own = part.host(container);
      if (part.machine.behaviour.mapResult(own, first, last, entryLimit) !== 0)
        countFailedMap(part);
      else own.insert(first, last, gpa, permissions);
    }
    return parts;
  }

  // --- Whole spaces ----------------------------------------------------------------------------------

  /** The device has left its domain, or was reset: its whole space is unmapped, notifier by notifier. */
  unmapWhole(target: Target, notifiers: readonly AddressRange[], tracking: TrackingState): void {
    for (const notifier of notifiers) {
      const { first, last } = spanOf(notifier);
      // Most of what machines have of their own is in the range of one notifier, and most mappings in another.
      if (this.#isCommon(target, first, last)) {
        this.#unmapWhole(this.#common, target, notifier, tracking);
      } else {
        this.#part(target, first, last);
        for (const world of this.#worlds) this.#unmapWhole(world, target, notifier, tracking);
      }
      this.#unite(target, first, last);
    }
    this.#join();
  }

  /** A notifier is registered: up to 8.0 its replay begins with an unmap of its whole range. */
  registered(target: Target, notifier: AddressRange, tracking: TrackingState): void {
    const isNew = ({ profile }: WhatIfMachine) => String(profile.replayClearsShadow);
    const spans = [spanOf(notifier)];
    this.#partAll(target, spans);
    for (const world of this.#worlds) {
      for (const part of this.#parted(world.partition(isNew))) {
        if (part.machine.profile.replayClearsShadow) continue;
        this.#unmapWhole(part, target, notifier, tracking);
      }
    }
    this.#uniteAll(target, spans);
  }

  /** `world`: the common one, where none has anything in the notifier's range, or one that holds all that is there. */
  #unmapWhole(world: World, target: Target, notifier: AddressRange, tracking: TrackingState): void {
    const span = spanOf(notifier);
    const before = new WholeUnmap(world.shadow(target.device), world.host(target.container), span);
    const plans = new WholePlans(notifier, before.shadow);
    const evaluator = new WholeEvaluator(before, plans, this.#host.ram, {
      scenarioOf: (machine) => this.#use(machine, target),
      isTooLarge: (machine, first, last) => this.#isTooLarge(machine, target, first, last),
    });
    const classes = this.#classesOf(target, notifier, tracking);
    const classOf = (machine: WhatIfMachine) => classes.machines.get(machine) as WholeClass;
    // Which machines are alike depends on all that the name tells.
    const name = `whole ${classes.name}`;
    const shares = world.sharesNamed(
      name,
      (machine) => `${name} ${classOf(machine).kind}${classOf(machine).sent}`,
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
            ? evaluator.of(machine, own).results
            : Array.from({ length: plan.sent.count }, (_, index) =>
                this.#result(
                  world,
                  target,
                  machine,
                  plan.sent.first(index),
                  plan.sent.last(index),
                  'untracked',
                ),
              );
        known = { plan, results, name: before.effectOf(machine, plan, results) };
        effects.set(own.name, known);
      }
      return known;
    };
    for (const { hazards, machine } of shares) {
      const own = classOf(machine);
      const evaluation = evaluator.of(machine, own);
      for (const counts of evaluation.counted) hazards.addAll(counts);
      for (const risks of evaluation.risks) this.#risks.add(hazards, risks, world.nobody);
      // What stays in any case is counted as it happens.
      if (own.times === 'untracked' && effectOf(machine).name === ALL) {
        hazards.stale += evaluation.left;
      }
    }
    this.#risks.commit();
    const nameOf = (machine: WhatIfMachine) => effectOf(machine).name;
    // Of all of them, before the maps change.
    for (const machine of world.machines) effectOf(machine);
    const owners = world === this.#common ? this.#worlds : world.alone;
    const parts = owners.flatMap((own) => this.#parted(own.partition(nameOf)));
    if (world === this.#common) {
      const keeping = parts.filter(({ machine }) => nameOf(machine) !== ALL);
      this.#move(part, target, span.first, span.last, keeping);
      for (const own of keeping) this.#leave(own, target, span, effectOf(own.machine));
      return;
    }
    for (const own of parts) this.#leave(own, target, span, effectOf(own.machine));
  }

  /** Takes from shadow and host what the unmap of a whole space removes. */
  #leave(world: World, target: Target, span: Span, { name, plan, results }: WholeEffect): void {
    const shadow = world.shadow(target.device);
    const host = world.host(target.container);
    const { behaviour } = world.machine;
    for (let index = 0; index < plan.sent.count; index += 1) {
      const first = plan.sent.first(index);
      const last = plan.sent.last(index);
      behaviour.applyUnmap(host, first, last, results[index] ?? 0);
      shadow.remove(first, last);
    }
    if (name === ALL) return;
    const left = markLeft(host, span);
    for (const { hazards } of world.sharesOf(anyKind, always)) hazards.stale += left;
  }

  /** How each machine unmaps what a notifier has of a whole space. */
  #classesOf(target: Target, notifier: AddressRange, tracking: TrackingState): WholeClasses {
    const { bitmapBytes } = this.#host;
    const range = `${notifier.start}-${notifier.end}`;
    const name = `${codeOf(target, tracking)} ${tracking.migrationRunning} ${bitmapBytes} ${range}`;
    const known = this.#classes.get(name);
    if (known !== undefined) return known;
    const machines = new Map<WhatIfMachine, WholeClass>();
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
          : this.#tooLarge(machine, target, piecesOf(notifier, machine.awBits));
      const kind = `whole ${planName(evaluated)} ${machine.queryKind} ${tooLarge} `;
      const own = `${times} ${planName(sent)} ${machine.backend} ${kind}`;
      machines.set(machine, { times, sent, evaluated, kind, name: own });
    }
    const classes = { name, machines };
    if (this.#classes.size >= MOST_CLASSES) this.#classes.clear();
    this.#classes.set(name, classes);
    return classes;
  }

  /** How many UNMAPs of a plan ask for a bitmap that is larger than the container accepts. */
  #tooLarge(machine: WhatIfMachine, target: Target, { sent }: UnmapPlan): number {
    let count = 0;
    for (let index = 0; index < sent.count; index += 1) {
      if (this.#isTooLarge(machine, target, sent.first(index), sent.last(index))) count += 1;
    }
    return count;
  }

  #isTooLarge(
    { backend, pageSize }: WhatIfMachine,
    { deviceTracking }: Target,
    first: number,
    last: number,
  ): boolean {
    if (backend !== 'legacy' || deviceTracking) return false;
    return dirtyBitmapBytesOfPages(last - first + 1, pageSize) > this.#host.bitmapBytes;
  }

  // --- Sections --------------------------------------------------------------------------------------

  /** A section of RAM is mapped for a device that is not translated; false where it is there. `flags`: permissions. */
  sectionAdded(container: number, first: number, last: number, flags: number): boolean {
    let isNew = false;
    this.#ofHosts(container, first, last, (host) => {
      if (host.insert(first, last, first, flags | hostFlag.ram)) isNew = true;
    });
    return isNew;
  }

  /** It turns out not to be mapped. */
  sectionForgotten(container: number, first: number, last: number): void {
    this.#ofHosts(container, first, last, (host) => host.remove(first, last));
  }

  /** It turns out to be a ROM. */
  sectionIsReadOnly(container: number, first: number, last: number): void {
    this.#ofHosts(container, first, last, (host) =>
      host.setFlags(first, last, permission.write, 0),
    );
  }

  /** Does something to these pages of a container in every world. */
  #ofHosts(
    container: number,
    first: number,
    last: number,
    change: (host: PageRangeMap) => void,
  ): void {
    const target = { container, device: -1 };
    this.#part(target, first, last);
    for (const world of this.#worlds) change(world.host(container));
    this.#unite(target, first, last);
  }

  /** `vfio_listener_region_del`, of a section of RAM, or, where the target has a device, of its IOMMU region. */
  sectionRemoved(target: Target, first: number, last: number, tracking: TrackingState): void {
    const isRam = target.device < 0;
    const spans = [{ first, last }];
    this.#partAll(target, spans);
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
        const known = isRight ? null : { overlapping: mapped };
        const unmap = this.#start(world, target, first, last, isRight ? 0 : carried, known);
        unmap.evaluate(this.#use(machine, target));
        return unmap;
      };
      const code = codeOf(target, tracking);
      const kindOf = ({ pageSize, profile, queryKind }: WhatIfMachine) =>
        `section ${queryKind} ${profile.regionDelEntry} ${profile.regionDelAddress} ${pageSize} ${code}`;
      for (const { hazards, machine } of world.sharesOf(kindOf, timesOf)) {
        const unmap = evaluate(machine);
        hazards.add(unmap);
        this.#risks.add(hazards, unmap.risks, world.nobody);
        this.#risks.commit();
      }
      this.#take(world, target, first, last, (machine) =>
        timesOf(machine) === 'tracked'
          ? evaluate(machine).errno
          : this.#result(world, target, machine, first, last, 'untracked'),
      );
    }
    this.#uniteAll(target, spans);
  }

  // --- What they have in common ----------------------------------------------------------------------

  /** An UNMAP to be evaluated under tracking, over what is `mapped`. Reused by the next call. */
  #start(
    world: World,
    target: Target,
    first: number,
    last: number,
    carried: number,
    mapped: Mappings | null = world.shadow(target.device),
  ): SharedUnmap {
    const view = this.#view;
    view.mapped = mapped;
    view.host = world.host(target.container);
    this.#shared.start(first, last, carried, view);
    return this.#shared;
  }

  /** What a notified UNMAP returns. */
  #result(
    world: World,
    target: Target,
    machine: WhatIfMachine,
    first: number,
    last: number,
    times: Times,
  ): number {
    const { behaviour } = machine;
    const scenario = this.#use(machine, target);
    const query = times === 'tracked' ? behaviour.query(scenario, true) : 'none';
    return behaviour.unmapResult(world.host(target.container), first, last, query, scenario);
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

  /** Whether the same is mapped in these pages for all machines. */
  #isCommon({ container, device }: Place, first: number, last: number): boolean {
    if (!this.#own.meets(first, last)) return true;
    for (const world of this.#worlds) {
      if (world.shadow(device).overlaps(first, last)) return false;
      if (world.host(container).overlaps(first, last)) return false;
    }
    return true;
  }

  /** How the events of a walk go in all machines alike. */
  #wayTo(place: Place, spans: readonly Span[], first: number, last: number): Way {
    return this.#isCommon(place, first, last) ? wayTo(spans, first, last) : 'other';
  }

  /** From here on each world holds what is mapped in these pages for itself. */
  #part(target: Place, first: number, last: number): void {
    this.#move(part, target, first, last);
  }

  #partAll(target: Place, spans: readonly Span[]): void {
    for (const { first, last } of spans) this.#part(target, first, last);
  }

  /** What all worlds have in these pages becomes common. */
  #unite(target: Place, first: number, last: number): void {
    this.#move(unite, target, first, last);
    for (const world of this.#worlds) world.addExtent(this.#own, first, last);
  }

  #move(
    how: typeof part | typeof unite,
    { container, device }: Place,
    first: number,
    last: number,
    worlds = this.#worlds,
  ): void {
    if (device >= 0) {
      const shadows = worlds.map((world) => world.shadow(device));
      how(this.#common.shadow(device), shadows, first, last);
    }
    const hosts = worlds.map((world) => world.host(container));
    how(this.#common.host(container), hosts, first, last);
  }

  /** The same, and worlds in which the same is mapped become one. */
  #uniteAll(target: Place, spans: readonly Span[]): void {
    for (const { first, last } of spans) this.#unite(target, first, last);
    this.#join();
  }

  /** Worlds in which the same is mapped become one. */
  #join(): void {
    if (this.#worlds.length > 1) this.#joinSame();
    this.#own.clear();
    for (const world of this.#worlds) world.addExtent(this.#own, 0, LAST_PAGE);
  }

  #joinSame(): void {
    const joined: World[] = [];
    for (const world of this.#worlds) {
      const same = joined.find((other) => other.isSameAs(world));
      if (same === undefined) joined.push(world);
      else same.join(world);
    }
    this.#worlds = joined;
    const [only] = joined;
    if (joined.length === 1 && only !== undefined) only.moveTo(this.#common);
  }
}

/** How the events of a walk go: to no notifier, as they are to one, or in another way. */
type Way = 'none' | 'whole' | 'other';

function wayTo(spans: readonly Span[], first: number, last: number): Way {
  let way: 'none' | 'whole' = 'none';
  for (const span of spans) {
    if (first > span.last || last < span.first) continue;
    if (way === 'whole' || first < span.first || last > span.last) return 'other';
    way = 'whole';
  }
  return way;
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

const crossingOf = ({ profile }: WhatIfMachine) => profile.crossingEvent;
/** In the place of a kind: what is the same for all machines of a world. */
const anyKind = () => 'any';
const always = () => 'tracked' as const;

function countFailedMap(world: World): void {
  for (const { hazards } of world.sharesOf(anyKind, always)) hazards.failedMaps += 1;
}

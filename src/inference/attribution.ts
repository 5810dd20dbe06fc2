import type { DeviceSpace } from './device-space.ts';
import { DeviceSpaces, singleOf } from './device-spaces.ts';
import { step, WalkProgress } from './walk-progress.ts';

/** What QEMU is doing, as far as the lines since the last command show it. */
export type Operation =
  /** Nothing that concerns one device more than another. */
  | 'idle'
  /** Context-cache invalidation of one device: switch, then a walk or a whole unmap. */
  | 'device'
  /** Context-cache invalidation of all: whole unmaps, switches, then each device in turn. */
  | 'all-devices'
  /** IOTLB invalidation of everything: each device in turn. */
  | 'all-walks'
  /** IOTLB invalidation of a domain or of pages in it: each of its devices in turn. */
  | 'domain'
  /** A region was registered, or a dirty sync: one device's tables are replayed. */
  | 'replay';

/** What an invalidation concerns, as far as its line says so. */
export interface Scope {
  /** The domain; -1: all, or none that its line names. */
  readonly domain: number;
  /** Its pages, from `first` to the one before `end`; `end` 0: all. */
  readonly first: number;
  readonly end: number;
}

const EVERYTHING: Scope = { domain: -1, first: 0, end: 0 };
/** The narrowest address space has 39 bits: a walk of all pages goes up to this one at least. */
const NARROWEST_END = 2 ** 27;
/** Its tables have three levels. */
const LOWEST_ROOT = 3;

/**
 * Finds the device that a line without one belongs to, and says whether that is beyond doubt.
 *
 * QEMU visits devices in the order of their registration, the most recent first, and starts each
 * one's walk with a line of the top-level table; a device whose context entry is absent prints that
 * instead. A global invalidation therefore names all devices by their place in the order. What was
 * learned of devices before lines went missing may no longer hold; only what the lines of the same
 * command say does.
 */
export class Attribution extends DeviceSpaces {
  /** Devices with notifiers, the most recently registered first. */
  readonly order: DeviceSpace[] = [];

  /** The trace shows from its start on which devices VFIO has. */
  #hasRoster = false;
  /** Entries without a translation are lines of the trace, so that walks have no holes. */
  #areEmptyEntriesTraced = false;
  /** Tables are lines of the trace, so that each walk shows its root. */
  #areTablesTraced = false;
  /** Invalidations of the IOTLB are lines of the trace, so that each ends the command before. */
  #areInvalidationsTraced = false;
  /** Lines are missing: devices may have changed unseen. */
  #isDoubted = false;

  /** The current command makes QEMU switch all devices. */
  #isRefresh = false;
  /** One command is over, and no other has begun. */
  #isBetween = false;
  #operation: Operation = 'idle';
  #scope: Scope = EVERYTHING;
  /** The device of operation `device`. */
  #device: DeviceSpace | null = null;
  /** Root of the walk of operation `device`; -1 before it. */
  #deviceRoot = -1;
  /** The device whose tables are being replayed, be it in the middle of another operation. */
  #replaying: DeviceSpace | null = null;
  /** A context invalidation of devices has begun, and no line has named one yet. */
  #awaitsDevice = false;
  /** Devices switched since the operation began. */
  readonly #switched = new Set<number>();
  /** Index in `order` of the next device that the operation will visit. */
  #next = 0;
  /** Level of the current walk's top-level table; 0 before the first. */
  #topLevel = 0;
  readonly #progress = new WalkProgress();
  /** A table that may have been the root of the next device's walk was taken for one below the root. */
  #isRootUnsure = false;
  /** The device whose tables are being walked. */
  #walking: DeviceSpace | null = null;
  /** #walking is beyond doubt. */
  #isSure = false;
  /** A root was seen, and nothing tells whose it is. */
  #isAmbiguous = false;
  /** Called where one of several devices' walks was taken for another's. */
  onLostWalk: () => void = () => {};
  /** Called where all tables of a device were walked, and all of the walk's lines seen; `line`: of the root. */
  onWholeWalk: (space: DeviceSpace, line: number) => void = () => {};
  /** The walk under way is one of all tables, and none of its lines was missed. */
  #isWhole = false;
  /** Line of the root of the walk under way. */
  #rootLine = 0;
  #hasHole = false;
  #holeOf: DeviceSpace | null = null;
  /** A walk had a hole before it was known whether empty entries are lines. */
  #hadEarlyHole = false;

  /** Two devices of VFIO may be taken for one. */
  forgetRoster(): void {
    this.#hasRoster = false;
  }

  /** A device got its first notifier: QEMU puts it at the head of its list. */
  register(space: DeviceSpace): void {
    this.unregister(space);
    this.order.unshift(space);
  }

  unregister(space: DeviceSpace): void {
    const index = this.order.indexOf(space);
    if (index >= 0) this.order.splice(index, 1);
  }

  get operation(): Operation {
    return this.#replaying === null ? this.#operation : 'replay';
  }

  /** A new command begins. */
  begin(
    operation: Exclude<Operation, 'replay'>,
    space: DeviceSpace | null = null,
    scope: Scope = EVERYTHING,
  ): void {
    // Fewer walks than devices: one of them began where none was seen to.
    if (this.#isRootUnsure && this.#next < this.order.length) this.onLostWalk();
    this.#isRootUnsure = false;
    this.#operation = operation;
    this.#scope = scope;
    this.#device = space;
    this.#deviceRoot = -1;
    this.#awaitsDevice = false;
    this.#forgetSwitched();
    this.#next = 0;
    this.#endReplay();
    this.#isRefresh = false;
    this.#isBetween = false;
    if (operation === 'domain' || operation === 'all-walks') this.#areInvalidationsTraced = true;
    if (space === null) return;
    space.isDomainKnown = false;
    this.#walk(space, true);
  }

  /**
   * One device's tables are replayed: a region was registered, or dirty pages are being synced. The
   * command that registered the region goes on behind the one walk that belongs to the replay.
   */
  replay(space: DeviceSpace): void {
    this.leaveWalk();
    this.#replaying = space;
    this.#topLevel = 0;
    this.#walk(space, true);
  }

  /** QEMU switches all devices: the context entry of every one may have changed. */
  refreshAll(): void {
    this.#isRefresh = true;
    for (const space of this.spaces) space.isDomainKnown = false;
  }

  /** `vtd_inv_desc_wait_sw`: the command before is over, and whatever comes now has one of its own. */
  waits(): void {
    this.#isBetween = true;
  }

  /** Whether the current command switches the device, or may, as its line says. */
  switches(bdf: number): boolean {
    const isOfDevices = this.#operation === 'device' || this.#operation === 'all-devices';
    // A refresh switches each device once.
    return isOfDevices || this.#awaitsDevice || (this.#isRefresh && !this.#switched.has(bdf));
  }

  /** The current command is a context invalidation of this device. */
  isCommandOf(bdf: number): boolean {
    return (
      this.#operation === 'device' && this.#device !== null && this.#device === this.likely(bdf)
    );
  }

  /** `vtd_inv_desc_cc_devices`: the devices themselves follow, each with a line of its own, if traced. */
  beginDevices(): void {
    this.begin('idle');
    this.#awaitsDevice = true;
  }

  /** `vtd_switch_address_space` of a device. */
  switched(bdf: number): void {
    this.#endReplay();
    const space = this.likely(bdf) ?? null;
    const isOther = this.#operation === 'device' && this.#device !== space;
    if (isOther || (this.#awaitsDevice && space !== null)) {
      // Of another device's command, whose own line is not in the trace.
      this.#operation = space === null ? 'idle' : 'device';
      this.#device = space;
      this.#deviceRoot = -1;
      this.#forgetSwitched();
    }
    this.#switched.add(bdf);
  }

  /**
   * `vtd_ce_not_present` of a device. Its space where this is the look-up that makes QEMU unmap all
   * of it, and not one of those before it is switched; else null.
   */
  absent(bdf: number): DeviceSpace | null {
    const space = this.likely(bdf);
    // Emulated devices are looked up by threads of their own, be it in the middle of a walk.
    if (space === undefined && this.#isInWalk) return null;
    this.#endReplay();
    if (space === undefined) return null;
    space.rootPage = -1;
    space.isRootKnown = true;
    switch (this.#operation) {
      case 'device':
        if (this.#device === space) return this.#switched.delete(bdf) ? space : null;
        // A look-up of another device: the command is over.
        this.#operation = 'idle';
        this.#device = null;
        return null;
      case 'all-devices':
        if (!this.#switched.delete(bdf)) return null;
        this.#visited(space);
        return space;
      case 'all-walks':
        this.#visited(space);
        return space;
      case 'domain':
        this.#visited(space);
        return null;
      default:
        return null;
    }
  }

  /**
   * `vtd_page_walk_level`: the part of a table from page `start` to the one before `end` is walked.
   * True where it is the root's, so that the walk is of these pages.
   */
  level(basePage: number, level: number, start: number, end: number, line: number): boolean {
    this.#areTablesTraced = true;
    const isRoot = this.#isRoot(basePage, level, start);
    if (!isRoot) {
      if (start === 0 && this.order.length > 1) this.#isRootUnsure = this.#visitsAll;
      if (!this.#progress.descend(start)) this.#miss();
      return false;
    }
    if (this.#replaying !== null && this.#topLevel > 0) this.#endReplay();
    else this.leaveWalk();
    this.#topLevel = level;
    this.#progress.begin(start, end);
    this.#isWhole = this.#areEmptyEntriesTraced && isWhole(start, end);
    this.#rootLine = line;
    if (this.#replaying !== null) {
      this.#rootOf(this.#replaying, basePage);
    } else if (this.#isStray(level)) {
      this.#hasHole = true;
      this.#holeOf = null;
      this.#walk(this.singleDevice, false);
    } else {
      if (this.#operation === 'device') this.#forgetSwitched();
      this.#nextWalk(basePage, start, end);
    }
    return true;
  }

  /**
   * The device of a `vtd_page_walk_one` or skip line of the pages `first .. last`; made anew for a
   * domain nobody knows. `domain`: -1 where the line has none.
   */
  walker(domain: number, first: number, last: number): DeviceSpace | null {
    const where = this.#progress.pass(first, last);
    if (where !== step.next) this.#jumped(where);
    if (domain < 0) return this.#walking ?? this.#fallback(domain);
    if (this.#walking !== null) this.#checkDomain(this.#walking, domain);
    const walking = this.#walking ?? this.#fallback(domain);
    if (walking === null) return null;
    walking.domain = domain;
    walking.isDomainKnown = true;
    if (this.#isSure && !this.#areTablesTraced) walking.isRootKnown = true;
    return walking;
  }

  /** The command that makes QEMU walk is an invalidation of single pages. */
  get isOfPages(): boolean {
    return this.#operation === 'domain' && this.#scope.end > 0;
  }

  /** The same for entries without a domain that follow one another, all of them `walker`'s last device's. */
  walkerPasses(first: number, last: number, newest: number): boolean {
    return !this.#hasHole && this.#progress.passAll(first, last, newest);
  }

  /** What `walker` found is beyond doubt. */
  get isSure(): boolean {
    return this.#isSure;
  }

  /** Lines of a walk are missing, and nobody has asked for `takeHole` yet. */
  get hasHole(): boolean {
    return this.#hasHole;
  }

  /** The device in whose walk lines are missing; null: nothing tells whose. */
  takeHole(): DeviceSpace | null {
    this.#hasHole = false;
    return this.#holeOf;
  }

  /** `vtd_page_walk_one_skip_unmap`: from now on, and as it shows also before, walks have no holes. */
  sawEmptyEntry(): void {
    if (this.#areEmptyEntriesTraced) return;
    this.#areEmptyEntriesTraced = true;
    if (!this.#hadEarlyHole) return;
    this.#hasHole = true;
    this.#holeOf = null;
  }

  /** A line that is no walk's has come. */
  leaveWalk(): void {
    if (this.#topLevel > 0 && this.#progress.isOpen) this.#miss();
    const space = this.#replaying ?? this.#walking;
    if (this.#isWhole && this.#isSure && space !== null) this.onWholeWalk(space, this.#rootLine);
    this.#isWhole = false;
    this.#progress.abandon();
  }

  /** A line shows a device of VFIO, as it does for each of them from the start of the machine. */
  enrol(): void {
    this.#hasRoster ||= !this.startsUncertain && !this.#isDoubted;
  }

  /** Lines are missing: what is known of devices from before may not hold any more. */
  doubt(): void {
    this.#isDoubted = true;
    this.#isSure = false;
    this.#forgetRoots();
  }

  /** The device whose tables are being walked; null: none, or nothing tells which. */
  get walking(): DeviceSpace | null {
    return this.#walking;
  }

  /** The only device is the only one that VFIO has, and not just the only one so far. */
  get isSingleDeviceSure(): boolean {
    return this.#hasRoster && this.singleDevice !== null;
  }

  /** The trace shows the machine from its start, and no line of it is known to be missing. */
  get isUndoubted(): boolean {
    return !this.startsUncertain && !this.#isDoubted;
  }

  /** The order of registration is all there is to know, and nothing of it can have been missed. */
  get isOrderSure(): boolean {
    return this.#hasRoster && !this.#isDoubted;
  }

  /** The device of the current command, if it names one. */
  get device(): DeviceSpace | null {
    return this.#replaying ?? this.#device;
  }

  /**
   * The device of an UNMAP of pages that AMD-Vi no longer finds in its tables: only what a device has mapped
   * is unmapped, and never by a command for one device, whose line comes before. Null where none has it.
   */
  holderOf(first: number, last: number): { space: DeviceSpace | null; isSure: boolean } {
    const { singleDeviceOrNew: only } = this;
    if (only !== null) return { space: only, isSure: this.isSingleDeviceSure };
    const holders = this.order.filter(({ shadow }) => shadow.overlaps(first, last));
    const isKnown = this.spaces.every(({ interval }) => interval.knowledge === 'whole');
    const isSure = holders.length === 1 && isKnown && this.isOrderSure;
    return { space: holders[0] ?? null, isSure };
  }

  /** A notification that nothing explains is of the current command: the next command would show. */
  get isCommandSure(): boolean {
    return this.device !== null && this.#areInvalidationsTraced && !this.#isDoubted;
  }

  /** Clearing a set makes a new table, even of an empty one; this is done for every command. */
  #forgetSwitched(): void {
    if (this.#switched.size > 0) this.#switched.clear();
  }

  /** The current command concerns each device in turn. */
  get #visitsAll(): boolean {
    return this.#operation === 'all-devices' || this.#operation === 'all-walks';
  }

  /** A walk is under way of which each line is in the trace. */
  get #isInWalk(): boolean {
    return this.#areEmptyEntriesTraced && this.#topLevel > 0 && this.#progress.isOpen;
  }

  #endReplay(): void {
    this.leaveWalk();
    this.#replaying = null;
    this.#topLevel = 0;
    this.#walking = null;
    this.#isAmbiguous = false;
  }

  /** Lines of the walk are missing, if each of its entries is a line. What comes next may be another device's. */
  #miss(): void {
    if (!this.#areEmptyEntriesTraced) {
      this.#hadEarlyHole = true;
      return;
    }
    this.#hasHole = true;
    this.#holeOf = this.#replaying ?? this.#walking;
    this.#isWhole = false;
    this.#isSure = false;
    // The beginning of another walk may be among them.
    this.#forgetRoots();
  }

  #forgetRoots(): void {
    for (const space of this.spaces) {
      space.isRootKnown = false;
      space.isDomainKnown = false;
    }
  }

  #walk(space: DeviceSpace | null, isSure: boolean): void {
    this.#walking = space;
    this.#isSure = isSure && space !== null;
    this.#isAmbiguous = space === null;
  }

  #visited(space: DeviceSpace): void {
    const index = this.order.indexOf(space);
    if (index >= 0) this.#next = index + 1;
    this.#topLevel = 0;
    this.#walking = null;
    this.#isAmbiguous = false;
  }

  /** Whether a table is the root of a walk, and not one further down in the walk under way. */
  #isRoot(basePage: number, level: number, start: number): boolean {
    if (this.#topLevel === 0 || level >= this.#topLevel) return true;
    if (this.#areEmptyEntriesTraced) {
      if (!this.#progress.isOpen) return true;
      if (start === this.#progress.position) return false;
    }
    // A walk goes upward: a table further down in the address space begins another one.
    if (start < this.#progress.position) return true;
    return this.#replaying === null && this.order.some(({ rootPage }) => rootPage === basePage);
  }

  /** The line before has shown the root of the device's tables. */
  #rootOf(space: DeviceSpace, basePage: number): void {
    if (basePage < 0) return;
    space.rootPage = basePage;
    space.isRootKnown = true;
  }

  /** Finds the device whose walk of the pages `start .. end - 1` starts with the table at `basePage` (-1: not in the trace). */
  #nextWalk(basePage: number, start: number, end: number): void {
    if (this.#operation === 'device' && this.#device !== null) {
      const isOwn = this.#deviceRoot < 0 || this.#deviceRoot === basePage;
      if (isOwn && isWhole(start, end)) {
        this.#deviceRoot = basePage;
        this.#walk(this.#device, true);
        this.#rootOf(this.#device, basePage);
        return;
      }
    }
    const { singleDevice: only } = this;
    if (only !== null) {
      this.#walk(only, this.#hasRoster);
      this.#rootOf(only, basePage);
    } else if (this.#visitsAll) this.#walkInOrder(basePage, isWhole(start, end));
    else this.#walkByRoot(basePage, start, end);
  }

  /**
   * Whether a table cannot be the root of a walk that the lines before it ask for: no command does, or
   * it is one further down. Then those of a command and of the walk's beginning are missing.
   */
  #isStray(level: number): boolean {
    return level < LOWEST_ROOT || (this.#isBetween && this.#areInvalidationsTraced);
  }

  /** All devices are walked, one after the other. */
  #walkInOrder(basePage: number, isOfAll: boolean): void {
    const space = this.order[this.#next] ?? null;
    this.#next += 1;
    // A context entry may have changed; a page table without that does not move.
    const isSame = this.#operation === 'all-devices' || space?.rootPage === basePage;
    const fits = basePage < 0 ? this.#areEmptyEntriesTraced : isOfAll && isSame;
    this.#walk(space, fits && this.isOrderSure);
    if (space !== null && basePage >= 0) space.rootPage = basePage;
  }

  /** The device, or the next of several, that has these tables. */
  #walkByRoot(basePage: number, start: number, end: number): void {
    const isAsked = this.#operation === 'domain' && this.#covers(start, end);
    const from = isAsked ? this.#next : 0;
    const index = this.order.findIndex(
      (space, at) => at >= from && this.#hasTables(space, basePage),
    );
    const space = this.order[index] ?? null;
    // Also by one whose registration is missing.
    const isShared = this.spaces.some(
      (other) => other !== space && this.#hasTables(other, basePage),
    );
    if (space === null || (isShared && !isAsked)) {
      this.#walk(null, false);
      return;
    }
    this.#next = index + 1;
    const areRootsKnown = this.order.every(
      (other) => other.isRootKnown && (basePage >= 0 || other.rootPage < 0 || other.isDomainKnown),
    );
    const isOrderTraced = basePage >= 0 || this.#areEmptyEntriesTraced;
    const isNextSure = !isShared || (isOrderTraced && !this.#isDoubted);
    this.#walk(space, this.#hasRoster && areRootsKnown && isNextSure);
  }

  /** Whether a device has these tables, or, where tables are not traced, is in the domain of the command. */
  #hasTables(space: DeviceSpace, basePage: number): boolean {
    return basePage < 0 ? space.domain === this.#scope.domain : space.rootPage === basePage;
  }

  /** Whether a walk of the pages `start .. end - 1` is one that the current command asks for. */
  #covers(start: number, end: number): boolean {
    const { first, end: scopeEnd } = this.#scope;
    return scopeEnd === 0 || end === 0 || (start === first && end <= scopeEnd);
  }

  /** An entry that does not follow the one before it. */
  #jumped(where: number): void {
    if (this.#areTablesTraced) {
      if (this.#topLevel === 0) return;
      this.#miss();
      if (where === step.behind && this.#replaying === null && this.singleDevice === null) {
        this.#walk(null, false);
      }
      return;
    }
    // Without lines of tables, the next device's walk shows by its beginning at the bottom again.
    if (where === step.ahead || this.singleDevice !== null) return;
    if (this.#operation === 'domain' || this.#visitsAll) this.#nextWalk(-1, 0, 0);
  }

  /** The domain of a line against that of the device that is thought to be walked. */
  #checkDomain(walking: DeviceSpace, domain: number): void {
    if (!walking.isDomainKnown || walking.domain === domain) return;
    const mayChange =
      this.#replaying !== null ||
      this.#operation === 'device' ||
      this.#operation === 'all-devices' ||
      this.singleDevice !== null;
    if (!mayChange) this.#walk(null, false);
  }

  /** The device of a walk event where no top-level line came before it. */
  #fallback(domain: number): DeviceSpace | null {
    this.#isSure = false;
    // A root table that several devices have is no better known for the domain's number.
    if (this.#topLevel > 0 && this.#isAmbiguous) return null;
    const { singleDevice: only } = this;
    if (only !== null && (only.bdf !== null || only.domain === domain || only.domain === null)) {
      this.#isSure = this.#hasRoster;
      return only;
    }
    if (this.hasNamed) {
      const inDomain = singleOf(this.spaces, (space) => space.domain === domain);
      this.#isSure = this.isOrderSure && this.order.every((space) => space.domain !== null);
      return inDomain;
    }
    return this.ofDomain(domain);
  }
}

/** A walk of all tables. */
function isWhole(start: number, end: number): boolean {
  return start === 0 && end >= NARROWEST_END;
}

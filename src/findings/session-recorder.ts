import { hex, hexOfPages } from '../base/address.ts';
import { type Verdict, worse } from '../base/vocabulary.ts';
import { plural } from '../base/words.ts';
import { versionNumber } from '../emulation/profiles/profile.ts';
import { E2BIG } from '../emulation/vfio/errno.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { Boot, type BootOptions } from '../inference/boot.ts';
import { boundText, type TraceUse } from '../inference/bounds.ts';
import { bdfText, type DeviceSpace } from '../inference/device-space.ts';
import { isSameAccess, mappingFlag } from '../inference/mapping-flags.ts';
import type { Loss, Operation, OperationOf } from '../inference/operation.ts';
import { DirtyTracking } from '../inference/tracking.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { VfioContainer } from '../inference/vfio-container.ts';
import { vIommuKind } from '../inference/viommu-kind.ts';
import type {
  AddressSpace,
  Container,
  Exposed,
  Hex,
  MappingRecord,
  Migration,
  Mode,
  Model,
  Session as SessionResult,
  Totals,
  TrackingWindow,
  Via,
} from '../result/types.ts';
import type { Rule } from '../rules/rule.ts';
import { modeOf, RuleRunner } from '../rules/runner.ts';
import { ActivityRecorder } from './activity.ts';
import { BootFacts } from './boot-facts.ts';
import type { Excerpts } from './excerpts.ts';
import { Findings, type JudgedFinding } from './findings.ts';
import { leadingOf, migrationOf, migrationOfWindow } from './migration.ts';
import type { ReportWindow } from './report-window.ts';
import { SessionTotals } from './totals.ts';

/** Where unmaps and mappings go, if the user asked for them. */
export interface RecordSink {
  /** `isLeading`: whether tracking was on may show later. The unmap may not be kept. */
  unmap(unmap: Unmap, session: number, mode: Mode | null, isLeading: boolean): void;
  /** The leading unmaps of a session came while tracking was off; false: it stays unknown. */
  settleLeading(session: number, wasOff: boolean): void;
  /** Whether `mapping` is to be called: making the records of a large machine takes a while. */
  readonly takesMappings: boolean;
  mapping(record: MappingRecord): void;
}

/** Sees all that a boot is given, and what comes of it. */
export interface BootObserver {
  /** The boot has taken the cursor's line; in a run, also those before it from behind `lineBefore` on. */
  applied(cursor: BatchCursor, lineBefore: number): void;
  /** Records are reused: whoever is handed one copies what it keeps. */
  operation(operation: Operation): void;
  finish(): void;
}

/** What the recorder tells the trace it belongs to. */
export type LossListener = (loss: Pick<Loss, 'loss' | 'count' | 'mark' | 'detail'>) => void;

/** Ranges and stale mappings listed per address space; the rest is counted in the findings. */
const MOST_STALE = 10_000;
/** The same in all of a session. */
const MOST_STALE_IN_ALL = 10 * MOST_STALE;

const ACCESS = permission.read | permission.write;

const hexPages = (pages: number): Hex => hexOfPages(pages) as Hex;

/**
 * Records one session: replays its events, lets the rules judge, and makes the result of it.
 */
export class SessionRecorder {
  readonly boot: Boot;
  readonly #index: number;
  readonly #window: ReportWindow | null;
  /** Of the whole session, and of what is reported of it. */
  readonly #totals = new SessionTotals();
  readonly #reported: SessionTotals;
  /** Whole unmaps of the session so far, and those of them that are reported. */
  #wholeUnmaps = 0;
  #reportedWhole = 0;
  readonly #findings: Findings;
  readonly #rules: RuleRunner;
  readonly #onLoss: LossListener;
  readonly #activity: ActivityRecorder;
  readonly #sink: RecordSink | null;
  readonly #writer: () => string | null;
  readonly #observer: BootObserver | null;
  /** Byte offset of the end, once the session is over. */
  #end = -1;
  #cursor: BatchCursor | null = null;
  /** Parts of guest memory at risk that the bounds know of. */
  #riskParts = 0;
  /** Stale mappings that may still be listed. */
  #staleLeft = MOST_STALE_IN_ALL;
  /** What QEMU, or libvirt, says first that keeps it from migrating this VM. */
  #blocker: OperationOf<'message'> | null = null;

  /**
   * `writer`: names the process that writes the lines, once it is known. `use`: what the boots of the
   * trace hold together. `observe`: makes an observer of the boot. `window`: what is reported; null: all.
   */
  constructor(
    options: BootOptions,
    rules: readonly Rule[],
    index: number,
    excerpts: Excerpts,
    sink: RecordSink | null,
    onLoss: LossListener,
    writer: () => string | null,
    use: TraceUse,
    observe: ((boot: Boot, index: number) => BootObserver) | null = null,
    window: ReportWindow | null = null,
  ) {
    this.#window = window;
    this.#reported = window === null ? this.#totals : new SessionTotals();
    this.#index = index;
    this.#writer = writer;
    this.#sink = sink;
    this.#onLoss = onLoss;
    this.boot = new Boot(options, (operation) => this.#operation(operation), use);
    this.#observer = observe === null ? null : observe(this.boot, index);
    const { machine } = this.boot;
    const facts = new BootFacts(this.boot, this.#totals, window);
    this.#findings = new Findings(facts, excerpts, machine.bounds, () => this.#now);
    this.#activity = new ActivityRecorder(machine);
    this.#rules = new RuleRunner(rules, facts, (rule) => this.#findings.sink(rule));
  }

  /** Byte offset of the end, once the session is over; before that, -1. */
  get end(): number {
    return this.#end;
  }

  /** Unmaps were evaluated for another version of QEMU than the one that later lines tell without doubt. */
  get isOfAnotherVersion(): boolean {
    const { machine, unmaps } = this.boot;
    return unmaps.wereOfAnotherVersion && !machine.version.isContradicted;
  }

  apply(cursor: BatchCursor): void {
    this.#cursor = cursor;
    if (cursor.line >= this.#activity.nextLine) {
      this.#activity.begin(cursor);
      this.boot.watchedLine = this.#activity.nextLine;
    }
    const { line } = cursor;
    if (this.#window !== null) this.#window.pass(cursor);
    this.boot.apply(cursor);
    if (this.#observer !== null) this.#observer.applied(cursor, line);
  }

  /** Ends the session; `now`: byte offset of the end. Excerpts may still be delivered after it. */
  finish(now: number): void {
    this.#end = now;
    this.boot.vm ??= this.#writer();
    this.boot.finish();
    this.#observer?.finish();
    this.#rules.finish();
    const { tracking } = this.boot.machine;
    const wasOff = tracking.offUntilFirstLine && this.boot.startsAtBoot;
    this.#totals.settleLeading(wasOff);
    if (this.#reported !== this.#totals) this.#reported.settleLeading(wasOff);
    this.#sink?.settleLeading(this.#index, wasOff);
    if (this.#sink?.takesMappings === true) this.#listMappings(this.#sink);
  }

  /** The result; asked for when all excerpts are there. */
  result(): SessionResult {
    const judged = this.#findings.finish();
    const reasons = this.#reasons();
    const verdict = this.#verdict(judged, reasons);
    const exposed = this.#exposed(judged);
    const { boot } = this;
    const { unknownMessages } = boot.machine;
    return {
      vm: boot.vm,
      firstLine: boot.firstLine,
      lastLine: boot.lastLine,
      model: this.#model(),
      verdict,
      migration: this.#migration(judged, verdict, exposed, reasons),
      exposed,
      reasons,
      totals: this.totals(),
      trackingWindows: this.#windows(),
      containers: this.#containers(),
      addressSpaces: this.#addressSpaces(),
      findings: judged.map(({ finding }) => finding),
      activity: this.#activity.result(),
      ...(unknownMessages.count > 0 && {
        unknownMessages: { count: unknownMessages.count, texts: unknownMessages.texts },
      }),
    };
  }

  totals(): Totals {
    const totals = this.#reported;
    const { machine } = this.boot;
    return {
      unmaps: totals.unmaps,
      wholeUnmaps: this.#window === null ? machine.wholeUnmaps : this.#reportedWhole,
      walkUnmaps: totals.walkUnmaps,
      withoutDevice: totals.withoutDevice,
      tracked: totals.tracked.toJSON(),
      untracked: totals.untracked.toJSON(),
      unknownTracking: totals.unknown.toJSON(),
      observed: { failures: totals.failures, e2big: totals.observedE2big },
      hostMappings: { now: machine.mappings.host.now, peak: machine.mappings.host.peak },
      shadowMappings: { now: machine.mappings.shadow.now, peak: machine.mappings.shadow.peak },
    };
  }

  /** Byte offset of the line that is being replayed. */
  get #now(): number {
    return this.#end >= 0 ? this.#end : (this.#cursor?.byteOffset ?? 0);
  }

  #operation(operation: Operation): void {
    this.#observer?.operation(operation);
    if (operation.kind === 'unmap') {
      this.#unmap(operation);
      return;
    }
    if (operation.kind === 'whole-unmap') {
      for (let index = 0; index < operation.count; index += 1) this.#unmap(operation.piece(index));
    }
    const isReported = this.#window === null || this.#window.takes(operation);
    this.#countWhole(isReported);
    if (isReported && operation.kind === 'stale-mappings' && operation.happened)
      this.#activity.stale(operation.mark.line, operation.count);
    if (operation.kind === 'loss') this.#onLoss(operation);
    if (operation.kind === 'message' && isBlocker(operation)) this.#blocker ??= operation;
    if (operation.kind === 'refused-bitmap') {
      this.#totals.countRefusedBitmap();
      if (isReported && this.#reported !== this.#totals) this.#reported.countRefusedBitmap();
    }
    // Only unmaps have a mode that does not depend on the rule.
    if (isReported) this.#rules.handle(operation, 'what-if');
  }

  #unmap(unmap: Unmap): void {
    const { machine } = this.boot;
    const isLeading =
      unmap.tracked === null &&
      machine.tracking.mask === null &&
      machine.options.tracking === 'from-trace';
    this.#totals.count(unmap, isLeading);
    if (unmap.underTracking.hasRisk) this.#watchRisk();
    if (this.#window !== null) {
      const isReported = this.#window.takesUnmap(unmap);
      this.#countWhole(isReported);
      if (!isReported) return;
      this.#reported.count(unmap, isLeading);
    }
    this.#activity.unmap(unmap);
    const mode = modeOf(unmap);
    this.#rules.handle(unmap, mode);
    if (this.#sink !== null) {
      const { harmfulZero, noQuery, pastRamPage, wrongAddress } = unmap.underTracking;
      const losesBits = harmfulZero || wrongAddress || noQuery || pastRamPage >= 0;
      const fails = unmap.errno !== 0 || unmap.underTracking.errno === E2BIG;
      this.#sink.unmap(unmap, this.#index, losesBits || fails ? mode : null, isLeading);
    }
  }

  /** Counts the whole unmaps that came to light since the last operation, in a window that is reported. */
  #countWhole(isReported: boolean): void {
    const { wholeUnmaps } = this.boot.machine;
    if (isReported) this.#reportedWhole += wholeUnmaps - this.#wholeUnmaps;
    this.#wholeUnmaps = wholeUnmaps;
  }

  /** Tells the bounds how much guest memory is remembered as at risk. */
  #watchRisk(): void {
    const reported = this.#reported === this.#totals ? 0 : this.#reported.parts;
    const parts = this.#totals.parts + reported;
    if (parts <= this.#riskParts) return;
    this.boot.machine.bounds.add('memory-at-risk', parts - this.#riskParts);
    this.#riskParts = parts;
  }

  // --- Verdict -------------------------------------------------------------------------------------

  #verdict(judged: readonly JudgedFinding[], reasons: readonly string[]): Verdict {
    let verdict: Verdict = reasons.length > 0 ? 'inconclusive' : 'clean';
    for (const { finding } of judged) {
      if (finding.verdict !== null) verdict = worse(verdict, finding.verdict);
    }
    return verdict;
  }

  #migration(
    judged: readonly JudgedFinding[],
    verdict: Verdict,
    exposed: Exposed,
    reasons: readonly string[],
  ): Migration {
    const made = judged.map(({ finding }) => finding).filter((one) => one.verdict === verdict);
    const migration = migrationOf({
      verdict,
      leading: leadingOf(made),
      exposed,
      threat:
        judged.find(({ threat }) => threat !== null && threat !== 'loses-dirty-pages')?.finding ??
        null,
      refusal: this.#refusal(),
      hasRun: this.boot.machine.tracking.hasMigrated,
      reasons,
    });
    return this.#window === null ? migration : migrationOfWindow(migration);
  }

  /** Why QEMU does not migrate this VM: by its own words, or by its version; null: it may. */
  #refusal(): string | null {
    if (this.#blocker !== null) {
      const { about, mark, text } = this.#blocker;
      return `${(about.says ?? text).replace(/\.$/, '')} (line ${mark.line})`;
    }
    const { machine } = this.boot;
    const { containers, hasNotifications, profile, version } = machine;
    const hasVfio = containers.all.length > 0 || hasNotifications;
    const isBehind = hasVfio && ![null, 'none'].includes(vIommuKind(machine).value);
    return isBehind && version.refusesBehindVIommu
      ? `QEMU of this version (${shownVersion(version.known) ?? profile.id}) refuses to migrate a VM with a VFIO device behind a vIOMMU`
      : null;
  }

  /** Why the verdict cannot be `clean`; empty where it can. */
  #reasons(): readonly string[] {
    const { machine, startsAtBoot } = this.boot;
    const reasons: string[] = [...this.#rules.silenced];
    const { reached } = machine.bounds;
    if (reached !== null) reasons.push(boundText(reached));
    for (const [what, { count, first }] of machine.losses.gaps) {
      reasons.push(`lines are missing: ${what} (${count}, first at line ${first.line})`);
    }
    if (!startsAtBoot && machine.hasNotifications) {
      reasons.push(
        "the trace starts in the middle of the VM's life: earlier mappings are not in it",
      );
    }
    if (reasons.length > 0) reasons.push(...this.#doubtfulIntervals());
    return reasons;
  }

  /** Over how many lines it is doubtful what devices map. */
  #doubtfulIntervals(): readonly string[] {
    const { firstLine, lastLine, machine } = this.boot;
    const lines = lastLine - firstLine + 1;
    const { attribution } = machine;
    // Commands may have named devices that are not VFIO's.
    return attribution.spaces
      .filter((space) => space.doubtful.lines > 0 && attribution.maybeAssigned(space))
      .map((space) => {
        const { doubtful } = space;
        const device = deviceOf(space) ?? 'a device';
        const places = plural(doubtful.intervals, 'place');
        return `what ${device} maps is doubtful in ${doubtful.lines} of ${lines} lines (at ${places}, lines ${doubtful.firstLine} to ${doubtful.lastLine})`;
      });
  }

  /** What would happen had tracking been on where it was not, or is not known to have been. */
  #exposed(judged: readonly JudgedFinding[]): Exposed {
    const { untracked, unknown } = this.#reported;
    const e2big = untracked.e2big + unknown.e2big > 0;
    const lostDirtyPages = untracked.losesDirtyPages || unknown.losesDirtyPages;
    const staleMappings = judged.some(
      ({ finding }) => finding.rule === 'VTD005' && finding.mode === 'what-if',
    );
    const isExposed = e2big || lostDirtyPages || staleMappings;
    return { e2big, lostDirtyPages, staleMappings, via: isExposed ? this.#via() : [] };
  }

  #via(): readonly Via[] {
    const { profile, version } = this.boot.machine;
    const blocked = version.refusesBehindVIommu;
    // In 7.2 only a migration makes unmaps ask for dirty bits.
    if (profile.version < versionNumber(8, 0)) return ['migration'];
    return blocked ? ['dirty-rate', 'dirty-limit'] : ['migration', 'dirty-rate', 'dirty-limit'];
  }

  // --- Parts of the result ---------------------------------------------------------------------------

  #model(): Model {
    const { options, parameters, profile, ram, version } = this.boot.machine;
    const size = (pages: number | undefined) => (pages === undefined ? null : hexPages(pages));
    const layout = { source: ram.source, from: ram.from } as const;
    const tracking = options.tracking;
    const byDefault = {
      value: profile.defaultAwBits,
      source: 'assumed',
      from: `no line tells it; default of the newest machine type of QEMU ${profile.id}`,
    } as const;
    return {
      qemu: version.known,
      vIommu: vIommuKind(this.boot.machine),
      hostPageSize: parameters.hostPageSize,
      maxDirtyBitmapBytes: parameters.bitmapLimit,
      awBits: parameters.awBits.value === null ? byDefault : parameters.awBits,
      dmaEntryLimit: parameters.entryLimit,
      ramSize: { value: size(ram.sizes?.totalPages), ...layout },
      below4g: { value: size(ram.sizes?.belowPages), ...layout },
      tracking: {
        value: tracking,
        ...(tracking === 'from-trace'
          ? this.#sourceOfTracking()
          : { source: 'option', from: '--tracking' }),
      },
    };
  }

  /** What shows whether dirty tracking was on. */
  #sourceOfTracking(): Pick<Model['tracking'], 'source' | 'from'> {
    const { tracking } = this.boot.machine;
    if (tracking.mask !== null) return { source: 'trace', from: 'global_dirty_changed' };
    if (tracking.migrationState !== '') return { source: 'derived', from: 'migrate_set_state' };
    return this.#totals.tracked.unmaps > 0
      ? { source: 'derived', from: "unmaps that QEMU's messages prove to have been tracked" }
      : {
          source: 'assumed',
          from: 'not in the trace; global_dirty_changed or --tracking would tell',
        };
  }

  #windows(): readonly TrackingWindow[] {
    return this.boot.machine.tracking.windows.map((window) => ({
      firstLine: window.first.line,
      lastLine: window.last?.line ?? null,
      firstTime: window.first.time,
      lastTime: window.last?.time ?? null,
      by: DirtyTracking.causeOf(window),
      ...(window.migration !== null && !window.isDoubted && { migration: window.migration }),
      unmaps: window.unmaps,
    }));
  }

  #containers(): readonly Container[] {
    const { attribution, containers } = this.boot.machine;
    return containers.all.map((container) => ({
      id: container.id,
      backend: {
        value: container.backend,
        source: container.backendSource,
        from: backendFrom(container, this.boot.machine.nestedAtLine),
      },
      devices: attribution.devicesIn(container).flatMap((space) => deviceOf(space) ?? []),
      hostMappings: { now: container.host.size, peak: container.peak },
    }));
  }

  #addressSpaces(): readonly AddressSpace[] {
    return this.boot.machine.attribution.spaces.map((space) => ({
      device: deviceOf(space),
      pasid: space.pasid,
      container: space.container?.id ?? null,
      vIommu: space.viommu.name,
      domain: space.domain,
      notifiers: space.lastNotifiers.map(({ start, end }) => ({
        start: hex(start) as Hex,
        end: hex(end) as Hex,
      })),
      shadow: { now: space.shadow.size, peak: space.shadow.peak },
      stale: this.#staleOf(space),
    }));
  }

  #staleOf(space: DeviceSpace): AddressSpace['stale'] {
    const stale: AddressSpace['stale'][number][] = [];
    if (space.container === null || space.container.staleCount === 0) return stale;
    for (const { first, last, value, flags } of space.container.host) {
      if ((flags & mappingFlag.stale) === 0) continue;
      if (stale.length >= Math.min(MOST_STALE, this.#staleLeft)) break;
      const known = (flags & mappingFlag.addressUnknown) === 0;
      stale.push({
        iova: hexPages(first),
        size: hexPages(last - first + 1),
        gpa: known ? hexPages(value) : null,
      });
    }
    this.#staleLeft -= stale.length;
    return stale;
  }

  #listMappings(sink: RecordSink): void {
    const { attribution, containers } = this.boot.machine;
    for (const container of containers.all) {
      const spaces = attribution.devicesIn(container);
      for (const range of container.host) {
        const owner = spaces.length === 1 ? (spaces[0] as DeviceSpace) : null;
        const shadowed = spaces
          .map(({ shadow }) => shadow.flagsOf(range.first, range.last, range.value))
          .find((flags) => flags >= 0 && isSameAccess(flags, range.flags));
        // The host lets a device read whatever it may write; the guest's tables say more.
        const both = shadowed === undefined ? 0 : shadowed & ACCESS;
        const flags = both === 0 ? range.flags : (range.flags & ~ACCESS) | both;
        const where = shadowed === undefined ? 'host' : 'both';
        sink.mapping(this.#mapping({ ...range, flags }, container.id, owner, where));
      }
    }
    for (const space of attribution.spaces) {
      for (const range of space.shadow) {
        const { first, last, value, flags } = range;
        if (space.container?.holds(first, last, value, flags) === true) continue;
        sink.mapping(this.#mapping(range, space.container?.id ?? null, space, 'shadow'));
      }
    }
  }

  #mapping(
    { first, last, value, flags }: { first: number; last: number; value: number; flags: number },
    container: string | null,
    space: DeviceSpace | null,
    where: MappingRecord['in'],
  ): MappingRecord {
    const isTold = (flags & mappingFlag.unknown) === 0;
    const read = (flags & permission.read) !== 0 ? 'r' : '';
    const write = (flags & permission.write) !== 0 ? 'w' : '';
    return {
      session: this.#index,
      container,
      device: space === null ? null : deviceOf(space),
      iova: hexPages(first),
      size: hexPages(last - first + 1),
      gpa: (flags & mappingFlag.addressUnknown) === 0 ? hexPages(value) : null,
      perm: isTold ? read + write : null,
      in: where,
      stale: (flags & mappingFlag.stale) !== 0,
    };
  }
}

/**
 * How the backend is known, why nothing in a container counts as tracked where its host cannot, and
 * why nothing is said of what its devices map where that is the host's.
 */
function backendFrom(
  { backend, backendFrom: from, canTrack }: VfioContainer,
  nestedAtLine: number,
): string {
  const parts = [from];
  if (!canTrack) {
    parts.push("the host's IOMMU tracks no dirty pages (flags of iommufd_backend_alloc_hwpt)");
  }
  if (nestedAtLine > 0 && backend === 'iommufd') {
    parts.push(
      `nested translation (vtd_device_attach_hwpt at line ${nestedAtLine}): the host walks the guest's tables, and QEMU has no shadow of them and unmaps nothing for them`,
    );
  }
  return parts.join('; ');
}

function deviceOf(space: DeviceSpace): string | null {
  return space.bdf === null ? null : bdfText(space.bdf);
}

/** True for a text that says that this VM is not migrated, and was no mere warning. */
function isBlocker({ about, isWarning }: OperationOf<'message'>): boolean {
  return about.operation === 'blocker' && about.isOfOneKind !== true && !isWarning;
}

/** `10.0.13` where the trace prints it, `~10.0` where it is inferred. */
function shownVersion({ source, value }: Model['qemu']): string | null {
  return value === null || source === 'trace' || source === 'option' ? value : `~${value}`;
}

import { createHash } from 'node:crypto';
import { addressOfPage, hex, hexOfPages, humanSize, PAGE_BYTES } from '../base/address.ts';
import { PageRangeSet } from '../base/page-range-set.ts';
import { type Place, ReusedPlace } from '../base/place.ts';
import type { Backend, Cause, Evidence, Mode, Severity, Verdict } from '../base/vocabulary.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { MappedMemory, MessageText } from '../events/messages/index.ts';
import type { Bounds } from '../inference/bounds.ts';
import { ground } from '../inference/claim.ts';
import { bdfText, type DeviceSpace, type KnowledgeInterval } from '../inference/device-space.ts';
import { DirtyTracking, type Window } from '../inference/tracking.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { VfioContainer } from '../inference/vfio-container.ts';
import { fixText } from '../result/fix-text.ts';
import type { Finding, Hex } from '../result/types.ts';
import type { SessionFacts } from '../rules/facts.ts';
import {
  Basis,
  basisOfSession,
  basisOfUnmap,
  type Dependencies,
  signatureOf,
} from '../rules/grounds.ts';
import type { GroupView, Hazard, HazardSink, Rule } from '../rules/rule.ts';
import type { Excerpts } from './excerpts.ts';

/** Tracking windows that have findings of their own; later ones share the last. */
const MOST_WINDOWS = 1000;
/** Ranges of guest memory that a finding lists, and all of a session: their bytes are of all. */
export const MOST_RANGES = 65_536;
const MOST_RANGES_IN_ALL = 4 * MOST_RANGES;

const hexPages = (pages: number): Hex => hexOfPages(pages) as Hex;

/** Hazards of one rule, device, mode, cause and tracking window. */
class Group implements GroupView {
  readonly rule: Rule;
  readonly facts: SessionFacts;
  readonly mode: Mode | null;
  readonly cause: Cause | null;
  readonly topic: string;
  readonly window: number;
  readonly trackedBy: string;
  /** The version of QEMU for which the first was evaluated. */
  readonly profile: Profile;
  count = 0;
  detail = '';
  about: MessageText | null = null;
  memory: MappedMemory | null = null;
  endsQemu = false;
  space: DeviceSpace | null = null;
  container: VfioContainer | null = null;
  domain: number | null = null;
  readonly basis = new Basis();
  /** Guest pages at risk. */
  readonly risk = new PageRangeSet();
  /** The same of unmaps in the current interval, for rules that do not rest on mappings. */
  #openRisk: PageRangeSet | null = null;
  /** The part of the trace in which the newest hazard lies. */
  #interval: KnowledgeInterval | null = null;
  #isDoubtful = false;
  /** Tracking was on in this window. */
  readonly trackingWindow: Window | null;
  readonly errnos = new Set<number>();
  readonly signatures = new Set<number>();
  /** One of them, that of the newest unmap. */
  signature = -1;
  /** What the verdict on its unmaps depends on. */
  restsOn: Dependencies = {};
  excerpt: readonly string[] = [];

  first: Place = { line: 0, byteOffset: 0, time: null };
  last: Place = this.first;
  firstPage = -1;
  lastPage = -1;
  errno: number | null = null;
  carried: Hex | null = null;
  expected: Hex | null = null;
  misplaced: Hex | null = null;
  bitmapBytes: Hex | null = null;
  limitBytes: Hex | null = null;
  pastRamPage = -1;
  worstPages = -1;
  worst: Finding['worst'] = null;
  /** Of the newest unmap. */
  readonly #last = new ReusedPlace();

  constructor(
    rule: Rule,
    facts: SessionFacts,
    mode: Mode | null,
    cause: Cause | null,
    topic: string,
    window: number,
  ) {
    this.rule = rule;
    this.facts = facts;
    this.mode = mode;
    this.cause = cause;
    this.topic = topic;
    this.window = window;
    this.profile = facts.profile;
    const current = facts.trackingWindow;
    this.trackingWindow = current;
    this.trackedBy = current === null ? '' : DirtyTracking.causeOf(current);
  }

  /** True where a hazard of an unmap belongs here, by what tells groups of one rule apart. */
  takes(
    mode: Mode,
    cause: Cause,
    space: DeviceSpace | null,
    container: VfioContainer | null,
    window: number,
    topic: string,
  ): boolean {
    const isAlike =
      mode === this.mode && cause === this.cause && window === this.window && topic === this.topic;
    return isAlike && space === this.space && (space !== null || container === this.container);
  }

  get device(): string | null {
    const bdf = this.space?.bdf ?? null;
    return bdf === null ? null : bdfText(bdf);
  }
  get backend(): Backend | null {
    return (this.container ?? this.space?.container)?.backend ?? null;
  }
  get iova(): Hex | null {
    return this.firstPage < 0 ? null : hexPages(this.firstPage);
  }
  get size(): Hex | null {
    return this.firstPage < 0 ? null : (hex(this.#sizeBytes) as Hex);
  }
  get sizeText(): string {
    return this.firstPage < 0 ? '' : humanSize(this.#sizeBytes);
  }
  get bitmapText(): string {
    return this.bitmapBytes === null ? '' : humanSize(BigInt(this.bitmapBytes));
  }
  get limitText(): string {
    return this.limitBytes === null ? '' : humanSize(BigInt(this.limitBytes));
  }
  get atRiskBytes(): number {
    return this.risk.pages * PAGE_BYTES;
  }
  get atRiskText(): string {
    if (this.risk.pages > 0) return `${humanSize(this.atRiskBytes)} of guest memory`;
    return 'guest memory that the trace does not name';
  }

  get lastLine(): number {
    return this.lastMark.line;
  }

  get #sizeBytes(): bigint {
    return addressOfPage(this.lastPage - this.firstPage + 1);
  }

  /** Some of the mappings that it is about were doubtful, be it that this showed only later. */
  get isDoubtful(): boolean {
    return this.#isDoubtful || this.#interval?.knowledge === 'doubtful';
  }

  /** A hazard in this interval of the trace joins. */
  enter(interval: KnowledgeInterval | null): void {
    if (interval === this.#interval) return;
    this.closeInterval();
    this.#interval = interval;
  }

  /**
   * The interval is over, and what it was is known for good. What only mappings tell, and not the
   * hazard itself, is given up where they were doubtful.
   */
  closeInterval(): void {
    const wasDoubtful = this.#interval?.knowledge === 'doubtful';
    this.#isDoubtful ||= wasDoubtful;
    if (this.#openRisk !== null && !wasDoubtful) this.risk.addAll(this.#openRisk);
    this.#openRisk = null;
  }

  /** Adds the guest pages that an unmap puts at risk. */
  addRisk(unmap: Unmap): void {
    const outcome = unmap.underTracking;
    if (!outcome.hasRisk) return;
    let risk = this.risk;
    if (this.restsOn.mappings !== true) {
      if (unmap.mappings.value === 'doubtful') return;
      this.#openRisk ??= new PageRangeSet();
      risk = this.#openRisk;
    }
    outcome.addRisksTo(risk);
  }

  /** Remembers where the newest is; called for every unmap. */
  setLast({ place }: Unmap): void {
    this.#last.set(place);
  }

  get lastMark(): Place {
    return this.#last.line === 0 ? this.last : this.#last.mark;
  }
}

/** A finding, with what it would make of its session under dirty tracking; null where nothing, or it happened. */
export interface JudgedFinding {
  readonly finding: Finding;
  readonly threat: Verdict | null;
}

/** Gathers the hazards of a session into findings that a person can read. */
export class Findings {
  readonly #facts: SessionFacts;
  readonly #excerpts: Excerpts;
  /** Byte offset of the line that is being replayed. */
  readonly #now: () => number;
  readonly #bounds: Bounds;
  readonly #groups = new Map<string, Group>();
  /** Devices that findings are about, numbered as they come. */
  readonly #spaces = new Map<DeviceSpace, number>();
  /** Ranges that may still be listed. */
  #rangesLeft = MOST_RANGES_IN_ALL;

  constructor(facts: SessionFacts, excerpts: Excerpts, bounds: Bounds, now: () => number) {
    this.#facts = facts;
    this.#bounds = bounds;
    this.#excerpts = excerpts;
    this.#now = now;
  }

  /** Where the hazards of `rule` go. */
  sink(rule: Rule): HazardSink {
    // The group of the hazard before: most hazards join it.
    let recent: Group | null = null;
    return {
      unmap: (unmap, mode, topic = 'unmap') => {
        const window = this.#windowOf(mode);
        const owner = unmap.space.has(ground.sure) ? unmap.space.value : null;
        const container = unmap.container.has(ground.sure) ? unmap.container.value : null;
        if (recent === null || !recent.takes(mode, unmap.cause, owner, container, window, topic)) {
          recent = this.#group(rule, mode, unmap.cause, topic, owner, container, window);
        }
        this.#countUnmap(recent, unmap);
      },
      add: (hazard) => this.#addHazard(rule, hazard),
    };
  }

  /** The findings, worst rules first in their order, then by place. */
  finish(): readonly JudgedFinding[] {
    return [...this.#groups.values()].map((group) => ({
      finding: this.#finding(group),
      threat: group.mode === 'what-if' ? group.rule.verdict(group) : null,
    }));
  }

  #windowOf(mode: Mode | null): number {
    if (mode === 'what-if' || mode === null) return 0;
    return Math.min(this.#facts.trackingWindow?.ordinal ?? 0, MOST_WINDOWS);
  }

  #indexOf(space: DeviceSpace): number {
    const known = this.#spaces.get(space);
    if (known !== undefined) return known;
    const index = this.#spaces.size + 1;
    this.#spaces.set(space, index);
    return index;
  }

  #group(
    rule: Rule,
    mode: Mode | null,
    cause: Cause | null,
    topic: string,
    space: DeviceSpace | null,
    container: VfioContainer | null,
    window: number,
  ): Group {
    const owner = space === null ? (container?.id ?? '') : `space ${this.#indexOf(space)}`;
    const key = [rule.id, mode, cause, topic, owner, window].join('|');
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new Group(rule, this.#facts, mode, cause, topic, window);
    group.space = space;
    group.container = container;
    this.#groups.set(key, group);
    this.#bounds.add('findings');
    return group;
  }

  #countUnmap(group: Group, unmap: Unmap): void {
    const { restsOn = {} } = group.rule;
    group.count += 1;
    group.restsOn = restsOn;
    const signature = signatureOf(unmap, this.#facts);
    if (signature !== group.signature) {
      group.signature = signature;
      if (!group.signatures.has(signature)) {
        group.signatures.add(signature);
        group.basis.addAll(basisOfUnmap(unmap, this.#facts, restsOn));
      }
    }
    if (group.count === 1) this.#describeFirst(group, unmap);
    group.setLast(unmap);
    group.errnos.add(unmap.errno);
    const { pastRamPage } = unmap.underTracking;
    if (pastRamPage > group.pastRamPage) group.pastRamPage = pastRamPage;
    const pages = unmap.last - unmap.first + 1;
    if (pages > group.worstPages) {
      group.worstPages = pages;
      group.worst = {
        place: unmap.place.mark,
        iova: hexPages(unmap.first),
        size: hex(addressOfPage(pages)) as Hex,
        bitmapBytes: hex(unmap.bitmapBytes) as Hex,
      };
    }
    group.enter(unmap.mappings.interval);
    group.addRisk(unmap);
  }

  #describeFirst(group: Group, unmap: Unmap): void {
    group.first = unmap.place.mark;
    group.firstPage = unmap.first;
    group.lastPage = unmap.last;
    group.domain = unmap.domain;
    group.carried = unmap.carried < 0 ? null : hexPages(unmap.carried);
    const { expected, misplaced } = unmap.underTracking;
    group.expected = expected < 0 ? null : hexPages(expected);
    group.misplaced = misplaced < 0 ? null : hexPages(misplaced);
    group.bitmapBytes = hex(unmap.message.bitmapBytes || unmap.bitmapBytes) as Hex;
    group.limitBytes = hex(this.#facts.bitmapLimit.value) as Hex;
    group.errno = unmap.errno;
    this.#quote(group);
  }

  #addHazard(rule: Rule, hazard: Hazard): void {
    const { mode, cause = null, topic = '', space = null, container = null } = hazard;
    const group = this.#group(rule, mode, cause, topic, space, container, this.#windowOf(mode));
    if (group.count === 0) {
      group.first = hazard.mark;
      group.firstPage = hazard.first ?? -1;
      group.lastPage = hazard.last ?? -1;
      group.domain = space?.domain ?? null;
      group.errno = hazard.errno ?? null;
      group.detail = hazard.detail ?? '';
      group.about = hazard.about ?? null;
      group.memory = hazard.memory ?? null;
      group.endsQemu = hazard.endsQemu ?? false;
      if (hazard.bitmapBytes !== undefined) {
        group.bitmapBytes = hex(hazard.bitmapBytes) as Hex;
        group.limitBytes = hex(this.#facts.bitmapLimit.value) as Hex;
      }
      this.#quote(group);
    }
    group.count += hazard.count ?? 1;
    group.last = hazard.mark;
    group.basis.addAll(hazard.basis);
    group.restsOn = hazard.restsOn ?? {};
    group.enter(space === null ? null : space.interval);
    for (const [first, last] of hazard.risk ?? []) group.risk.add(first, last);
  }

  /** The lowest ranges of a set, as far as results list them. */
  #listed(risk: PageRangeSet): Finding['atRisk'] {
    const ranges: Finding['atRisk'][number][] = [];
    const most = Math.min(MOST_RANGES, this.#rangesLeft);
    for (const { first, last } of risk) {
      if (ranges.length >= most) break;
      ranges.push({ gpa: hexPages(first), size: hexPages(last - first + 1) });
    }
    this.#rangesLeft -= ranges.length;
    return ranges;
  }

  #quote(group: Group): void {
    this.#excerpts.request(group.first, this.#now(), (lines) => {
      group.excerpt = lines;
    });
  }

  #finding(group: Group): Finding {
    const { rule } = group;
    const isSeen = group.mode === 'observed';
    const container = group.container ?? group.space?.container ?? null;
    const restsOn: Dependencies = {
      ...group.restsOn,
      tracking: group.mode === 'active',
      sectionAddress: group.cause === 'region-del' && group.restsOn.address === true,
      // Under tracking, 11.x sends no such pieces.
      unmapInMigration: group.mode === 'what-if' && isWholeUnmap(group.cause),
    };
    group.basis.addAll(basisOfSession(this.#facts, container, restsOn, isSeen, group.profile));
    group.closeInterval();
    if (group.isDoubtful && !isSeen && restsOnMappings(group)) group.basis.add('mappingsDoubtful');
    if (group.mode === 'active' && group.trackingWindow?.isDoubted === true) {
      group.basis.add('trackingDoubted');
    }
    const evidence: Evidence = group.basis.evidence;
    const severity: Severity = rule.severity(group);
    const fix = rule.fix(group);
    return {
      id: idOf(group),
      rule: rule.id as Finding['rule'],
      slug: rule.slug,
      severity,
      verdict: group.mode === 'what-if' ? null : rule.verdict(group),
      mode: group.mode,
      evidence,
      device: group.device,
      pasid: group.space?.pasid ?? null,
      container: container?.id ?? null,
      domain: group.domain,
      cause: group.cause,
      count: group.count,
      first: group.first,
      last: group.lastMark,
      iova: group.iova,
      size: group.size,
      carriedAddress: group.carried,
      expectedAddress: group.expected,
      bitmapBytes: group.bitmapBytes,
      limitBytes: group.limitBytes,
      errno: group.errno,
      worst: group.worst,
      atRisk: this.#listed(group.risk),
      atRiskBytes: group.atRiskBytes,
      message: rule.message(group),
      basis: group.basis.texts,
      fix: fixText(fix),
      fixDetails: fix,
      excerpt: group.excerpt,
    };
  }
}

/** Whether an unmap of this cause is a piece of a whole one. */
function isWholeUnmap(cause: Cause | null): boolean | 'maybe' {
  return cause === 'unknown' ? 'maybe' : cause === 'whole-unmap';
}

/** Hazards that are no unmaps are about mappings, if about a device at all. */
function restsOnMappings({ topic, restsOn }: Group): boolean {
  return !topic.startsWith('unmap') || restsOn.mappings === true;
}

function idOf(group: Group): string {
  const { rule, device, mode, cause, topic, window } = group;
  const text = [rule.id, device, mode, cause, topic, window].join('|');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

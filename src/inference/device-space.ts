import { type AddressRange, isSameRange, type Viommu } from '../emulation/viommu/viommu.ts';
import { Shadow } from './shadow.ts';
import type { VfioContainer } from './vfio-container.ts';

/** How well it is known what a device maps. */
export type Knowledge =
  /** All of it. */
  | 'whole'
  /** The trace starts late: what it has shown since is right, and there may be more. */
  | 'partial'
  /** Lines are missing: some of it may be gone, or other than it seems. */
  | 'doubtful';

/**
 * A part of the trace, from one point at which it was plain what a device maps to the next. A loss
 * that shows late may lie anywhere between: then all of it is doubtful, afterwards too.
 */
export class KnowledgeInterval {
  /** Line at which it begins. */
  readonly from: number;
  knowledge: Knowledge;

  constructor(from: number, knowledge: Knowledge) {
    this.from = from;
    this.knowledge = knowledge;
  }
}

/**
 * One device (and PASID) behind the emulated IOMMU, as QEMU's `VTDAddressSpace`: with the notifiers
 * that VFIO has registered on it and the shadow of its translations.
 */
export class DeviceSpace {
  /** bus << 8 | devfn, or null while no line has named the device. */
  bdf: number | null;
  /** The kind of IOMMU that it is behind. */
  viommu: Viommu;
  readonly pasid: number | null = null;
  /** The domain of the last context entry or walk seen; null if none was. */
  domain: number | null = null;
  /** That is the domain of the current context entry. */
  isDomainKnown = false;
  /** Page of the page-table root in the context entry; -1 if unknown. */
  rootPage = -1;
  /** That, or that there is none, was learned since lines went missing, if any did. */
  isRootKnown = false;
  /** Newest first, as QEMU's list is walked. */
  readonly notifiers: AddressRange[] = [];
  /** Notifiers that were seen once; kept for reports when they are gone. */
  lastNotifiers: readonly AddressRange[] = [];
  readonly shadow = new Shadow();
  container: VfioContainer | null = null;
  /** Lines that name no device were taken for this one's, and some are another's: what it maps is never known again. */
  mayBeSeveral = false;
  /** The current one. */
  interval: KnowledgeInterval;
  /** Intervals that were doubtful, with their lines in all, the first's first and the last's last. */
  readonly doubtful = { intervals: 0, lines: 0, firstLine: 0, lastLine: 0 };

  constructor(viommu: Viommu, bdf: number | null, knowledge: Knowledge = 'whole') {
    this.viommu = viommu;
    this.bdf = bdf;
    this.interval = new KnowledgeInterval(0, knowledge);
  }

  /** From `line` on it is plain what the device maps. */
  becomeKnown(line: number): void {
    this.#closeInterval(line);
    this.interval = new KnowledgeInterval(line, this.mayBeSeveral ? 'doubtful' : 'whole');
  }

  /**
   * Lines are missing at `line`, or, where `isBefore`, somewhere since the interval began. False where
   * that is no news: a loss that is known already may be what shows.
   */
  lose(line: number, isBefore: boolean): boolean {
    if (this.interval.knowledge === 'doubtful') return false;
    if (isBefore) this.interval.knowledge = 'doubtful';
    else this.interval = new KnowledgeInterval(line, 'doubtful');
    return true;
  }

  /** The session ends at `line`. */
  finish(line: number): void {
    this.#closeInterval(line);
  }

  #closeInterval(line: number): void {
    const { from, knowledge } = this.interval;
    if (knowledge !== 'doubtful') return;
    const { doubtful } = this;
    if (doubtful.intervals === 0) doubtful.firstLine = from;
    doubtful.intervals += 1;
    doubtful.lines += line - from;
    doubtful.lastLine = line;
  }

  /** The notifiers to emulate: those registered, else those that VFIO always registers. */
  get effectiveNotifiers(): readonly AddressRange[] {
    if (this.notifiers.length > 0) return this.notifiers;
    return this.viommu.notifierRanges;
  }

  addNotifier(range: AddressRange): void {
    this.notifiers.unshift(range);
    this.lastNotifiers = [...this.notifiers];
  }

  removeNotifier(range: AddressRange): boolean {
    const index = this.notifiers.findIndex((notifier) => isSameRange(notifier, range));
    if (index >= 0) this.notifiers.splice(index, 1);
    return index >= 0;
  }
}

/** `bb:ss.f` of bus << 8 | devfn. */
export function bdfText(bdf: number): string {
  const hexByte = (value: number) => value.toString(16).padStart(2, '0');
  return `${hexByte(bdf >>> 8)}:${hexByte((bdf >>> 3) & 0x1f)}.${(bdf & 7).toString(16)}`;
}

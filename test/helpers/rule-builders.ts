import { PageRangeMap } from '../../src/base/page-range-map.ts';
import type { Place } from '../../src/base/place.ts';
import type { Backend, Cause } from '../../src/base/vocabulary.ts';
import { Outcome } from '../../src/emulation/outcome.ts';
import type { Profile } from '../../src/emulation/profiles/profile.ts';
import { qemu10_0 } from '../../src/emulation/profiles/qemu-10.0.ts';
import { PcRamLayout } from '../../src/emulation/ram-layout.ts';
import { type Scenario, unmapOutcome } from '../../src/emulation/scenario.ts';
import { NO_ENTRY } from '../../src/emulation/vfio/container-backend.ts';
import {
  DEFAULT_BITMAP_LIMIT,
  dirtyBitmapBytesOfPages,
} from '../../src/emulation/vfio/dirty-bitmap.ts';
import { intelIommu } from '../../src/emulation/viommu/intel/index.ts';
import { permission } from '../../src/emulation/viommu/iova-tree.ts';
import { SentUnmaps } from '../../src/emulation/viommu/sent.ts';
import { messageTexts } from '../../src/events/messages/index.ts';
import { ground } from '../../src/inference/claim.ts';
import { DeviceSpace, type Knowledge } from '../../src/inference/device-space.ts';
import type { FailedMap, Message, StaleMappingsLeft } from '../../src/inference/operation.ts';
import type { Window } from '../../src/inference/tracking.ts';
import { Unmap } from '../../src/inference/unmap.ts';
import { VfioContainer } from '../../src/inference/vfio-container.ts';
import type { SessionFacts } from '../../src/rules/facts.ts';

/** Operations for tables of rules: each builder has to be told only what matters. Pages everywhere. */

export const MIB = 2 ** 20 / 4096;
export const GIB = 1024 * MIB;
export const TIB = 1024 * GIB;

export const mark = (line: number): Place => ({ line, byteOffset: line * 100, time: null });

/** 4 GiB of RAM, 2 GiB of it below the hole. */
const RAM = new PcRamLayout(4 * GIB, 2 * GIB);

export const trackingWindow: Window = {
  first: mark(1),
  last: null,
  bits: 1,
  unmaps: 0,
  ordinal: 1,
  isDoubted: false,
  migration: null,
};

/** What a complete trace of QEMU 10.0 shows while a migration runs. */
export function someFacts(given: Partial<SessionFacts> = {}): SessionFacts {
  return {
    profile: qemu10_0,
    versionSource: 'trace',
    versionsAgree: () => true,
    isTrackingOption: false,
    isFlagWordTraced: true,
    globalDirty: true,
    trackingWindow,
    hostPageSize: { value: 4096, source: 'trace', from: 'a message' },
    bitmapLimit: { value: DEFAULT_BITMAP_LIMIT, source: 'derived', from: 'the kernel' },
    isBitmapLimitBounded: false,
    entryLimit: { value: 65_535, source: 'assumed', from: 'the kernel' },
    viommu: intelIommu,
    mayHaveVIommu: true,
    mayHaveAwBits: true,
    completedMigration: null,
    lastDirtyQueryLine: 0,
    areSyncsOfOthers: false,
    ramPages: RAM.totalPages,
    ramSource: 'derived',
    mayHaveTracked: true,
    unmapsOfUnknownTracking: { hasHazard: false, uncertain: 0 },
    uncertainUnderTracking: { count: 0, firstLine: 0, lastLine: 0 },
    hasContainers: true,
    mayLackNotifications: false,
    unseenSkipAtLine: 0,
    unseenMoveAtLine: 0,
    unseenSyncAtLine: 0,
    unseenChangeAtLine: 0,
    mayHaveUnseenSyncs: false,
    hasUnexplainedSwitch: false,
    isTraced: () => true,
    hasMessages: true,
    areOperationsInferred: false,
    isDeviceLogKnown: true,
    hasTooManyLosses: false,
    diedAtLine: 0,
    ...given,
  };
}

export function aContainer(backend: Backend = 'legacy'): VfioContainer {
  const container = new VfioContainer('container-0');
  container.setBackend(backend, 'trace', 'its lines');
  container.isTrackingTold = true;
  return container;
}

/** 00:10.0, in a legacy container: the device of all that is built here, so that findings group it. */
export const space = new DeviceSpace(intelIommu, 0x80);
space.domain = 1;
const shared = aContainer();
space.container = shared;

export type Mapping = readonly [first: number, last: number, gpa: number, access?: 'r' | 'rw'];

export interface UnmapGiven {
  readonly first: number;
  readonly last: number;
  /** What is mapped under it, in the shadow and in the host. */
  readonly mapped?: readonly Mapping[];
  /** What the host maps beside it. */
  readonly host?: readonly Mapping[];
  readonly cause?: Cause;
  /** The page that it carries; by default 0, as of a whole unmap; `none`: it comes without an entry. */
  readonly carried?: number | 'none';
  /** Dirty pages were tracked; null: the trace does not show it. By default they were. */
  readonly tracked?: boolean | null;
  /** What QEMU's message says that it returned. */
  readonly says?: number;
  readonly backend?: Backend;
  readonly profile?: Profile;
  /** Every device logs its own DMA. */
  readonly deviceTracking?: boolean;
  readonly pageSize?: number;
  readonly bitmapLimit?: number;
  readonly knowledge?: Knowledge;
  readonly line?: number;
}

/** An unmap of 00:10.0, with what becomes of it by the emulation. */
export function anUnmap({
  first,
  last,
  mapped = [],
  host = [],
  cause = 'whole-unmap',
  carried = 0,
  tracked = true,
  says,
  backend = 'legacy',
  profile = qemu10_0,
  deviceTracking = false,
  pageSize = 4096,
  bitmapLimit = DEFAULT_BITMAP_LIMIT,
  knowledge = 'whole',
  line = 10,
}: UnmapGiven): Unmap {
  const container = aContainer(backend);
  const shadow = new PageRangeMap();
  for (const [from, to, gpa, access = 'rw'] of [...mapped, ...host]) {
    const flags = permission.read | (access === 'rw' ? permission.write : 0);
    container.map(from, to, gpa, flags);
  }
  for (const [from, to, gpa, access = 'rw'] of mapped) {
    const flags = permission.read | (access === 'rw' ? permission.write : 0);
    shadow.insert(from, to, gpa, flags);
  }
  const scenario: Scenario = {
    profile,
    tracked: true,
    backend: container.behaviour,
    limits: { bitmapBytes: bitmapLimit },
    pageSize,
    deviceTracking,
  };
  const world = {
    mapped: shadow.collect(first, last),
    host: container.host,
    ram: RAM,
  };
  const entry = carried === 'none' ? NO_ENTRY : carried;
  const sent = new SentUnmaps();
  sent.add(first, last, entry);
  const unmap = new Unmap();
  unmap.place.line = line;
  unmap.place.byteOffset = line * 100;
  unmap.first = first;
  unmap.last = last;
  unmap.cause = cause;
  unmap.carried = entry;
  unmap.domain = 1;
  unmap.tracked = tracked;
  unmap.bitmapBytes = dirtyBitmapBytesOfPages(last - first + 1, pageSize);
  unmap.space.set(space, ground.sure | ground.named);
  unmap.container.set(container, ground.sure);
  unmap.mappings.set(knowledge, 0);
  unmapOutcome(sent, scenario, world, unmap.underTracking);
  if (tracked !== null) {
    const traced = unmapOutcome(sent, { ...scenario, tracked }, world, new Outcome());
    unmap.asTraced.query = traced.query;
    unmap.asTraced.errno = traced.errno;
  }
  if (says !== undefined) {
    unmap.message.isSeen = true;
    unmap.asTraced.errno = says;
    if (says !== 0 && unmap.underTracking.errno === 0) unmap.underTracking.markNothing();
  }
  return unmap;
}

/** A MAP of a page that the host refused, as QEMU says. */
export function aFailedMap(given: Partial<FailedMap> & Pick<FailedMap, 'errno'>): FailedMap {
  return {
    kind: 'failed-map',
    isRepeated: false,
    mark: mark(10),
    space,
    container: shared,
    first: 0x100,
    last: 0x100,
    observed: true,
    tracked: null,
    memory: 'viommu',
    endsQemu: false,
    isOverStale: false,
    ...given,
  };
}

/** Host mappings of two pages that outlive their unmap. */
export function staleMappings(given: Partial<StaleMappingsLeft> = {}): StaleMappingsLeft {
  return {
    kind: 'stale-mappings',
    mark: mark(10),
    space,
    container: shared,
    count: 2,
    first: 0x10_0000,
    last: 0x10_0000,
    gpa: 0x5000,
    pages: 2,
    guest: [[0x5000, 0x5001]],
    why: 'wrap',
    happened: true,
    ...given,
  };
}

/** A failure that is told by the text of this id. */
export function aMessage(id: string, given: Partial<Message> = {}): Message {
  const about = messageTexts.find((text) => text.id === id);
  if (about === undefined) throw new Error(`no text ${id}`);
  return {
    kind: 'message',
    mark: mark(10),
    about,
    text: `what QEMU says of ${id}`,
    errno: about.errno ?? 0,
    isWarning: false,
    endsQemu: false,
    ...given,
  };
}

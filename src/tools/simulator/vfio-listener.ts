import { type GpaRange, hex } from './addresses.ts';
import {
  guestMemoryAtRisk,
  marksSomethingRight,
  type ShadowNode,
  type UnmapEvent,
} from './at-risk.ts';
import type { Layout, RamSection, SkippedSection } from './guest-memory.ts';
import { type Machine, QemuDied } from './machine.ts';
import type { Permission } from './page-table.ts';
import type { StaleTruth, UnmapCause, UnmapErrno, UnmapOutcome, UnmapTruth } from './truth.ts';
import type { UnmapRequest, UnmapVerdict, VfioContainer } from './vfio-container.ts';

const ERRNO_TEXT: Readonly<Record<number, string>> = {
  [-1]: 'Operation not permitted',
  [-7]: 'Argument list too long',
  [-12]: 'Cannot allocate memory',
  [-17]: 'File exists',
  [-22]: 'Invalid argument',
  [-28]: 'No space left on device',
};

/** What errno may be left when 7.2 prints it: not the code that was returned. */
const LEFT_OVER_ERRNO = [
  'Success',
  'Inappropriate ioctl for device',
  'Resource temporarily unavailable',
];

/** One UNMAP notification as it reaches VFIO, cut to the notifier. */
export interface UnmapNotification {
  readonly iova: bigint;
  readonly size: bigint;
  readonly address: bigint;
  readonly cause: UnmapCause;
  /** shadow nodes under it, as they were before the unmap */
  readonly nodes: readonly ShadowNode[];
  readonly group: number | null;
  /** 11.x, a chunk of an untracked whole unmap: under tracking it would not exist */
  readonly noWhatIf?: boolean;
}

/**
 * VFIO's listener of one device's address space: turns sections and notifications into container operations and writes
 * down what they did. Sources: `vfio_listener_region_add/_del`, `vfio_iommu_map_notify`, `vfio_iommu_map_dirty_notify`.
 */
export class VfioListener {
  readonly #machine: Machine;
  readonly container: VfioContainer;

  constructor(machine: Machine, container: VfioContainer) {
    this.#machine = machine;
    this.container = container;
  }

  /** Maps the sections of system memory, in ascending order. */
  addLayout(layout: Layout): void {
    for (const part of layout) {
      if ('skipped' in part) this.skip('region_add', part.skipped);
      else this.#addRam(part.ram);
    }
    this.container.sections = ramSections(layout);
  }

  deleteLayout(layout: Layout): void {
    for (const part of layout) {
      if ('skipped' in part) this.skip('region_del', part.skipped);
      else this.#deleteRam(part.ram);
    }
    this.container.sections = [];
  }

  /** The step from RAM in one piece to the pieces below 1 MiB, at the first reset: only what differs moves. */
  replaceLayout(before: Layout, after: Layout): void {
    const gone = before.filter((part) => 'ram' in part && !hasSection(after, part.ram));
    const come = after.filter((part) => 'ram' in part && !hasSection(before, part.ram));
    for (const part of gone) if ('ram' in part) this.#deleteRam(part.ram);
    for (const part of come) if ('ram' in part) this.#addRam(part.ram);
    this.container.sections = ramSections(after);
  }

  skip(what: 'region_add' | 'region_del', { start, end }: SkippedSection): void {
    const { profile, writer } = this.#machine;
    const range = `${hex(start)} - ${hex(end)}`;
    if (profile.oneSkipEvent)
      writer.trace('vfio_listener_region_skip', `SKIPPING ${what} ${range}`);
    else writer.trace(`vfio_listener_${what}_skip`, `SKIPPING ${what} ${range}`);
  }

  /** region_del of an IOMMU section: a plain unmap without an iotlb entry in every version. */
  deleteIommuSection(start: bigint, end: bigint, nodes: readonly ShadowNode[]): void {
    this.#deleteRegion(start, end, nodes, null, 'dma');
  }

  /** Source: `vfio_iommu_map_notify`, MAP. */
  notifyMap(iova: bigint, size: bigint, gpa: bigint, permission: Permission): void {
    const { memory, profile, writer, truth } = this.#machine;
    const last = iova + size - 1n;
    const line = writer.trace('vfio_iommu_map_notify', `iommu MAP @ ${hex(iova)} - ${hex(last)}`);
    truth.totals.maps++;
    const { container } = this;
    const target = memory.translate(gpa, size);
    const isWritable = (permission & 2) !== 0 && target.kind === 'ram' && !target.readOnly;
    const access = isWritable ? 3 : 1;
    const inTheWay = container.host.firstOverlap(iova, last);
    const failed = (reason: -17 | -28 | 'granularity' | 'non-memory') =>
      truth.failedMap({
        line,
        device: container.device,
        container: container.index,
        iova,
        size,
        gpa,
        reason,
        isRepeated:
          inTheWay?.stale === null &&
          inTheWay.permission === access &&
          container.holds({ iova, last, gpa }),
      });
    if (target.kind === 'non-memory') {
      writer.error(`iommu map to non memory area ${gpa.toString(16)}`);
      failed('non-memory');
      return;
    }
    // a cut event has a length that is no power of two, unless by chance
    if (target.kind === 'granularity' || (size & (size - 1n)) !== 0n) {
      writer.error('iommu has granularity incompatible with target AS');
      failed('granularity');
      return;
    }
    const { pointer } = target;
    const request = { iova, size, gpa, permission: access, of: 'dma', pointer } as const;
    const error = container.map(request);
    if (error === null) return;
    failed(error);
    const text = ERRNO_TEXT[error] ?? '';
    if (profile.reportsPlainIoctlErrors) writer.error(`VFIO_MAP_DMA failed: ${text}`);
    writer.error(
      `${profile.mapCall}(${container.pointer}, ${hex(iova)}, ${hex(size)}, ${hex(target.pointer)}) = ${error} (${text})`,
    );
  }

  /** Source: `vfio_iommu_map_notify`, UNMAP. */
  notifyUnmap(notification: UnmapNotification): void {
    const { iova, size, address, cause, group } = notification;
    const { writer } = this.#machine;
    const last = iova + size - 1n;
    const line = writer.trace('vfio_iommu_map_notify', `iommu UNMAP @ ${hex(iova)} - ${hex(last)}`);
    const request: UnmapRequest = { iova, size, address, of: 'dma', line };
    const verdict = this.#record(request, cause, notification.nodes, group, notification.noWhatIf);
    this.container.unmap(request, verdict);
    if (verdict.errno === 0) return;
    if (cause === 'whole-unmap' || cause === 'drain') {
      this.markStale(iova, last, 'failed-unmap', line ?? writer.line);
    }
    this.#reportFailure(this.#unmapError(request, verdict.errno));
  }

  /** Source: `vfio_iommu_map_dirty_notify`: one mapping of a dirty sync. */
  notifyDirty(iova: bigint, size: bigint, gpa: bigint, permission: Permission): void {
    const { memory, profile, writer } = this.#machine;
    const range = `iommu dirty @ ${hex(iova)} - ${hex(iova + size - 1n)}`;
    writer.trace('vfio_iommu_map_dirty_notify', range);
    if (profile.skipsReadOnlyAtSync && (permission & 2) === 0) {
      writer.trace('vfio_iommu_map_dirty_notify_skip_ro', range);
      return;
    }
    const target = memory.translate(gpa, size);
    if (target.kind !== 'ram') return;
    const address = memory.ramAddress(gpa, size) ?? memory.ramSize + (gpa & 0xf_ffffn);
    const { errno, message } = this.container.syncDirty(iova, size, address);
    if (errno === 0) return;
    const call = `vfio_iommu_map_dirty_notify(${this.container.pointer}, ${hex(iova)}, ${hex(size)})`;
    if (profile.unmapFailure === 'report') {
      writer.error(message);
      writer.error(`${call} = ${errno} (${ERRNO_TEXT[errno]})`);
    } else {
      this.#reportFailure(`${call} failed - ${message}`);
    }
  }

  /** A dirty sync of the sections of RAM. */
  syncRam(layout: Layout): void {
    for (const part of layout) {
      if ('skipped' in part) continue;
      const { gpa, size, ramAddress } = part.ram;
      const address = ramAddress ?? this.#machine.memory.ramSize + (gpa & 0xf_ffffn);
      this.container.syncDirty(gpa, size, address);
    }
  }

  /** Mappings that the container still holds in a range from which they should be gone. */
  markStale(iova: bigint, last: bigint, how: StaleTruth['how'], since: number): void {
    const { container } = this;
    for (const mapping of container.host.overlapping(iova, last)) {
      container.drifted = true;
      if (mapping.stale !== null) continue;
      mapping.stale = {
        device: container.device,
        container: container.index,
        iova: mapping.iova,
        size: mapping.last - mapping.iova + 1n,
        gpa: mapping.gpa,
        how,
        since,
        usedAgain: null,
        gone: null,
      };
      this.#machine.truth.staleMapping(mapping.stale);
    }
  }

  /** The guest's translation was found unchanged in the shadow: a stale mapping that equals it is in use again. */
  confirm(node: ShadowNode): void {
    const mapping = this.container.host.firstOverlap(node.iova, node.last);
    if (mapping?.stale == null || !this.container.holds(node)) return;
    mapping.stale.usedAgain = this.#machine.writer.line;
    mapping.stale = null;
  }

  /** What an unmap would do to dirty bits under tracking. */
  outcomeUnderTracking(request: UnmapRequest, nodes: readonly ShadowNode[]): UnmapOutcome {
    const { query, errno } = this.container.judge(request, true, true);
    const { iova, size, address } = request;
    const event = { iova, size, address, query, errno };
    return { query, errno, atRisk: this.#atRisk(event, nodes) };
  }

  #atRisk(event: UnmapEvent, nodes: readonly ShadowNode[]): readonly GpaRange[] {
    const { memory, tracking } = this.#machine;
    return tracking.isHandedOver ? [] : guestMemoryAtRisk(event, nodes, memory);
  }

  #addRam(section: RamSection): void {
    const { gpa, size, pointer, readOnly } = section;
    this.#machine.writer.trace(
      'vfio_listener_region_add_ram',
      `region_add [ram] ${hex(gpa)} - ${hex(gpa + size - 1n)} [${hex(pointer)}]`,
    );
    const permission = readOnly ? 1 : 3;
    const error = this.container.map({ iova: gpa, size, gpa, permission, of: 'ram', pointer });
    if (error !== null) throw new QemuDied('abort', 'RAM could not be mapped');
  }

  #deleteRam({ gpa, size, readOnly, ramAddress }: RamSection): void {
    const { profile, tracking } = this.#machine;
    const { regionDelCarriesAddress: kind } = profile;
    const carried = kind === null || readOnly ? null : kind === 'ram' ? ramAddress : gpa;
    const node = { iova: gpa, last: gpa + size - 1n, gpa, permission: readOnly ? 1 : 3 } as const;
    const address = tracking.flags !== 0 ? carried : null;
    this.#deleteRegion(gpa, gpa + size - 1n, [node], address, 'ram', carried);
  }

  #deleteRegion(
    start: bigint,
    end: bigint,
    nodes: readonly ShadowNode[],
    address: bigint | null,
    of: 'dma' | 'ram',
    addressUnderTracking: bigint | null = address,
  ): void {
    const { writer } = this.#machine;
    const size = end - start + 1n;
    const line = writer.trace('vfio_listener_region_del', `region_del ${hex(start)} - ${hex(end)}`);
    const request: UnmapRequest = { iova: start, size, address, of, line };
    const whatIf = { ...request, address: addressUnderTracking };
    const verdict = this.#record(request, 'region-del', nodes, null, false, whatIf);
    this.container.unmap(request, verdict);
    if (verdict.errno !== 0) writer.error(this.#unmapError(request, verdict.errno));
  }

  #record(
    request: UnmapRequest,
    cause: UnmapCause,
    nodes: readonly ShadowNode[],
    group: number | null,
    noWhatIf = false,
    whatIfRequest = request,
  ): UnmapVerdict {
    const { container } = this;
    const { iova, size, address, line } = request;
    const { tracked } = container;
    const verdict = container.judge(request, tracked);
    const { query, errno } = verdict;
    const atRisk: readonly GpaRange[] = tracked
      ? this.#atRisk({ iova, size, address, query, errno }, nodes)
      : [];
    this.#machine.truth.unmap({
      line,
      device: container.device,
      container: container.index,
      cause,
      iova,
      size,
      tracked,
      query,
      carriedAddress: address,
      bitmapBytes: container.bitmapBytes(size),
      errno,
      atRisk,
      whatIf: tracked || noWhatIf ? null : this.outcomeUnderTracking(whatIfRequest, nodes),
      ...this.#fateOfBits(
        tracked
          ? { ...request, query, errno }
          : { ...whatIfRequest, ...container.judge(whatIfRequest, true, true) },
        nodes,
      ),
      group,
    });
    return verdict;
  }

  #fateOfBits(
    event: UnmapEvent,
    nodes: readonly ShadowNode[],
  ): Pick<UnmapTruth, 'marksRight' | 'ifWanted'> {
    const { memory, tracking } = this.#machine;
    const marksRight = marksSomethingRight(event, nodes, memory);
    if (!tracking.isHandedOver) return { marksRight, ifWanted: null };
    const atRisk = guestMemoryAtRisk(event, nodes, memory);
    return { marksRight: false, ifWanted: { atRisk, marksRight } };
  }

  #unmapError({ iova, size }: UnmapRequest, errno: UnmapErrno): string {
    const { profile, random } = this.#machine;
    const left = profile.unmapFailure === 'report';
    const text = left ? random.pick(LEFT_OVER_ERRNO) : ERRNO_TEXT[errno];
    const call = `${profile.unmapCall}(${this.container.pointer}, ${hex(iova)}, ${hex(size)})`;
    return `${call} = ${errno} (${text})`;
  }

  /** Where the text of a failure goes. */
  #reportFailure(text: string): void {
    const { profile, tracking, writer } = this.#machine;
    if (!tracking.migrationRuns || profile.unmapFailure === 'report') {
      writer.error(text);
    } else if (profile.unmapFailure === 'report-and-fail') {
      writer.error(text);
      tracking.failMigration(null);
    } else if (!tracking.failMigration(text)) {
      writer.error(text);
    }
  }
}

function ramSections(layout: Layout): { start: bigint; end: bigint }[] {
  return layout.flatMap((part) =>
    'ram' in part ? [{ start: part.ram.gpa, end: part.ram.gpa + part.ram.size - 1n }] : [],
  );
}

function hasSection(layout: Layout, { gpa, size }: RamSection): boolean {
  return layout.some((part) => 'ram' in part && part.ram.gpa === gpa && part.ram.size === size);
}

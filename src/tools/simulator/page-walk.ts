import { ADDRESS_MAX, hex, maximum, minimum } from './addresses.ts';
import type { ShadowNode } from './at-risk.ts';
import {
  type DomainTables,
  type Entry,
  entrySize,
  type PageTable,
  type Permission,
} from './page-table.ts';
import type { RangeMap } from './range-map.ts';
import type { TraceWriter } from './trace-writer.ts';

/** Who receives the notifications of a walk. */
export interface WalkSink {
  readonly shadow: RangeMap<ShadowNode>;
  map(node: ShadowNode): void;
  /** @param nodes the shadow nodes under the range, already or not yet removed */
  unmap(
    iova: bigint,
    last: bigint,
    address: bigint,
    cause: 'page-walk' | 'changed-translation',
    nodes: readonly ShadowNode[],
  ): void;
  /** the guest's invalidation of a range met no shadow node */
  skippedUnmap(iova: bigint, last: bigint): void;
  /** a page was found unchanged in the shadow */
  unchanged(node: ShadowNode): void;
  /** whether the two above are worth a call */
  readonly watchesSkips: boolean;
}

/**
 * One walk of a guest's page tables. Source: `vtd_page_walk`, `vtd_page_walk_level`, `vtd_page_walk_one`.
 */
export class PageWalk {
  readonly #writer: TraceWriter;
  readonly #sink: WalkSink;
  readonly #domain: DomainTables;
  readonly #addressWidth: number;
  /** false in a replay: absent entries are never unmapped */
  readonly #notifiesUnmaps: boolean;
  readonly #tracesSkips: boolean;

  constructor(
    writer: TraceWriter,
    sink: WalkSink,
    domain: DomainTables,
    addressWidth: number,
    notifiesUnmaps: boolean,
  ) {
    this.#writer = writer;
    this.#sink = sink;
    this.#domain = domain;
    this.#addressWidth = addressWidth;
    this.#notifiesUnmaps = notifiesUnmaps;
    this.#tracesSkips = writer.traces('vtd_page_walk_one_skip_unmap');
  }

  /** Walks [start, end), cut to what the context and the IOMMU can address; a start beyond that walks nothing. */
  run(start = 0n, end = ADDRESS_MAX): void {
    const limit = minimum(this.#domain.limit, 1n << BigInt(this.#addressWidth));
    if (start < limit) this.#table(this.#domain.root, start, minimum(end, limit), 3);
  }

  #table(table: PageTable, start: bigint, end: bigint, inherited: Permission): void {
    const { level, base, entries, readable } = table;
    this.#writer.trace(
      'vtd_page_walk_level',
      `walk (base=${hex(base)}, level=${level}) iova range ${hex(start)} - ${hex(end)}`,
    );
    const size = entrySize(level);
    const mask = size - 1n;
    const maskText = hex(mask);
    const first = start - (start & mask);
    // no shadow node under this table: its absent entries can only be skipped, and that needs no search
    const lastCovered = (end - 1n) | mask;
    const quiet = !this.#notifiesUnmaps || !this.#sink.shadow.overlaps(first, lastCovered);
    const silent = quiet && !this.#tracesSkips && !this.#watches;
    let index = Number((start / size) & 511n);
    for (let iova = first; iova < end; iova += size, index++) {
      const entry = readable ? entries[index] : undefined;
      if (!readable) {
        this.#skipped(
          'vtd_page_walk_skip_read',
          maximum(iova, start),
          iova + size,
          'unable to read',
        );
      } else if (entry !== undefined) {
        this.#entry(entry, iova, mask, maximum(iova, start), minimum(iova + size, end), inherited);
      } else if (!quiet) {
        this.#unmapOne(iova, mask, 0n);
      } else if (!silent) {
        this.#skipUnmap(iova, mask, maskText);
      }
    }
  }

  get #watches(): boolean {
    return this.#notifiesUnmaps && this.#sink.watchesSkips;
  }

  #entry(
    entry: Exclude<Entry, undefined>,
    iova: bigint,
    mask: bigint,
    start: bigint,
    end: bigint,
    inherited: Permission,
  ): void {
    if (entry.kind === 'reserved') {
      this.#skipped('vtd_page_walk_skip_reserve', start, iova + mask + 1n, 'rsrv set');
      return;
    }
    const permission = (inherited & entry.permission) as Permission;
    if (entry.kind === 'table') {
      if (permission !== 0) this.#table(entry.table, start, end, permission);
      else this.#unmapOne(iova, mask, entry.table.base);
    } else if (permission !== 0) {
      this.#mapOne({ iova, last: iova + mask, gpa: entry.gpa, permission }, mask);
    } else {
      this.#unmapOne(iova, mask, entry.gpa);
    }
  }

  /** A present page. A different translation is unmapped first, with the NEW address. */
  #mapOne(node: ShadowNode, mask: bigint): void {
    const { shadow } = this.#sink;
    const known = shadow.firstOverlap(node.iova, node.last);
    if (known !== undefined && isSame(known, node)) {
      this.#writer.trace(
        'vtd_page_walk_one_skip_map',
        `iova ${hex(node.iova)} mask ${hex(mask)} translated ${hex(node.gpa)}`,
      );
      if (this.#sink.watchesSkips) this.#sink.unchanged(node);
      return;
    }
    if (known !== undefined) {
      this.#traceOne(node.iova, node.gpa, mask, 0);
      const nodes = shadow.overlapping(node.iova, node.last);
      this.#sink.unmap(node.iova, node.last, node.gpa, 'changed-translation', nodes);
      shadow.removeOverlapping(node.iova, node.last);
    }
    shadow.insert(node);
    this.#traceOne(node.iova, node.gpa, mask, node.permission);
    this.#sink.map(node);
  }

  /** An absent entry of any level: whatever the shadow holds under it goes. */
  #unmapOne(iova: bigint, mask: bigint, address: bigint): void {
    const last = iova + mask;
    const { shadow } = this.#sink;
    if (!this.#notifiesUnmaps || !shadow.overlaps(iova, last)) {
      this.#skipUnmap(iova, mask, hex(mask));
      return;
    }
    const nodes = shadow.removeOverlapping(iova, last);
    this.#traceOne(iova, address, mask, 0);
    this.#sink.unmap(iova, last, address, 'page-walk', nodes);
  }

  #skipUnmap(iova: bigint, mask: bigint, maskText: string): void {
    if (this.#tracesSkips) {
      this.#writer.trace('vtd_page_walk_one_skip_unmap', `iova ${hex(iova)} mask ${maskText}`);
    }
    if (this.#watches) this.#sink.skippedUnmap(iova, iova + mask);
  }

  #skipped(event: string, iova: bigint, next: bigint, why: string): void {
    this.#writer.trace(event, `Page walk skip iova ${hex(iova)} - ${hex(next)} due to ${why}`);
  }

  #traceOne(iova: bigint, gpa: bigint, mask: bigint, permission: Permission): void {
    const range = `iova ${hex(iova)} -> gpa ${hex(gpa)} mask ${hex(mask)}`;
    const domain = hex(this.#domain.id);
    this.#writer.trace('vtd_page_walk_one', `domain ${domain} ${range} perm ${permission}`);
  }
}

function isSame(a: ShadowNode, b: ShadowNode): boolean {
  return a.iova === b.iova && a.last === b.last && a.gpa === b.gpa && a.permission === b.permission;
}

import type { AddressSpace } from './address-space.ts';
import { PAGE_SIZE } from './addresses.ts';
import { INTERRUPT_HOLE } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import type { MigrationStep, Monitor } from './monitor.ts';
import { type DomainTables, entrySize, type Permission } from './page-table.ts';
import { MAX_ADDRESS_MASK, PASS_THROUGH_DOMAIN, type VtdIommu } from './vtd-iommu.ts';

/** How a guest makes the IOMMU notice: page-selective, domain-selective, not yet. */
export type Flush = 'pages' | 'domain' | 'none';

/** Page size by page-table level: 4 KiB, 2 MiB, 1 GiB. */
export type PageLevel = 1 | 2 | 3;

/** What a context entry can point a device to: a domain id, nothing, or system memory. */
export type Attachment = number | 'blocked' | 'pass-through';

/**
 * One thing that the guest, the host or the hardware does. Plain data, and each one stands for itself: an act that makes
 * no sense in the state it meets does nothing, so any part of a list can be played.
 */
export type Act =
  // the guest's page tables
  | {
      /** Writes pages, whatever was there: one address per page. */
      readonly kind: 'map';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: PageLevel;
      readonly gpas: readonly bigint[];
      readonly permission: Permission;
      readonly flush: Flush;
    }
  | {
      /** Clears pages; `residual`: only their permission bits. */
      readonly kind: 'unmap';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: PageLevel;
      readonly count: number;
      readonly residual: boolean;
      readonly flush: Flush;
    }
  | {
      /** Clears one entry above level 1, with the table below it. */
      readonly kind: 'unmap-level';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: 2 | 3 | 4;
      readonly residual: boolean;
      readonly flush: Flush;
    }
  | {
      /** Gives present entries other permissions; those of a table hold for everything below it. */
      readonly kind: 'protect';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: PageLevel;
      readonly count: number;
      readonly permission: 1 | 2 | 3;
      readonly flush: Flush;
    }
  | {
      /** Replaces a large page by 512 smaller ones of the same memory. */
      readonly kind: 'split';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: 2 | 3;
      readonly flush: Flush;
    }
  | {
      /** Damages one entry. */
      readonly kind: 'spoil';
      readonly domain: number;
      readonly iova: bigint;
      readonly level: PageLevel;
      readonly how: 'reserved' | 'unreadable';
      readonly flush: Flush;
    }
  // invalidations
  | {
      readonly kind: 'invalidate-pages';
      readonly domain: number;
      readonly iova: bigint;
      /** 2^mask pages */
      readonly mask: number;
    }
  | { readonly kind: 'invalidate-domain'; readonly domain: number }
  | { readonly kind: 'invalidate-iotlb' }
  | {
      readonly kind: 'invalidate-context';
      readonly of: 'everything' | { readonly domain: number } | { readonly device: number };
    }
  // the guest's devices and the unit
  | {
      /** Writes a device's context entry, and invalidates the context cache unless that is left for later. */
      readonly kind: 'attach';
      readonly device: number;
      readonly to: Attachment;
      readonly invalidate: 'device' | 'global' | 'domain' | 'none';
      /** a domain-selective IOTLB invalidation afterwards, as Linux does it */
      readonly flush: boolean;
    }
  | { readonly kind: 'translation'; readonly on: boolean }
  | { readonly kind: 'root-pointer' }
  | { readonly kind: 'reset' }
  // the host
  | {
      readonly kind: 'dirty-rate';
      readonly on: boolean;
      readonly mode: 'dirty-bitmap' | 'page-sampling';
      /** a listener refuses to start */
      readonly fails: boolean;
    }
  | { readonly kind: 'dirty-limit'; readonly on: boolean }
  | { readonly kind: 'dirty-sync' }
  | { readonly kind: 'migrate'; readonly step: MigrationStep }
  | { readonly kind: 'run'; readonly on: boolean }
  | { readonly kind: 'idle'; readonly milliseconds: number };

/** Acts of the host: the same for every vIOMMU. */
type HostAct = Extract<
  Act,
  { readonly kind: 'dirty-rate' | 'dirty-limit' | 'dirty-sync' | 'migrate' | 'run' | 'idle' }
>;

/** Acts that need a running guest (or qtest). */
const GUEST_ACTS: ReadonlySet<Act['kind']> = new Set([
  'map',
  'unmap',
  'unmap-level',
  'protect',
  'split',
  'spoil',
  'invalidate-pages',
  'invalidate-domain',
  'invalidate-iotlb',
  'invalidate-context',
  'attach',
  'translation',
  'root-pointer',
] as const);

/** Largest number of pages that one act writes. */
export const MAX_PAGES = 4096;

/** Plays the acts of a machine with one kind of vIOMMU. */
export abstract class ActPlayer<Iommu = unknown> {
  protected readonly machine: Machine;
  protected readonly iommu: Iommu;
  protected readonly monitor: Monitor;

  constructor(machine: Machine, iommu: Iommu, monitor: Monitor) {
    this.machine = machine;
    this.iommu = iommu;
    this.monitor = monitor;
  }

  /** @returns false if the act made no sense and nothing was done */
  play(act: Act): boolean {
    if (!canPlay(act, this.machine)) return false;
    this.machine.writer.thread = 'vcpu';
    return this.carryOut(act);
  }

  /** As `play`, of an act that the guest can do now; it runs on the vCPU's thread. */
  protected abstract carryOut(act: Act): boolean;
}

/** Whether the guest can do anything now: it runs, or is driven from outside while it is paused. */
function canPlay(act: Act, { options, tracking }: Machine): boolean {
  return !GUEST_ACTS.has(act.kind) || tracking.vmRunning || options.actsWhilePaused;
}

/** @returns false if the act made no sense and nothing was done */
export function playHostAct(act: HostAct, { writer }: Machine, monitor: Monitor): boolean {
  switch (act.kind) {
    case 'dirty-rate':
      return monitor.measureDirtyRate(act.on, act.mode, act.fails);
    case 'dirty-limit':
      return monitor.limitDirtyRate(act.on);
    case 'dirty-sync':
      return monitor.syncDirtyPages();
    case 'migrate':
      return monitor.migrate(act.step);
    case 'run':
      return monitor.setRunning(act.on);
    case 'idle':
      writer.idle(act.milliseconds);
      return true;
    default:
      return act satisfies never;
  }
}

/** Plays acts on a machine with VT-d. */
export class Stage extends ActPlayer<VtdIommu> {
  protected override carryOut(act: Act): boolean {
    switch (act.kind) {
      case 'map':
        return this.#map(act);
      case 'unmap':
        return this.#unmap(act);
      case 'unmap-level':
        return this.#unmapLevel(act);
      case 'protect':
        return this.#protect(act);
      case 'split':
        return this.#split(act);
      case 'spoil':
        return this.#spoil(act);
      case 'invalidate-pages':
        return this.#invalidatePages(act);
      case 'invalidate-domain':
        return this.#queued(() => this.iommu.invalidateIotlbOfDomain(act.domain));
      case 'invalidate-iotlb':
        return this.#queued(() => this.iommu.invalidateIotlbGlobally());
      case 'invalidate-context':
        return this.#invalidateContext(act.of);
      case 'attach':
        return this.#attach(act);
      case 'translation':
        return this.#translation(act.on);
      case 'root-pointer':
        return this.#rootPointer();
      case 'reset':
        return this.#reset();
      default:
        return playHostAct(act, this.machine, this.monitor);
    }
  }

  // page tables

  #map(act: Extract<Act, { kind: 'map' }>): boolean {
    const { domain, iova, level, gpas, permission, flush } = act;
    if (!this.#fits(iova, level, gpas.length)) return false;
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    let written = 0;
    gpas.forEach((gpa, i) => {
      const at = iova + BigInt(i) * size;
      if (this.#avoidsHole && level > 1 && holds(at, level, INTERRUPT_HOLE.start)) return;
      if (gpa % size === 0n && tables.setPage(at, level, gpa, permission)) written++;
    });
    return written > 0 && this.#flush(tables, iova, size * BigInt(gpas.length), flush);
  }

  #unmap(act: Extract<Act, { kind: 'unmap' }>): boolean {
    const { domain, iova, level, count, residual, flush } = act;
    if (!this.#fits(iova, level, count)) return false;
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    let cleared = 0;
    for (let i = 0; i < count; i++) {
      const at = iova + BigInt(i) * size;
      // pages only: a table in this place is another act's business
      if (tables.entry(at, level)?.kind === 'table') continue;
      if (tables.clear(at, level, residual)) cleared++;
    }
    return cleared > 0 && this.#flush(tables, iova, size * BigInt(count), flush);
  }

  #unmapLevel(act: Extract<Act, { kind: 'unmap-level' }>): boolean {
    const { domain, iova, level, residual, flush } = act;
    const tables = this.iommu.domain(domain);
    if (level > tables.levels || iova >= tables.limit) return false;
    if (this.#avoidsHole && holds(iova, level, INTERRUPT_HOLE.start)) return false;
    const start = iova - (iova % entrySize(level));
    if (!tables.clear(start, level, residual)) return false;
    return this.#flush(tables, start, entrySize(level), flush);
  }

  #protect(act: Extract<Act, { kind: 'protect' }>): boolean {
    const { domain, iova, level, count, permission, flush } = act;
    if (!this.#fits(iova, level, count)) return false;
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    let changed = 0;
    for (let i = 0; i < count; i++) {
      const at = iova + BigInt(i) * size;
      // two tables on the way to the hole could between them forbid everything, which is as good as absent
      if (this.#avoidsHole && level > 1 && holds(at, level, INTERRUPT_HOLE.start)) continue;
      if (tables.setPermission(at, level, permission)) changed++;
    }
    return changed > 0 && this.#flush(tables, iova, size * BigInt(count), flush);
  }

  #split({ domain, iova, level, flush }: Extract<Act, { kind: 'split' }>): boolean {
    if (!this.#fits(iova, level, 1) || !this.#pageSizeAllowed((level - 1) as PageLevel))
      return false;
    const tables = this.iommu.domain(domain);
    return tables.split(iova, level) && this.#flush(tables, iova, entrySize(level), flush);
  }

  #spoil({ domain, iova, level, how, flush }: Extract<Act, { kind: 'spoil' }>): boolean {
    if (!this.#fits(iova, level, 1) || holds(iova, level, INTERRUPT_HOLE.start)) return false;
    const tables = this.iommu.domain(domain);
    return tables.spoil(iova, level, how) && this.#flush(tables, iova, entrySize(level), flush);
  }

  /** Pages must be aligned, inside the address space, and not smaller than the host's (the host could not map them). */
  #fits(iova: bigint, level: PageLevel, count: number): boolean {
    const size = entrySize(level);
    const end = iova + size * BigInt(count);
    const inside =
      count > 0 && count <= MAX_PAGES && end <= 1n << BigInt(this.machine.options.awBits);
    return inside && iova % size === 0n && this.#pageSizeAllowed(level);
  }

  #pageSizeAllowed(level: PageLevel): boolean {
    return entrySize(level) >= BigInt(this.machine.options.hostPageSize);
  }

  get #avoidsHole(): boolean {
    const { options, profile } = this.machine;
    return !profile.cropsEvents && options.holeCrossing === 'avoided';
  }

  // invalidations

  /** Always true: the page tables were written, even if nobody was told. */
  #flush(tables: DomainTables, iova: bigint, size: bigint, flush: Flush): boolean {
    if (flush === 'none' || !this.iommu.enabled) return true;
    const mask = maskCovering(iova, size);
    if (flush === 'domain' || mask > MAX_ADDRESS_MASK) {
      this.iommu.invalidateIotlbOfDomain(tables.id);
    } else {
      const start = iova - (iova % (PAGE_SIZE << BigInt(mask)));
      this.iommu.invalidateIotlbPages(tables.id, start, mask);
    }
    this.iommu.wait();
    return true;
  }

  #invalidatePages(act: Extract<Act, { kind: 'invalidate-pages' }>): boolean {
    if (act.mask < 0 || act.mask > MAX_ADDRESS_MASK || act.iova < 0n) return false;
    const start = act.iova - (act.iova % (PAGE_SIZE << BigInt(act.mask)));
    return this.#queued(() => this.iommu.invalidateIotlbPages(act.domain, start, act.mask));
  }

  #invalidateContext(of: Extract<Act, { kind: 'invalidate-context' }>['of']): boolean {
    if (of === 'everything') return this.#queued(() => this.iommu.invalidateContextGlobally());
    if ('domain' in of) {
      return this.#queued(() => this.iommu.invalidateContextOfDomain(of.domain));
    }
    const space = this.iommu.assigned[of.device];
    if (space === undefined) return false;
    return this.#queued(() => this.iommu.invalidateContextOfDevice(space, 0));
  }

  /** One descriptor and its wait; nothing can be queued before the unit is set up. */
  #queued(invalidate: () => void): boolean {
    if (!this.iommu.enabled) return false;
    invalidate();
    this.iommu.wait();
    return true;
  }

  // devices

  #attach(act: Extract<Act, { kind: 'attach' }>): boolean {
    const space = this.iommu.assigned[act.device];
    if (space === undefined || !this.#mayAttach(space, act)) return false;
    const before = this.iommu.contextEntry(space.device);
    const oldDomain =
      before === undefined ? 0 : before.kind === 'domain' ? before.tables.id : PASS_THROUGH_DOMAIN;
    this.iommu.setContextEntry(space.device, this.#entryFor(act.to));
    if (!this.iommu.enabled) return true;
    this.#invalidateAfterAttach(space, act.invalidate, oldDomain);
    if (!act.flush) return true;
    const domain = typeof act.to === 'number' ? act.to : oldDomain;
    this.iommu.invalidateIotlbOfDomain(domain);
    this.iommu.wait();
    return true;
  }

  #invalidateAfterAttach(
    space: AddressSpace,
    invalidate: Extract<Act, { kind: 'attach' }>['invalidate'],
    oldDomain: number,
  ): void {
    if (invalidate === 'none') return;
    if (invalidate === 'device') this.iommu.invalidateContextOfDevice(space, oldDomain);
    else if (invalidate === 'domain') this.iommu.invalidateContextOfDomain(oldDomain);
    else this.iommu.invalidateContextGlobally();
    this.iommu.wait();
  }

  #entryFor(to: Attachment) {
    if (to === 'blocked') return undefined;
    if (to === 'pass-through') return { kind: 'pass-through' } as const;
    return { kind: 'domain', tables: this.iommu.domain(to) } as const;
  }

  #mayAttach(space: AddressSpace, { to, invalidate }: Extract<Act, { kind: 'attach' }>): boolean {
    // QEMU would read a pass-through entry as page tables until the context cache is invalidated
    if (to === 'pass-through' && invalidate === 'none' && this.iommu.enabled) return false;
    if (typeof to !== 'number') return true;
    const tables = this.iommu.domain(to);
    return !(this.#avoidsHole && space.wouldCrossHole(tables));
  }

  #translation(on: boolean): boolean {
    if (on === this.iommu.enabled) return false;
    if (on) this.iommu.enable();
    else this.iommu.disable();
    return true;
  }

  #rootPointer(): boolean {
    if (!this.iommu.enabled) return false;
    this.iommu.setRootPointer();
    this.iommu.invalidateContextGlobally();
    this.iommu.wait();
    return true;
  }

  #reset(): boolean {
    this.machine.writer.thread = 'main';
    this.iommu.reset();
    this.iommu.forgetTables();
    return true;
  }
}

/** Whether the entry of this level for `iova` covers the address. */
export function holds(iova: bigint, level: number, address: bigint): boolean {
  const size = entrySize(level);
  return iova / size === address / size;
}

/** The smallest m such that one naturally aligned block of 2^m pages covers the range. */
export function maskCovering(iova: bigint, size: bigint): number {
  let mask = 0;
  while (iova / (PAGE_SIZE << BigInt(mask)) !== (iova + size - 1n) / (PAGE_SIZE << BigInt(mask))) {
    mask++;
  }
  return mask;
}

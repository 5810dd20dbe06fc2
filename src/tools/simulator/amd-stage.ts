import { type Act, ActPlayer, type Flush, holds, MAX_PAGES, playHostAct } from './acts.ts';
import { type AmdIommu, blockCovering, type DeviceEntry } from './amd-iommu.ts';
import { INTERRUPT_HOLE } from './guest-memory.ts';
import { type DomainTables, entrySize } from './page-table.ts';

/** Of an act that AMD-Vi has no counterpart of, or whose effects on QEMU are not known. */
const NOT_PLAYED = false;

/**
 * Plays acts on a machine with AMD-Vi. Its guest clears whole entries, and does not mix sizes of pages in one place: what
 * QEMU makes of that is not known.
 */
export class AmdStage extends ActPlayer<AmdIommu> {
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
      case 'invalidate-pages':
        return this.#invalidate(act.domain, act.iova, entrySize(1) << BigInt(act.mask));
      case 'invalidate-domain':
        return this.iommu.enabled && this.iommu.invalidatePages(act.domain, 0n, null);
      case 'invalidate-iotlb':
        return this.iommu.enabled && this.iommu.invalidateAll();
      case 'invalidate-context':
        return this.#invalidateDevices(act.of);
      case 'attach':
        return this.#attach(act);
      case 'translation':
        return this.#translation(act.on);
      case 'reset':
        this.machine.writer.thread = 'main';
        this.iommu.reset();
        return true;
      case 'split':
      case 'spoil':
      case 'root-pointer':
        return NOT_PLAYED;
      default:
        return playHostAct(act, this.machine, this.monitor);
    }
  }

  #map({ domain, iova, level, gpas, permission, flush }: Extract<Act, { kind: 'map' }>): boolean {
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    if (!isInside(tables, iova, size, gpas.length)) return false;
    let written = 0;
    gpas.forEach((gpa, i) => {
      const at = iova + BigInt(i) * size;
      // an event across the hole is cut, and what is left of it is often no power of two
      if (level > 1 && holds(at, level, INTERRUPT_HOLE.start)) return;
      if (tables.entry(at, level)?.kind === 'table') return;
      if (gpa % size === 0n && tables.setPage(at, level, gpa, permission)) written++;
    });
    return written > 0 && this.#flush(domain, iova, size * BigInt(gpas.length), flush);
  }

  #unmap({ domain, iova, level, count, flush }: Extract<Act, { kind: 'unmap' }>): boolean {
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    if (!isInside(tables, iova, size, count)) return false;
    let cleared = 0;
    for (let i = 0; i < count; i++) {
      const at = iova + BigInt(i) * size;
      if (tables.entry(at, level)?.kind === 'page' && tables.clear(at, level, false)) cleared++;
    }
    return cleared > 0 && this.#flush(domain, iova, size * BigInt(count), flush);
  }

  /** A table goes with what it maps; QEMU aborts where it still knows pages of it. */
  #unmapLevel({ domain, iova, level, flush }: Extract<Act, { kind: 'unmap-level' }>): boolean {
    if (this.machine.options.tableLoss === 'avoided') return false;
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    const start = iova - (iova % size);
    if (level >= tables.levels || !isInside(tables, start, size, 1)) return false;
    return tables.clear(start, level, false) && this.#flush(domain, start, size, flush);
  }

  /** Pages alone: what permissions of tables do is not known. */
  #protect(act: Extract<Act, { kind: 'protect' }>): boolean {
    const { domain, iova, level, count, permission, flush } = act;
    const tables = this.iommu.domain(domain);
    const size = entrySize(level);
    if (!isInside(tables, iova, size, count)) return false;
    let changed = 0;
    for (let i = 0; i < count; i++) {
      const at = iova + BigInt(i) * size;
      if (tables.entry(at, level)?.kind !== 'page') continue;
      if (tables.setPermission(at, level, permission)) changed++;
    }
    return changed > 0 && this.#flush(domain, iova, size * BigInt(count), flush);
  }

  /** Always true: the page tables were written, even if nobody was told. */
  #flush(domain: number, iova: bigint, size: bigint, flush: Flush): boolean {
    if (flush === 'none' || !this.iommu.enabled) return true;
    if (flush === 'domain') this.iommu.invalidatePages(domain, 0n, null);
    else this.#invalidate(domain, iova, blockCovering(iova, size));
    return true;
  }

  #invalidate(domain: number, iova: bigint, size: bigint): boolean {
    if (!this.iommu.enabled) return false;
    return this.iommu.invalidatePages(domain, iova - (iova % size), size);
  }

  #invalidateDevices(of: Extract<Act, { kind: 'invalidate-context' }>['of']): boolean {
    if (!this.iommu.enabled) return false;
    const { assigned } = this.iommu;
    const named = typeof of === 'object' && 'device' in of ? [assigned[of.device]] : assigned;
    for (const space of named) if (space !== undefined) this.iommu.invalidateDevice(space);
    return true;
  }

  #attach({ device, to, invalidate, flush }: Extract<Act, { kind: 'attach' }>): boolean {
    const space = this.iommu.assigned[device];
    if (space === undefined) return false;
    // what QEMU makes of a device that is blocked out of pass-through has not been seen
    if (to === 'blocked' && !space.enabled) return false;
    if (to === 'pass-through' && !this.iommu.enabled) return false;
    this.iommu.setEntry(space.device, this.#entryFor(to));
    if (!this.iommu.enabled || invalidate === 'none') return true;
    this.iommu.invalidateDevice(space);
    if (flush && typeof to === 'number') this.iommu.invalidatePages(to, 0n, null);
    return true;
  }

  #entryFor(to: Extract<Act, { kind: 'attach' }>['to']): DeviceEntry {
    if (typeof to === 'string') return { kind: to };
    return { kind: 'domain', tables: this.iommu.domain(to) };
  }

  /** What switching the unit off does is not known. */
  #translation(on: boolean): boolean {
    if (!on || this.iommu.enabled) return false;
    this.iommu.enable();
    return true;
  }
}

function isInside(tables: DomainTables, iova: bigint, size: bigint, count: number): boolean {
  const isCount = count > 0 && count <= MAX_PAGES;
  return isCount && iova % size === 0n && iova + size * BigInt(count) <= tables.limit;
}

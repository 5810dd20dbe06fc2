import { type Act, ActPlayer, MAX_PAGES, playHostAct } from './acts.ts';
import { INTERRUPT_HOLE } from './guest-memory.ts';
import { entrySize } from './page-table.ts';
import type { VirtioIommu } from './virtio-iommu.ts';
import { MMIO_FLAG } from './virtio-space.ts';

/** Of an act that virtio-iommu has no counterpart of: it has no tables and no caches. */
const NOT_PLAYED = false;

/** Plays acts on a machine with virtio-iommu: each is one request, or one for each run of pages. */
export class VirtioStage extends ActPlayer<VirtioIommu> {
  protected override carryOut(act: Act): boolean {
    switch (act.kind) {
      case 'map':
        return this.#map(act);
      case 'unmap': {
        const size = entrySize(act.level) * BigInt(act.count);
        return isFew(act.count) && this.iommu.unmap(act.domain, act.iova, act.iova + size - 1n);
      }
      case 'unmap-level': {
        const size = entrySize(act.level);
        const iova = act.iova - (act.iova % size);
        return this.iommu.unmap(act.domain, iova, iova + size - 1n);
      }
      case 'attach':
        return this.#attach(act.device, act.to);
      case 'reset':
        this.machine.writer.thread = 'main';
        return this.iommu.reset();
      case 'protect':
      case 'split':
      case 'spoil':
      case 'invalidate-pages':
      case 'invalidate-domain':
      case 'invalidate-iotlb':
      case 'invalidate-context':
      case 'translation':
      case 'root-pointer':
        return NOT_PLAYED;
      default:
        return playHostAct(act, this.machine, this.monitor);
    }
  }

  /** Pages of memory side by side are one request; what is no memory is taken for a device's registers. */
  #map({ domain, iova, level, gpas, permission }: Extract<Act, { kind: 'map' }>): boolean {
    if (permission === 0 || !isFew(gpas.length)) return false;
    const size = entrySize(level);
    // drivers keep clear of what is reserved for interrupts
    const end = iova + size * BigInt(gpas.length);
    if (iova <= INTERRUPT_HOLE.end && end > INTERRUPT_HOLE.start) return false;
    let isDone = false;
    for (let from = 0; from < gpas.length; ) {
      const gpa = gpas[from] as bigint;
      let count = 1;
      while (gpas[from + count] === gpa + BigInt(count) * size) count++;
      const start = iova + BigInt(from) * size;
      const length = BigInt(count) * size;
      const isMemory = this.machine.memory.translate(gpa, length).kind === 'ram';
      const flags = isMemory ? permission : permission | MMIO_FLAG;
      const mapping = { iova: start, last: start + length - 1n, gpa, flags };
      if (this.iommu.map(domain, mapping)) isDone = true;
      from += count;
    }
    return isDone;
  }

  #attach(device: number, to: Extract<Act, { kind: 'attach' }>['to']): boolean {
    const space = this.iommu.assigned[device];
    if (space === undefined) return false;
    if (typeof to === 'string') return this.iommu.detach(space);
    this.iommu.attach(space, to);
    return true;
  }
}

function isFew(count: number): boolean {
  return count > 0 && count <= MAX_PAGES;
}

import { ADDRESS_MAX, hex, PAGE_SIZE } from './addresses.ts';
import { AmdSpace } from './amd-space.ts';
import { traceDeviceReset, traceResetHandler } from './boot-lines.ts';
import type { Layout } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import { type DomainTables, GuestDomains } from './page-table.ts';
import type { VfioListener } from './vfio-listener.ts';
import { type EmulatedIommu, type ResetMoment, syncDirtyPages } from './viommu.ts';

const FIRST_TABLE_PAGE = 0x1010000n;

/** A device table entry as the guest wrote it. */
export type DeviceEntry =
  | { readonly kind: 'domain'; readonly tables: DomainTables }
  | { readonly kind: 'pass-through' }
  | { readonly kind: 'blocked' };

const PASS_THROUGH: DeviceEntry = { kind: 'pass-through' };

/**
 * The emulated AMD-Vi unit and the guest's device table. Commands come in, lines and notifications go out: the line of a
 * device's command before what it brings, those of other commands behind it. Sources: `amdvi_inval_devtab_entry`,
 * `amdvi_inval_pages`, `amdvi_inval_all`, `amdvi_sysbus_reset`.
 */
export class AmdIommu implements EmulatedIommu {
  readonly assigned: readonly AmdSpace[];
  readonly #machine: Machine;
  readonly #domains: GuestDomains;
  readonly #entries = new Map<string, DeviceEntry>();
  /** Devices with notifiers, in the order of QEMU's list: registered last comes first. */
  #registered: readonly AmdSpace[] = [];
  layout: Layout;
  #enabled = false;

  constructor(machine: Machine, listeners: readonly VfioListener[]) {
    this.#machine = machine;
    this.#domains = new GuestDomains(machine.options.domainLevels, FIRST_TABLE_PAGE);
    this.layout = machine.memory.flat;
    this.assigned = listeners.map((listener) => new AmdSpace(machine, this, listener));
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Tables of a domain, made at its first use. */
  domain(id: number): DomainTables {
    return this.#domains.of(id);
  }

  /** Until a guest writes one, a device is in pass-through. */
  entry(device: string): DeviceEntry {
    return this.#entries.get(device) ?? PASS_THROUGH;
  }

  setEntry(device: string, entry: DeviceEntry): void {
    this.#entries.set(device, entry);
  }

  // boot and reset

  powerOn(): void {
    this.#resetIotlb();
  }

  announce(): void {}

  announceOthers(): void {}

  resetAtBoot(moment: ResetMoment): void {
    if (moment === 'after-handler') this.#resetIotlb();
  }

  /** The guest switches the unit on, and tells it of each device. */
  enable(): void {
    this.#machine.writer.trace('amdvi_control_status', 'MMIO_STATUS state 0x1005');
    this.#enabled = true;
    for (const space of this.assigned) this.invalidateDevice(space);
  }

  /** Reset of the machine: the device registered last is unmapped first; all are in pass-through afterwards. */
  reset(): void {
    traceResetHandler(this.#machine);
    this.#resetIotlb();
    this.#enabled = false;
    this.#entries.clear();
    this.#domains.clear();
    const registered = this.#registered;
    for (const space of registered) space.unmapAll();
    for (const space of registered) this.#passThrough(space);
    for (const { listener } of this.assigned.toReversed()) {
      traceDeviceReset(this.#machine, listener.container);
    }
  }

  // commands

  /** INVALIDATE_DEVTAB_ENTRY. */
  invalidateDevice(space: AmdSpace): void {
    const { writer } = this.#machine;
    writer.trace('amdvi_devtab_inval', `device table entry for devid: ${space.device} invalidated`);
    const entry = this.entry(space.device);
    if (entry.kind === 'pass-through') {
      space.unmapAll();
      this.#passThrough(space);
    } else if (entry.kind === 'blocked') space.unmapAll();
    else {
      if (!space.enabled) this.#registered = [space, ...this.#registered];
      space.translate(this.layout);
    }
  }

  /**
   * INVALIDATE_IOMMU_PAGES: every device whose entry has this domain is brought in line with it, in a range.
   * @param size bytes, a power of two; null: everything
   * @returns false, and nothing was done, where QEMU would abort and the options leave that out
   */
  invalidatePages(domain: number, iova: bigint, size: bigint | null): boolean {
    const start = size === null ? 0n : iova;
    const last = size === null ? ADDRESS_MAX : iova + size - 1n;
    const spaces = this.#registered.filter((space) => this.#isIn(space, domain));
    if (!this.#syncAll(spaces, start, last)) return false;
    this.#machine.writer.trace(
      'amdvi_pages_inval',
      `AMD-Vi pages for domain ${hex(domain)} invalidated`,
    );
    return true;
  }

  /** INVALIDATE_IOMMU_ALL. @returns as `invalidatePages` */
  invalidateAll(): boolean {
    if (!this.#mayWalk(this.#registered, 0n, ADDRESS_MAX)) return false;
    this.#resetIotlb();
    this.#syncAll(this.#registered, 0n, ADDRESS_MAX);
    const args = 'Invalidation of all AMD-Vi cache requested ';
    this.#machine.writer.trace('amdvi_all_inval', args);
    return true;
  }

  syncDirtyPages(): void {
    syncDirtyPages(this.#machine, this.assigned, this.layout);
  }

  #passThrough(space: AmdSpace): void {
    this.#registered = this.#registered.filter((other) => other !== space);
    space.passThrough(this.layout);
  }

  #isIn({ device }: AmdSpace, domain: number): boolean {
    const entry = this.entry(device);
    return entry.kind === 'domain' && entry.tables.id === domain;
  }

  #syncAll(spaces: readonly AmdSpace[], start: bigint, last: bigint): boolean {
    if (!this.#mayWalk(spaces, start, last)) return false;
    for (const space of spaces) space.sync(start, last);
    return true;
  }

  #mayWalk(spaces: readonly AmdSpace[], start: bigint, last: bigint): boolean {
    return spaces.every((space) => space.canSync(start, last));
  }

  #resetIotlb(): void {
    this.#machine.writer.trace('amdvi_iotlb_reset', 'IOTLB exceed size limit - reset ');
  }
}

/** Bytes of the smallest naturally aligned block that holds a range. */
export function blockCovering(iova: bigint, size: bigint): bigint {
  let block = PAGE_SIZE;
  while (iova / block !== (iova + size - 1n) / block) block *= 2n;
  return block;
}

import { AddressSpace, type ContextEntry, type IommuView } from './address-space.ts';
import { hex, PAGE_SIZE } from './addresses.ts';
import type { Layout } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import { type DomainTables, GuestDomains } from './page-table.ts';
import type { VfioListener } from './vfio-listener.ts';
import { type EmulatedIommu, type ResetMoment, syncDirtyPages } from './viommu.ts';

/** Emulated devices of a q35 machine that have an address space of their own. */
const CHIPSET = ['00:00.0', '00:1f.0', '00:1f.2', '00:1f.3'] as const;

/** Guest address of the emulated device with a vhost notifier. */
const VHOST_DEVICE = '00:02.0';

/** Domain id of pass-through entries: Linux gives them one too. */
export const PASS_THROUGH_DOMAIN = 0x7f;

const ROOT_TABLE = 0x1000000n;
const FIRST_TABLE_PAGE = 0x1010000n;
/** Largest address mask of a page-selective invalidation: 2^18 pages. */
export const MAX_ADDRESS_MASK = 18;

/**
 * The emulated VT-d unit and the guest's context table. Registers and invalidation descriptors come in, lines and
 * notifications go out. Sources: `vtd_process_inv_desc` and what it calls, `vtd_handle_gcmd_write`, `vtd_reset_exit`.
 */
export class VtdIommu implements IommuView, EmulatedIommu {
  /** assigned devices, by index */
  readonly assigned: readonly AddressSpace[];
  readonly #machine: Machine;
  /** every address space, in the order of QEMU's hash table */
  readonly #spaces: readonly AddressSpace[];
  readonly #domains: GuestDomains;
  readonly #entries = new Map<string, ContextEntry>();
  /** spaces with notifiers, most recently registered first */
  #registered: readonly AddressSpace[] = [];
  #layout: Layout;
  #enabled = false;
  #status = 0;
  #descriptors = 0;
  #waits = 0;

  constructor(machine: Machine, listeners: readonly VfioListener[]) {
    this.#machine = machine;
    this.#domains = new GuestDomains(machine.options.domainLevels, FIRST_TABLE_PAGE);
    this.#layout = machine.memory.flat;
    this.assigned = listeners.map(
      (listener) => new AddressSpace(machine, this, listener.container.device, listener),
    );
    const emulated = CHIPSET.map((device) => new AddressSpace(machine, this, device, null));
    const vhost = machine.options.vhost
      ? [new AddressSpace(machine, this, VHOST_DEVICE, null, true)]
      : [];
    this.#spaces = machine.random.shuffled([...this.assigned, ...emulated, ...vhost]);
    if (machine.options.vhost) {
      this.#entries.set(VHOST_DEVICE, {
        kind: 'domain',
        tables: this.#domains.of(0x20),
      });
    }
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** The chipset's view of the first megabyte settles at the first reset. */
  set layout(layout: Layout) {
    this.#layout = layout;
  }

  /** Tables of a domain, made at its first use. */
  domain(id: number): DomainTables {
    return this.#domains.of(id);
  }

  contextEntry(device: string): ContextEntry {
    return this.#entries.get(device);
  }

  setContextEntry(device: string, entry: ContextEntry): void {
    if (entry === undefined) this.#entries.delete(device);
    else this.#entries.set(device, entry);
  }

  /** The guest builds its tables anew, as after a reboot. */
  forgetTables(): void {
    for (const { device } of this.assigned) this.#entries.delete(device);
    this.#domains.clear();
  }

  registered(space: AddressSpace, on: boolean): void {
    const others = this.#registered.filter((other) => other !== space);
    this.#registered = on ? [space, ...others] : others;
  }

  // registers

  /** Lines at device realisation: each space starts on system memory. */
  announce(device: string): void {
    const space = this.#spaces.find((candidate) => candidate.device === device);
    if (space !== undefined) this.#switch(space);
  }

  /** The unit is made, and the bridge; the other devices of the chipset come behind the assigned ones. */
  powerOn(): void {
    this.#resetCaches();
    const [bridge] = CHIPSET;
    this.announce(bridge);
  }

  announceOthers(): void {
    for (const device of CHIPSET.slice(1)) this.announce(device);
  }

  /** 7.2 resets it quietly, and before the devices. */
  resetAtBoot(moment: ResetMoment): void {
    const isOld = this.#machine.profile.bootNames === '7.2';
    if (isOld && moment === 'before-devices') this.#resetQuietly();
    if (!isOld && moment === 'after-memory') this.reset();
  }

  /** Root pointer, queue, cache invalidations, translation on: what a driver does at start. */
  enable(): void {
    this.setRootPointer();
    this.#writeCommand(0x400_0000, 0x400_0000);
    this.invalidateContextGlobally();
    this.wait();
    this.invalidateIotlbGlobally();
    this.wait();
    this.#writeCommand(0x8400_0000, 0x8000_0000);
    this.#machine.writer.trace('vtd_dmar_enable', 'enable 1');
    this.#enabled = true;
    this.#resetCaches();
    this.#refreshAll();
  }

  disable(): void {
    this.#writeCommand(0x400_0000, 0);
    this.#status &= ~0x8000_0000;
    this.#machine.writer.trace('vtd_dmar_enable', 'enable 0');
    this.#enabled = false;
    this.#resetCaches();
    this.#refreshAll();
  }

  /** Set root table pointer: every space is unmapped and switched. */
  setRootPointer(): void {
    const command = this.#enabled ? 0xc400_0000 : 0x4000_0000;
    this.#writeCommand(command, 0x4000_0000);
    this.#machine.writer.trace('vtd_reg_dmar_root', `addr ${hex(ROOT_TABLE)} scalable 0`);
    this.#resetCaches();
    this.#refreshAll();
  }

  /** Reset of the machine. */
  reset(): void {
    if (this.#machine.profile.tracesReset) this.#machine.writer.trace('vtd_reset_exit', '');
    this.#resetQuietly();
  }

  /** The same as a first reset shows itself. */
  #resetQuietly(): void {
    this.#enabled = false;
    this.#status = 0;
    this.#descriptors = 0;
    this.#resetCaches();
    this.#refreshAll();
  }

  // invalidation descriptors

  invalidateContextGlobally(): void {
    this.#descriptor('context-cache', 0n, 0x11n);
    this.#contextGlobal();
  }

  /** A domain-selective request is treated as global. */
  invalidateContextOfDomain(domain: number): void {
    this.#descriptor('context-cache', 0n, (BigInt(domain) << 16n) | 0x21n);
    this.#machine.writer.trace(
      'vtd_inv_desc_cc_domain',
      `context invalidate domain ${hex(domain)}`,
    );
    this.#contextGlobal();
  }

  /** @param domain the domain id that the guest puts into the descriptor */
  invalidateContextOfDevice(space: AddressSpace, domain: number): void {
    const { writer } = this.#machine;
    const source = (space.bus << 8) | space.devfn;
    this.#descriptor(
      'context-cache',
      0n,
      (BigInt(source) << 32n) | (BigInt(domain) << 16n) | 0x31n,
    );
    writer.trace(
      'vtd_inv_desc_cc_devices',
      `context invalidate devices sid ${hex(source)} fmask 0x0`,
    );
    writer.trace('vtd_inv_desc_cc_device', `context invalidate device ${space.longName}`);
    this.#switch(space);
    space.sync();
  }

  invalidateIotlbGlobally(): void {
    this.#descriptor('iotlb', 0n, 0xd2n);
    this.#machine.writer.trace('vtd_inv_desc_iotlb_global', 'iotlb invalidate global');
    for (const space of this.#registered) space.sync();
  }

  invalidateIotlbOfDomain(domain: number): void {
    this.#descriptor('iotlb', 0n, (BigInt(domain) << 16n) | 0xe2n);
    this.#machine.writer.trace(
      'vtd_inv_desc_iotlb_domain',
      `iotlb invalidate whole domain ${hex(domain)}`,
    );
    for (const space of this.#registered) {
      const entry = space.lookUp();
      // the sync looks the entry up again, which shows only where it is absent: then it is not of this domain
      if (entry?.kind === 'domain' && entry.tables.id === domain) space.sync();
    }
  }

  /** @param mask 2^mask pages from `iova`, which is aligned to that */
  invalidateIotlbPages(domain: number, iova: bigint, mask: number): void {
    this.#descriptor('iotlb', iova | BigInt(mask), (BigInt(domain) << 16n) | 0xf2n);
    this.#machine.writer.trace(
      'vtd_inv_desc_iotlb_pages',
      `iotlb invalidate domain ${hex(domain)} addr ${hex(iova)} mask ${hex(mask)}`,
    );
    const end = iova + (PAGE_SIZE << BigInt(mask));
    for (const space of this.#registered) {
      const entry = space.lookUp();
      if (entry?.kind !== 'domain' || entry.tables.id !== domain) continue;
      if (space.hasVfioNotifiers) space.walk(entry.tables, iova, end);
    }
  }

  /** A wait descriptor, by which the guest learns that the ones before it are done. */
  wait(): void {
    this.#waits++;
    const data = BigInt(this.#waits) & 0xffff_ffffn;
    this.#descriptor('wait', 0x1003000n, (data << 32n) | 0x25n);
    this.#machine.writer.trace(
      'vtd_inv_desc_wait_sw',
      `wait invalidate status write addr 0x1003000 data ${hex(data)}`,
    );
  }

  // dirty syncs

  syncDirtyPages(): void {
    syncDirtyPages(this.#machine, this.assigned, this.#layout);
  }

  #contextGlobal(): void {
    this.#machine.writer.trace('vtd_inv_desc_cc_global', 'context invalidate globally');
    this.#refreshAll();
    for (const space of this.#registered) space.sync();
  }

  /** Source: `vtd_address_space_refresh_all`: everything is unmapped first, then every space is switched. */
  #refreshAll(): void {
    for (const space of this.#registered) space.unmapAll();
    for (const space of this.#spaces) this.#switch(space);
  }

  /** Source: `vtd_switch_address_space`: two look-ups when translation is on, the line, then the memory regions. */
  #switch(space: AddressSpace): void {
    let usesIommu = false;
    if (this.#enabled) {
      space.lookUp();
      usesIommu = space.lookUp()?.kind !== 'pass-through';
    }
    this.#machine.writer.trace(
      'vtd_switch_address_space',
      `Device ${space.device} switching address space (iommu enabled=${usesIommu ? 1 : 0})`,
    );
    space.setEnabled(usesIommu, this.#layout);
  }

  #resetCaches(): void {
    const { profile, writer } = this.#machine;
    writer.trace('vtd_context_cache_reset', '');
    if (profile.tracesPasidCache) writer.trace('vtd_pasid_cache_reset', '');
  }

  /** @param bits of the status register that the command sets */
  #writeCommand(value: number, bits: number): void {
    this.#machine.writer.trace(
      'vtd_reg_write_gcmd',
      `status ${hex(this.#status >>> 0)} value ${hex(value)}`,
    );
    this.#status |= bits;
  }

  /** Fetching one descriptor from the queue; the guest rings for each descriptor and its wait. */
  #descriptor(type: string, high: bigint, low: bigint): void {
    const { writer } = this.#machine;
    const head = this.#descriptors++ & 255;
    if (writer.traces('vtd_inv_qi_head')) this.#queueLines(head, type === 'wait');
    writer.trace('vtd_inv_desc', `invalidate desc type ${type} high ${hex(high)} low ${hex(low)}`);
  }

  #queueLines(head: number, afterAnother: boolean): void {
    const { writer } = this.#machine;
    if (!afterAnother) {
      const tail = (head + 2) & 255;
      writer.trace('vtd_reg_write', `addr 0x88 size 0x8 value ${hex(tail << 4)}`);
      writer.trace('vtd_inv_qi_tail', `write tail ${tail}`);
      writer.trace('vtd_inv_qi_fetch', '');
    }
    writer.trace('vtd_inv_qi_head', `read head ${head}`);
  }
}

import { traceDeviceReset, traceResetHandler } from './boot-lines.ts';
import type { Layout } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import { RangeMap } from './range-map.ts';
import type { VfioListener } from './vfio-listener.ts';
import { type EmulatedIommu, type ResetMoment, syncDirtyPages } from './viommu.ts';
import {
  boundsText,
  type DomainMapping,
  rangeText,
  regionName,
  VirtioSpace,
} from './virtio-space.ts';

/** Devices of a q35 machine that have a region of their own; the second is virtio-iommu's. */
const OTHERS = ['00:00.0', '00:03.0', '00:1f.0', '00:1f.2', '00:1f.3'] as const;

interface Domain {
  readonly id: number;
  readonly mappings: RangeMap<DomainMapping>;
  /** attached last comes first */
  endpoints: readonly VirtioSpace[];
}

/**
 * The emulated virtio-iommu. Requests come in, lines and notifications go out. Sources: `virtio_iommu_attach`,
 * `virtio_iommu_detach_endpoint_from_domain`, `virtio_iommu_map`, `virtio_iommu_unmap`, `virtio_iommu_put_domain`,
 * `virtio_iommu_system_reset`, `virtio_iommu_device_reset_exit`.
 */
export class VirtioIommu implements EmulatedIommu {
  readonly assigned: readonly VirtioSpace[];
  readonly #machine: Machine;
  readonly #domains = new Map<number, Domain>();
  layout: Layout;

  constructor(machine: Machine, listeners: readonly VfioListener[]) {
    this.#machine = machine;
    this.layout = machine.memory.flat;
    this.assigned = listeners.map((listener, index) => new VirtioSpace(machine, listener, index));
  }

  // boot and reset

  powerOn(): void {}

  announce(device: string): void {
    const index = this.assigned.findIndex((space) => space.device === device);
    this.#announce(device, index);
  }

  announceOthers(): void {
    const { options, writer } = this.#machine;
    if (options.qemu !== '7.2')
      writer.trace('virtio_iommu_freeze_granule', 'granule set to 0x1000');
    OTHERS.forEach((device, i) => {
      this.#announce(device, this.assigned.length + i);
    });
  }

  resetAtBoot(moment: ResetMoment): void {
    const isOld = this.#isOld;
    if (moment === 'before-devices') this.#systemReset();
    if (isOld && moment === 'after-handler') this.#trace('device_reset', 'reset!');
    if (!isOld && moment === 'after-memory') this.#trace('device_reset_exit', 'reset!');
  }

  /** Reset of the machine. @returns false in 7.2, of which the order of lines has not been seen */
  reset(): boolean {
    if (this.#isOld) return false;
    this.#systemReset();
    traceResetHandler(this.#machine);
    for (const { listener } of this.assigned.toReversed()) {
      traceDeviceReset(this.#machine, listener.container);
    }
    this.#trace('device_reset_exit', 'reset!');
    for (const space of this.assigned) this.#leave(space);
    return true;
  }

  // requests

  /** ATTACH: out of the old domain first, be it the same. */
  attach(space: VirtioSpace, id: number): void {
    this.#trace('attach', `domain=${id} endpoint=${space.endpoint}`);
    this.#leave(space);
    const domain = this.#domains.get(id) ?? { id, mappings: new RangeMap(), endpoints: [] };
    this.#domains.set(id, domain);
    domain.endpoints = [space, ...domain.endpoints];
    space.enable(this.layout, domain.mappings);
    // the replay of the registration has mapped them already
    for (const mapping of domain.mappings) space.map(mapping);
  }

  /** DETACH. @returns false if the device is in no such domain */
  detach(space: VirtioSpace): boolean {
    const domain = this.#domainOf(space);
    if (domain === undefined) return false;
    this.#trace('detach', `domain=${domain.id} endpoint=${space.endpoint}`);
    this.#leave(space);
    if (!this.#isOld) this.#trace('put_endpoint', `Free endpoint=${space.endpoint}`);
    return true;
  }

  /** MAP. @returns false if it is refused, without a line: no such domain, or there is a mapping already */
  map(id: number, mapping: DomainMapping): boolean {
    const domain = this.#domains.get(id);
    if (domain === undefined || !domain.mappings.insert(mapping)) return false;
    this.#trace('map', `domain=${id} ${rangeText(mapping)} flags=${mapping.flags}`);
    for (const space of domain.endpoints) space.map(mapping);
    return true;
  }

  /** UNMAP: mappings that lie in the range go, lowest first, up to one that the range cuts. @returns false: no such domain */
  unmap(id: number, iova: bigint, last: bigint): boolean {
    const domain = this.#domains.get(id);
    if (domain === undefined) return false;
    const request = `domain=${id} ${boundsText(iova, last)}`;
    this.#trace('unmap', request);
    let isDone = false;
    for (const mapping of domain.mappings.overlapping(iova, last)) {
      if (mapping.iova < iova || mapping.last > last) return true;
      for (const space of domain.endpoints) space.unmap(mapping);
      domain.mappings.removeOverlapping(mapping.iova, mapping.last);
      isDone = true;
    }
    if (isDone) this.#trace('unmap_done', request);
    return true;
  }

  syncDirtyPages(): void {
    syncDirtyPages(this.#machine, this.assigned, this.layout);
  }

  /** Takes a device out of its domain, which goes with its mappings when it was the last one there. */
  #leave(space: VirtioSpace): void {
    const domain = this.#domainOf(space);
    if (domain === undefined) return;
    if (!this.#isOld) {
      this.#trace('detach_endpoint_from_domain', `domain=${domain.id} endpoint=${space.endpoint}`);
    }
    for (const mapping of domain.mappings) space.unmap(mapping);
    space.disable(this.layout);
    domain.endpoints = domain.endpoints.filter((other) => other !== space);
    if (domain.endpoints.length > 0) return;
    this.#domains.delete(domain.id);
    this.#trace('put_domain', `Free domain=${domain.id}`);
  }

  #domainOf(space: VirtioSpace): Domain | undefined {
    return [...this.#domains.values()].find(({ endpoints }) => endpoints.includes(space));
  }

  get #isOld(): boolean {
    return this.#machine.options.qemu === '7.2';
  }

  #announce(device: string, index: number): void {
    this.#trace('init_iommu_mr', `init ${regionName(device, index)}`);
    this.#traceSwitch(device, false);
  }

  /** All devices by their addresses. */
  #systemReset(): void {
    this.#trace('system_reset', 'system reset!');
    const enabled = new Set(this.assigned.filter((space) => space.enabled).map((s) => s.device));
    const devices = new Set([...OTHERS, ...this.assigned.map(({ device }) => device)]);
    for (const device of [...devices].sort()) this.#traceSwitch(device, enabled.has(device));
  }

  #traceSwitch(device: string, isEnabled: boolean): void {
    const args = `Device ${device} switching address space (iommu enabled=${isEnabled ? 1 : 0})`;
    this.#trace('switch_address_space', args);
  }

  #trace(event: string, args: string): void {
    this.#machine.writer.trace(`virtio_iommu_${event}`, args);
  }
}

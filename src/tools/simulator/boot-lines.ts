import { hex } from './addresses.ts';
import type { Machine } from './machine.ts';
import type { SimulationOptions, ViommuKind } from './options.ts';
import { PROGRAM } from './trace-writer.ts';
import type { VfioContainer } from './vfio-container.ts';
import type { EmulatedIommu } from './viommu.ts';

/** Properties of the IOMMU on the command line. */
const IOMMU_DEVICE: Readonly<Record<ViommuKind, (options: SimulationOptions) => string>> = {
  intel: ({ awBits }) =>
    `"driver":"intel-iommu","id":"iommu0","caching-mode":true,"aw-bits":${awBits}`,
  amd: () => '"driver":"amd-iommu","id":"iommu0","dma-remap":true',
  virtio: () => '"driver":"virtio-iommu","id":"iommu0","bus":"pcie.0","addr":"0x3"',
};

const IOMMU_EVENTS: Readonly<Record<ViommuKind, string>> = {
  intel: 'vtd',
  amd: 'amdvi',
  virtio: 'virtio_iommu',
};

/** libvirt's start line and command, as in its log of a domain (formats 1). */
export function writeLibvirtHeader({ options, profile, writer }: Machine): void {
  const time = new Date(writer.seconds * 1000).toISOString();
  const stamp = `${time.slice(0, 10)} ${time.slice(11, 23)}+0000`;
  const assigned = options.deviceAddresses.slice(0, options.devices).map((address, i) => {
    const bus = Number.parseInt(address.slice(0, 2), 16);
    const place = `"bus":"${bus === 0 ? 'pcie.0' : `pci.${bus}`}","addr":"0x${address.slice(3)}"`;
    if (options.backend === 'vfio-user') {
      return `-device '{"driver":"vfio-user-pci","id":"hostdev${i}",${place},"socket":{"path":"/run/vfu.sock","type":"unix"}}'`;
    }
    const iommufd = options.backend === 'iommufd' ? ',"iommufd":"iommufd0"' : '';
    return `-device '{"driver":"vfio-pci","host":"0000:00:0${5 + i}.0","id":"hostdev${i}",${place}${iommufd}}'`;
  });
  const command = [
    'LC_ALL=C',
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    `/usr/bin/${PROGRAM}`,
    '-name guest=vm-a,debug-threads=on',
    `-machine pc-q35-${profile.version},usb=off,kernel_irqchip=split`,
    `-accel ${options.kvm ? 'kvm' : 'tcg'}`,
    `-m size=${options.ramSize >> 10n}k`,
    `-device '{${IOMMU_DEVICE[options.viommu](options)}}'`,
    ...assigned,
    // Else it was switched on later, from the monitor.
    ...(options.bootLines ? [`-trace '${IOMMU_EVENTS[options.viommu]}_*'`] : []),
    '-msg timestamp=on',
  ];
  writer.raw(
    `${stamp}: starting up libvirt version: 11.3.0, package: 11.3.0-3, qemu version: ${profile.release}, kernel: 6.12.107, hostname: host-a`,
  );
  command.forEach((part, i) => {
    writer.raw(i === command.length - 1 ? part : `${part} \\`);
  });
}

/** What libvirt writes when the process is gone. */
export function writeLibvirtEnd({ writer }: Machine, reason: string): void {
  const time = new Date(writer.seconds * 1000).toISOString();
  writer.raw(`${time.slice(0, 10)} ${time.slice(11, 23)}+0000: shutting down, reason=${reason}`);
}

/** The lines of a start, up to the first reset: devices are made, VFIO attaches, RAM is mapped. */
export function writeBoot(machine: Machine, iommu: EmulatedIommu): void {
  const { profile, options, writer } = machine;
  iommu.powerOn();
  for (const { listener, device } of iommu.assigned) {
    if (listener === null) continue;
    const { container } = listener;
    const old = profile.bootNames === '7.2';
    const isUser = options.backend === 'vfio-user';
    // these speak to the device before its address space is made
    const first = old || isUser;
    if (first) container.attachLines();
    else traceMdev(machine, container);
    iommu.announce(device);
    if (!first) container.attachLines();
    listener.addLayout(machine.memory.flat);
    if (old) traceMdev(machine, container);
    if (isUser) writer.trace('vfio_user_get_info', ' #regions 9 #irqs 5');
    traceDevice(machine, container);
  }
  iommu.announceOthers();
  iommu.resetAtBoot('before-devices');
  traceResetHandler(machine);
  iommu.resetAtBoot('after-handler');
  for (const { listener } of iommu.assigned) {
    if (listener !== null) traceDeviceReset(machine, listener.container);
    listener?.replaceLayout(machine.memory.flat, machine.memory.split);
  }
  iommu.layout = machine.memory.split;
  iommu.resetAtBoot('after-memory');
  if (options.migratable) traceRunning(machine, iommu);
}

/** A reset reaches VFIO; 7.2 does not say so. */
export function traceResetHandler({ profile, writer }: Machine): void {
  if (profile.bootNames === '7.2') return;
  const isNew = profile.bootNames === '10.2';
  writer.trace(isNew ? 'vfio_device_reset_handler' : 'vfio_reset_handler', '');
}

function traceMdev({ writer }: Machine, { hostDevice }: VfioContainer): void {
  writer.trace('vfio_mdev', ` (${hostDevice}) is_mdev 0`);
}

/** Lines of `vfio_get_device` and `vfio_populate_device`. */
function traceDevice({ profile, options, writer }: Machine, { hostDevice }: VfioContainer): void {
  const gotten = `Device ${hostDevice} flags: 3, regions: 9, irqs: 5`;
  if (options.backend !== 'vfio-user') {
    writer.trace(profile.bootNames === '10.2' ? 'vfio_device_get' : 'vfio_get_device', gotten);
  }
  for (let region = 0; region < 2; region++) {
    const offset = hex(BigInt(region) << 40n);
    writer.trace(
      'vfio_region_setup',
      `Device ${hostDevice}, region ${region} "${hostDevice} BAR ${region}", flags: 0x7, offset: ${offset}, size: 0x20000`,
    );
  }
  const facts = 'size: 0x1000, offset: 0x70000000000, flags: 0x3';
  if (profile.bootNames === '7.2') {
    // the format of 7.2 contains a line feed; the second line has no prefix
    const first = `Device ${hostDevice} config:`;
    if (writer.trace('vfio_populate_device_config', first) !== null) writer.raw(`  ${facts}`);
  } else {
    const event =
      profile.bootNames === '10.2'
        ? 'vfio_pci_populate_device_config'
        : 'vfio_populate_device_config';
    writer.trace(event, `Device '${hostDevice}' config: ${facts}`);
  }
  if (!options.migratable) return;
  if (profile.tracksByMigrationStatus) {
    writer.trace('vfio_migration_probe', ` (${hostDevice}) Region 9`);
  } else {
    writer.trace('vfio_migration_realize', ` (${hostDevice})`);
  }
}

export function traceDeviceReset({ writer }: Machine, { hostDevice }: VfioContainer): void {
  writer.trace('vfio_pci_hot_reset', ` (${hostDevice}) multi`);
  writer.trace('vfio_region_mmaps_set_enabled', `Region ${hostDevice} BAR 0 mmaps enabled: 1`);
  writer.trace('vfio_intx_disable', ` (${hostDevice})`);
  writer.trace('vfio_intx_enable', ` (${hostDevice})`);
}

function traceRunning({ profile, writer }: Machine, iommu: EmulatedIommu): void {
  if (profile.tracksByMigrationStatus) return;
  for (const { listener } of iommu.assigned) {
    const device = listener?.container.hostDevice ?? '';
    writer.trace('vfio_migration_set_state', ` (${device}) new state RUNNING, recover state ERROR`);
    writer.trace(
      'vfio_vmstate_change',
      ` (${device}) running 1 reason running device state RUNNING`,
    );
  }
}

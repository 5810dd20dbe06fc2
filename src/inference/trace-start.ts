import { type EventName, eventNames, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';

const at = {
  switch: offsetsOf('vtd_switch_address_space'),
  argument: offsetsOf('session:argument'),
} as const;

/** They have the same arguments. */
const SWITCHES: ReadonlySet<EventName> = new Set<EventName>([
  'vtd_switch_address_space',
  'virtio_iommu_switch_address_space',
]);

/** Events with which the trace of a new machine can begin. */
const FIRST_OF_A_BOOT: ReadonlySet<EventName> = new Set<EventName>([
  'vfio_realize',
  'vfio_attach_device',
  'vfio_device_attach',
  'iommufd_cdev_connect_and_bind',
  'vtd_pasid_cache_reset',
  'virtio_iommu_init_iommu_mr',
]);

/** Printed by a machine that is being made before it has any device of VFIO, and by one that runs as well. */
const SAYS_NOTHING: ReadonlySet<EventName> = new Set<EventName>(['amdvi_iotlb_reset']);

/** Messages about unmaps, which a machine that is being made does not have. */
const OF_RUNNING_MACHINE: ReadonlySet<EventName> = new Set<EventName>([
  'message:bitmap-too-big',
  'message:dma-unmap-failed',
]);

/**
 * Whether a trace shows its machine from the start on.
 *
 * A machine that is being made prints its devices' address spaces, disabled, or attaches its first
 * device, before anything else. libvirt's header alone shows the start of the machine, and not that
 * of the trace: that may have been switched on later, if the command does not ask for it.
 */
export class TraceStart {
  /** The lines so far begin with the start of the machine. */
  isAtBoot = false;
  /** That is so, or not, for good. */
  isSettled = false;
  /** Whether the command that libvirt printed asks for a trace; null: none was printed. */
  #header: 'unknown' | 'traced' | 'untraced' | null = null;

  /** The next line of interest, until it is settled. */
  take(cursor: BatchCursor): void {
    const name = eventNames[cursor.kind] as EventName;
    if (SAYS_NOTHING.has(name) || this.#isHeader(name, cursor)) return;
    this.isSettled = true;
    const isDisabled = SWITCHES.has(name) && cursor.u32(at.switch.on) === 0;
    const isAsked = this.#header === 'traced' || this.#header === 'unknown';
    this.isAtBoot = isDisabled || isAsked || FIRST_OF_A_BOOT.has(name);
  }

  /** A line of libvirt's header, or a message of QEMU's before the first event. */
  #isHeader(name: EventName, cursor: BatchCursor): boolean {
    if (name === 'session:start') {
      this.#header = 'unknown';
      this.isAtBoot = true;
    } else if (name === 'session:argument') {
      const asks = cursor.text(at.argument.text).startsWith('-trace');
      if (asks) this.#header = 'traced';
      else if (this.#header === 'unknown') this.#header = 'untraced';
    } else if (name.startsWith('message:')) {
      // What QEMU warns of while it makes its devices; an unmap can fail only later.
      return this.#header !== null || !OF_RUNNING_MACHINE.has(name);
    } else return name === 'session:name';
    return true;
  }
}

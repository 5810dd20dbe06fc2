import { LAST_PAGE, pageOf } from '../../base/address.ts';
import type { Severity, Verdict } from '../../base/vocabulary.ts';
import { plural } from '../../base/words.ts';
import {
  EADDRINUSE,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
} from '../../emulation/vfio/errno.ts';
import { HIGH_NOTIFIER } from '../../emulation/viommu/notifiers.ts';
import type { MessageOperation } from '../../events/messages/index.ts';
import { symptom, type Unmap } from '../../inference/unmap.ts';
import { cutsThrough, isBitmapRefused, isQueryRefused } from '../failures.ts';
import { Basis } from '../grounds.ts';
import type { GroupView, RuleBody } from '../rule.ts';

const restsOn = { backend: true } as const;

/** What a kind of failure is worth, and how it is told. */
interface Meaning {
  readonly severity: Severity;
  readonly verdict: Verdict | null;
  readonly says: string;
  readonly todo: string;
}

const LOOK_AROUND = "Look at the lines around it, and at the host kernel's log of the same time.";

function error(says: string, todo = LOOK_AROUND): Meaning {
  return { severity: 'error', verdict: 'fails', says, todo };
}
function warning(says: string, todo = LOOK_AROUND): Meaning {
  return { severity: 'warning', verdict: null, says, todo };
}
function note(says: string, todo: string): Meaning {
  return { severity: 'note', verdict: null, says, todo };
}

const HARMLESS_BAR =
  'Nothing has to be done unless devices are to reach this BAR directly (peer-to-peer DMA); to silence it, let the firmware place BARs below the address width of the host IOMMU (phys-bits of the CPU, or X-PciMmio64Mb of the firmware).';

/** By what was to be mapped, and by errno where that says more; the last is for any other. */
const MAPS: Readonly<Record<'bar' | 'ram' | 'viommu' | 'unknown', Meaning>> = {
  bar: warning(
    'The host IOMMU did not take the BAR of a device, which is harmless by itself: only peer-to-peer DMA to it is lost, and guest memory is not concerned.',
    HARMLESS_BAR,
  ),
  ram: error('Guest memory could not be mapped for the device.'),
  viommu: error("What the guest's IOMMU maps could not be mapped in the host."),
  unknown: warning(
    'Whether it was guest memory or the BAR of a device, no line tells: the first is serious, the second harmless.',
    'A log from the start of the VM, with vfio_listener_region_add_ram traced, would tell.',
  ),
};

const MAPS_BY_ERRNO: Readonly<Record<number, Meaning>> = {
  [ENOMEM]: error(
    'The limit of locked memory (RLIMIT_MEMLOCK) is too low for the guest memory that the device needs pinned.',
    'Raise the memlock limit of the QEMU process: <memtune><hard_limit> in libvirt, LimitMEMLOCK of its service, or ulimit -l.',
  ),
  [EFAULT]: error(
    'The memory behind the mapping cannot be pinned: it is not backed by pages of the host, as on the destination of a postcopy migration, or by memory that was taken away.',
    'Use no postcopy with assigned devices, and no balloon; give the guest memory that is backed.',
  ),
  [EBUSY]: error('The container was busy: another user of it is in the middle of a change.'),
  [EINVAL]: error(
    'The range lies outside what the host IOMMU accepts: beyond its address width, over a reserved range (AMD: the hole below 1 TiB), or not aligned to its pages.',
    'Look at /sys/kernel/iommu_groups/*/reserved_regions of the device. AMD hosts with 1 TiB and more: machine types from 7.1 on leave the hole out. Else lower the address width of the VM (phys-bits).',
  ),
};

/** By operation; of a device that QEMU refused, each text says it itself. */
const TOLD: Readonly<Partial<Record<MessageOperation, Meaning>>> = {
  unmap: warning(
    'The kernel refused an unmap of which no other line tells the range: a mapping may have stayed.',
  ),
  'map-dropped': warning(
    'QEMU dropped a mapping of the guest before the host saw it: the device faults there.',
  ),
  'tracking-start': error(
    'Dirty tracking did not start, so that the migration cannot run.',
    'The kernel or the device refuses to log DMA; its log says why. Without tracking only a migration with the device unplugged is left.',
  ),
  'tracking-stop': error('Dirty tracking did not stop: the next one may fail to start.'),
  'dirty-query': error(
    'Dirty bits could not be fetched: the migration failed, or lost what the device wrote.',
    'Do not use the destination of that migration. The kernel log of the same time says why the query failed.',
  ),
  'bitmap-allocation': error(
    'There was no memory for a dirty bitmap: what the device wrote is not known.',
  ),
  'device-state': error(
    "The device's own state could not be saved, loaded or set: the migration failed.",
    "Look at the messages of the device's host driver on both sides; firmware and driver have to be of the same version.",
  ),
  attach: error('QEMU refused the device, or could not set it up: the VM or the hotplug failed.'),
  'device-irq': warning("The device's interrupts could not be set up."),
  'device-error': error('A device of VFIO reported an error, and QEMU stopped the VM.'),
  'translation-fault': note(
    'A device of the guest, assigned or emulated, reached for an address that the guest has not mapped. That is a matter of the guest, and no failure of VFIO.',
    'The host needs no fix; look at the driver in the guest.',
  ),
  'viommu-misuse': note(
    'The guest gave its IOMMU an entry, a descriptor or a register that this does not accept. That is a matter of the guest, and no failure of VFIO.',
    'The host needs no fix; look at the IOMMU driver in the guest.',
  ),
  'host-fault': note(
    'The host IOMMU caught DMA of a device to an address that is not mapped.',
    'Nothing was written there; look at the driver of the device, in the guest if it is assigned.',
  ),
  'device-reset': warning('A device could not be reset.'),
  'vm-stopped': error('KVM could not run the guest any more, and QEMU stopped the VM.'),
  crash: error('QEMU died.'),
};

const UNMAPS = {
  tracked: error('Nothing was unmapped there, or its dirty bits are lost.'),
  untracked: warning(
    'Whether dirty pages were tracked, no line tells; untracked, no dirty bits are lost. The mapping stays in the host, if there was one.',
  ),
  left: {
    ...warning('The mapping stays in the host, and the device goes on reaching that memory.'),
    verdict: 'leaves-mappings',
  },
  wrap: warning(
    'Kernels 4.15 to 4.20 refuse an unmap that ends at 2^64. Nothing of dirty tracking is concerned; mappings above 0xfef00000 stay until the device goes.',
    'Use a newer host kernel (5.0 or later).',
  ),
  absent: note(
    'Nothing was mapped there. iommufd and vfio-user say so, type1 never does; it is harmless, and no proof of dirty tracking.',
    'Nothing needs fixing here.',
  ),
  late: error('QEMU told so only when the migration ended.'),
} as const satisfies Readonly<Record<string, Meaning>>;
type UnmapTopic = keyof typeof UNMAPS;

/** VTD015: any other failure that QEMU, libvirt or the kernel reports of VFIO and its IOMMUs. */
export const backendError: RuleBody = {
  severity: (group) => (group.endsQemu ? 'error' : meaningOf(group).severity),
  verdict: (group) => (group.endsQemu ? 'crashes' : meaningOf(group).verdict),
  requiredEvents: [],
  restsOn,
  symptoms: symptom.failure,
  start: (_facts, report) => ({
    unmap(unmap) {
      const hasOwnRule = isBitmapRefused(unmap) || cutsThrough(unmap) || isQueryRefused(unmap);
      if (unmap.isSeenFailing && !hasOwnRule) {
        report.unmap(unmap, 'observed', `unmap ${topicOf(unmap)}`);
      }
    },
    'failed-map'(failure) {
      const { mark, space, container, first, last, errno, observed, memory, endsQemu } = failure;
      const hasOwnRule = [EEXIST, ENOSPC, EADDRINUSE].includes(errno);
      if (!observed || hasOwnRule) return;
      const basis = new Basis().add('message');
      const topic = `map ${memory ?? 'unknown'} ${errno} ${endsQemu ? 'ends' : ''}`;
      report.add({
        mode: 'observed',
        mark,
        basis,
        space,
        container,
        first,
        last,
        errno,
        topic,
        memory,
        endsQemu,
      });
    },
    message({ mark, about, text, errno, endsQemu }) {
      const { operation } = about;
      if (TOLD[operation] === undefined) return;
      // What is refused differs from text to text; faults and queries come in many words.
      const isUnmap = operation === 'unmap';
      const key = operation === 'attach' ? about.id : isUnmap ? `unmap told ${errno}` : operation;
      report.add({
        mode: 'observed',
        mark,
        basis: new Basis().add('message'),
        topic: `${key}${endsQemu ? ' ends' : ''}`,
        errno: errno === 0 ? null : errno,
        detail: text,
        about,
        endsQemu,
      });
    },
    'late-failure'({ text, mark }) {
      const basis = new Basis().add('message');
      report.add({ mode: 'observed', mark, basis, topic: 'unmap late', detail: text });
    },
  }),
  message(group) {
    const { about, count, detail, errno, iova } = group;
    const { says } = meaningOf(group);
    const ended = group.endsQemu && about?.operation !== 'crash' ? ' QEMU ended with it.' : '';
    const result = (errno ?? 0) === 0 ? '' : ` with ${errno}`;
    const where = iova === null ? '' : `, the first at iova ${iova}`;
    if (group.topic.startsWith('unmap ') && about === null) {
      if (group.topic === 'unmap late')
        return `${plural(count, 'unmap')} failed: ${detail}. ${says}`;
      return `${plural(count, 'unmap')} failed${result}${where}. ${says}`;
    }
    if (about === null) return `${plural(count, 'MAP')} failed${result}${where}. ${says}${ended}`;
    const words = count === 1 ? 'The message' : `${count} messages, the first`;
    return `${named(says, detail)}${ended} ${words}: ${detail}`;
  },
  fix: (group) => ({ today: `${meaningOf(group).todo}${memlockNote(group)}` }),
};

/** A device that was refused, by the host address that QEMU's message names; and why, if no text explains it. */
function named(says: string, detail: string | null): string {
  const [, device, why = ''] =
    /\bvfio ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d): ([^"\\]{1,160})/.exec(detail ?? '') ?? [];
  if (device === undefined) return says;
  if (says === TOLD.attach?.says) return `QEMU refused ${device}, or could not set it up: ${why}.`;
  return says.replace(/^QEMU refused a device\b/, `QEMU refused ${device}`);
}

/** What an unmap that failed in QEMU's words is worth. */
function topicOf(unmap: Unmap): UnmapTopic {
  if (unmap.errno === ENOENT) return 'absent';
  if (unmap.tracked === true) return 'tracked';
  const isWrap = unmap.first === pageOf(HIGH_NOTIFIER.start) && unmap.last >= LAST_PAGE;
  if (isWrap && unmap.errno === EINVAL) return 'wrap';
  return unmap.container.value?.host.overlaps(unmap.first, unmap.last) === true
    ? 'left'
    : 'untracked';
}

/** Behind a vIOMMU every device pins for itself. */
function memlockNote({ about, errno, facts, memory }: GroupView): string {
  const isMemlock = about === null && errno === ENOMEM && memory !== 'bar';
  return isMemlock && facts.mayHaveVIommu
    ? ' Behind a vIOMMU each device may need the size of the guest.'
    : '';
}

function meaningOf({ about, endsQemu, errno, memory, topic }: GroupView): Meaning {
  if (about !== null) {
    const isAbsent = about.operation === 'unmap' && errno === ENOENT;
    const meaning = isAbsent ? UNMAPS.absent : (TOLD[about.operation] ?? UNMAPS.untracked);
    return { ...meaning, says: about.says ?? meaning.says, todo: about.todo ?? meaning.todo };
  }
  const unmap = Object.keys(UNMAPS).find((key) => topic === `unmap ${key}`);
  if (unmap !== undefined) return UNMAPS[unmap as UnmapTopic];
  if (memory === 'bar' && !endsQemu) return MAPS.bar;
  const byErrno = MAPS_BY_ERRNO[errno ?? 0];
  // Out of reach is a matter of where it is; of memory that is not known, nothing is claimed.
  if (memory === null && errno === EINVAL) return MAPS.unknown;
  if (byErrno === undefined) return MAPS[memory ?? 'unknown'];
  const what = memory === null ? '' : `${MAPS[memory].says} `;
  return { ...byErrno, says: `${what}${byErrno.says}` };
}

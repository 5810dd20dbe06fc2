import type { Explanation } from '../page.ts';

export const backendError: Explanation = {
  id: 'VTD015',
  slug: 'backend-error',
  title: 'QEMU reports another failure of VFIO, a vIOMMU or a device',
  whatHappens: `
QEMU, libvirt or the kernel told of a failure that no other rule knows. By
what failed: an UNMAP under tracking brings no dirty bits, an untracked
one leaves its mapping. A MAP of guest memory or of what the guest's IOMMU
maps is serious, that of a BAR costs peer-to-peer DMA only. A device that
QEMU refused is not there; tracking that did not start, dirty bits that
could not be fetched and device state that was not saved end a migration
or spoil it. Where QEMU died of it, the verdict is "crashes". Faults of
the guest's own devices in its own IOMMU are notes.`,
  why: `
The errno says most. MAP: -12 is the limit of locked memory, -14 memory
that cannot be pinned, -22 a range that the host IOMMU does not accept
(never the interrupt range: what crosses that is dropped without an
errno), -28 has a rule of its own (VTD008), -17 too (VTD009). UNMAP: -2
says that nothing was mapped, and is harmless; -22 of the range from
0xfef00000 to 2^64 comes from kernels 4.15 to 4.20. A lone message proves
that something failed, not that dirty pages were tracked.`,
  example: `
qemu-kvm: VFIO_MAP_DMA failed: Cannot allocate memory
qemu-kvm: vfio_container_dma_map(0x55.., 0x0, 0x80000000, 0x7f..) = -12
vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded`,
  exampleNote: `
One failure in three lines: it is one finding. What is quoted in a mail,
behind a prompt or in a program's own log is read as well; vague words
count only behind QEMU's or libvirt's name.`,
  versions: `
2.9 to 11.1; the texts differ by version. 7.2 lets a migration go on after
a failed unmap, later versions let it fail.`,
  whatToDo: `
Each finding says what its errno and its kind of memory ask for. If no
cause shows, the text and the lines around it are what a bug report needs.`,
  load: async () => (await import('./index.ts')).backendError,
};

import type { MappedMemory } from '../events/messages/index.ts';

/** Pages in 1 MiB, 4 GiB and 1 TiB. */
const MIB = 256;
const FOUR_GIB = 2 ** 20;
const TIB = 2 ** 28;

/**
 * First page of what a PC keeps for PCI below 4 GiB: QEMU puts RAM at most up to 3 GiB there
 * (pc_q35.c and pc_piix.c, `max_ram_below_4g`; 2.75 GiB and more only on request).
 */
const PCI_HOLE = 0xc_0000;
/**
 * From here on 64-bit BARs lie unless RAM is larger: the firmware puts them at the top of what the CPU
 * addresses (0x380000000000 with 46 bits; OVMF and SeaBIOS), RAM goes up from 4 GiB.
 */
const HIGH_BARS = 8 * TIB;

/** Names that QEMU gives blocks of RAM, its ROMs' shadows included. */
const RAM_REGION =
  /^(?:pc\.(?:ram|bios|rom)|mach-virt\.ram|ram-node\d+|ram\d*|dimm\d*|mem\w*|nvdimm\d*|isa-bios)\b/;
const BAR_REGION = /\bBAR\b|\bmmap\b|^[0-9a-f]{4}:[0-9a-f]{2}:/;
const IOMMU_REGION = /^(?:vtd-|amd_iommu|virtio-iommu|smmuv3-)/;

/** What the name of a region says. */
export function memoryOfRegion(name: string): MappedMemory | null {
  if (RAM_REGION.test(name)) return 'ram';
  if (BAR_REGION.test(name)) return 'bar';
  return IOMMU_REGION.test(name) ? 'viommu' : null;
}

/**
 * What lies at the guest pages `first .. last` of a VM with a PC's address map, whose RAM is not known;
 * null where it can be either. `first` is that of the section, so that RAM begins at few places.
 */
export function memoryAt(first: number, last: number): MappedMemory | null {
  if (first >= HIGH_BARS) return 'bar';
  if (first >= PCI_HOLE && last < FOUR_GIB) return 'bar';
  const isMainRam = first === 0 || first === MIB || first === FOUR_GIB;
  const isFirstMegabyte = last < MIB;
  return isMainRam || isFirstMegabyte ? 'ram' : null;
}

import type { ViommuKind } from './options.ts';
import type { Random } from './random.ts';

/** One section of system memory, as VFIO's listener sees it. */
export interface RamSection {
  readonly gpa: bigint;
  readonly size: bigint;
  /** address in QEMU's RAM block space; null for a ROM, which is another block */
  readonly ramAddress: bigint | null;
  readonly readOnly: boolean;
  /** host virtual address */
  readonly pointer: bigint;
}

/** A section that VFIO skips: a device's registers. */
export interface SkippedSection {
  readonly start: bigint;
  readonly end: bigint;
}

export type Layout = readonly (
  | { readonly ram: RamSection }
  | { readonly skipped: SkippedSection }
)[];

/** What `vfio_get_xlat_addr` finds behind a guest-physical range. */
export type Translation =
  | { readonly kind: 'ram'; readonly pointer: bigint; readonly readOnly: boolean }
  | { readonly kind: 'non-memory' }
  | { readonly kind: 'granularity' };

const FOUR_GIB = 1n << 32n;

/** The interrupt window: I/O inside the IOMMU region, skipped by VFIO. */
export const INTERRUPT_HOLE: SkippedSection = { start: 0xfee00000n, end: 0xfeefffffn };

/** Registers of the IOMMU; virtio-iommu's are a PCI device's. */
const IOMMU_REGISTERS: Readonly<Record<ViommuKind, readonly SkippedSection[]>> = {
  intel: [{ start: 0xfed90000n, end: 0xfed9022fn }],
  amd: [{ start: 0xfed80000n, end: 0xfed83fffn }],
  virtio: [],
};

const deviceRegisters = (viommu: ViommuKind): readonly SkippedSection[] => [
  { start: 0xfec00000n, end: 0xfec00fffn },
  { start: 0xfed00000n, end: 0xfed003ffn },
  ...IOMMU_REGISTERS[viommu],
  INTERRUPT_HOLE,
];

/** Bytes of main RAM, of its part below 4 GiB, of the BIOS. */
interface MemorySizes {
  readonly ramSize: bigint;
  readonly below4g: bigint;
  readonly biosSize: bigint;
  readonly viommu: ViommuKind;
}

/** Guest memory of a q35 machine: main RAM split at 4 GiB, a BIOS below it. */
export class GuestMemory {
  readonly ramSize: bigint;
  readonly below4g: bigint;
  /** before the first reset: RAM in one piece */
  readonly flat: Layout;
  /** afterwards: the first megabyte in the pieces that the chipset makes of it */
  readonly split: Layout;
  readonly #sections: readonly RamSection[];

  constructor({ ramSize, below4g, biosSize, viommu }: MemorySizes, random: Random) {
    this.ramSize = ramSize;
    this.below4g = below4g;
    const base = 0x7f00_0000_0000n + (BigInt(random.below(1 << 18)) << 21n);
    const rom = base + ramSize + 0x4000_0000n;
    const ram = (gpa: bigint, size: bigint, ramAddress: bigint): RamSection => ({
      gpa,
      size,
      ramAddress,
      readOnly: false,
      pointer: base + ramAddress,
    });
    const readOnly = (gpa: bigint, size: bigint, pointer: bigint): RamSection => ({
      gpa,
      size,
      ramAddress: null,
      readOnly: true,
      pointer,
    });
    const above = ramSize > below4g ? [ram(FOUR_GIB, ramSize - below4g, below4g)] : [];
    const bios = readOnly(FOUR_GIB - biosSize, biosSize, rom);
    const firstMegabyte = [
      ram(0x0n, 0xc0000n, 0x0n),
      readOnly(0xc0000n, 0x20000n, rom - 0x200000n),
      ram(0xe0000n, 0x10000n, 0xe0000n),
      readOnly(0xf0000n, 0x10000n, rom + biosSize - 0x10000n),
      ram(0x100000n, below4g - 0x100000n, 0x100000n),
    ];
    this.#sections = [...firstMegabyte, bios, ...above];
    this.flat = layoutOf([ram(0x0n, below4g, 0x0n), bios, ...above], viommu);
    this.split = layoutOf(this.#sections, viommu);
  }

  /**
   * Place of a guest-physical range in QEMU's RAM block space, the address that a dirty bit must be set at.
   * Null when the range is not wholly in one piece of main RAM: then no place is right.
   */
  ramAddress(gpa: bigint, size: bigint): bigint | null {
    if (gpa + size <= this.below4g) return gpa;
    const above = this.ramSize - this.below4g;
    if (gpa < FOUR_GIB || gpa + size > FOUR_GIB + above) return null;
    return gpa - FOUR_GIB + this.below4g;
  }

  /** Source: `vfio_get_xlat_addr`: the range must lie in one section. */
  translate(gpa: bigint, size: bigint): Translation {
    const section = this.#sections.find((s) => gpa >= s.gpa && gpa < s.gpa + s.size);
    if (section === undefined) return { kind: 'non-memory' };
    if (gpa + size > section.gpa + section.size) return { kind: 'granularity' };
    const pointer = section.pointer + (gpa - section.gpa);
    return { kind: 'ram', pointer, readOnly: section.readOnly };
  }
}

function layoutOf(sections: readonly RamSection[], viommu: ViommuKind): Layout {
  const all: { at: bigint; part: Layout[number] }[] = [
    ...sections.map((ram) => ({ at: ram.gpa, part: { ram } })),
    ...deviceRegisters(viommu).map((skipped) => ({ at: skipped.start, part: { skipped } })),
  ];
  return all.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ part }) => part);
}

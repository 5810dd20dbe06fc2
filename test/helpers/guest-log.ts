import { vtdAddressSpaceUnmap } from '../../src/emulation/viommu/intel/unmap.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../src/emulation/viommu/notifiers.ts';

/** Logs of one device, made by hand: each call adds the lines that QEMU prints for what it says. */

export interface LogOptions {
  /** Decides which lines the log begins with. */
  readonly version?: '7.2' | '10.0' | '10.2' | '11.1';
  readonly backend?: 'legacy' | 'iommufd' | 'vfio-user';
  readonly awBits?: 39 | 48;
  readonly ramBytes?: bigint;
}

export interface Piece {
  readonly iova: bigint;
  readonly size: bigint;
}

const hex = (value: bigint | number) => `0x${value.toString(16)}`;
const PAGE = 0x1000n;
const FOUR_GIB = 1n << 32n;
const HOLE_FROM = 0xb000_0000n;
const NOTIFIERS = [LOW_NOTIFIER, HIGH_NOTIFIER] as const;
const ROOT = 0x101_0000n;

/** What QEMU prints before its own messages. */
export const QEMU = 'qemu-system-x86_64: ';

export class GuestLog {
  readonly lines: string[] = [];
  readonly #options: Required<LogOptions>;
  readonly #mapped = new Map<bigint, bigint>();

  constructor({
    version = '10.0',
    backend = 'legacy',
    awBits = 48,
    ramBytes = 1n << 30n,
  }: LogOptions = {}) {
    this.#options = { version, backend, awBits, ramBytes };
    this.#boot();
  }

  /** Lines as they are. */
  add(...lines: readonly string[]): this {
    this.lines.push(...lines);
    return this;
  }

  /** Messages of QEMU. */
  say(...messages: readonly string[]): this {
    return this.add(...messages.map((message) => QEMU + message));
  }

  /** The flag word: 1 migration, 2 dirty rate, 4 dirty limit. */
  track(mask: number): this {
    return this.add(`global_dirty_changed bitmask ${hex(mask)}`);
  }

  migrate(...states: readonly string[]): this {
    return this.add(...states.map((state) => `migrate_set_state new state ${state}`));
  }

  /** The guest maps a range, and invalidates it. `perm`: 1 read, 2 write, 3 both. */
  map(iova: bigint, gpa: bigint, size = PAGE, perm = 3): this {
    this.#invalidate(iova, size);
    this.#walked(iova, gpa, size, perm);
    this.#mapped.set(iova, size);
    return this.add(`vfio_iommu_map_notify iommu MAP @ ${range(iova, size)}`);
  }

  /** The guest clears an entry, and invalidates it; `gpa` is what is left in it. */
  unmap(iova: bigint, size = PAGE, gpa = 0n): this {
    this.#invalidate(iova, size);
    this.#walked(iova, gpa, size, 0);
    for (const at of this.#mapped.keys()) {
      if (at >= iova && at < iova + size) this.#mapped.delete(at);
    }
    return this.add(`vfio_iommu_map_notify iommu UNMAP @ ${range(iova, size)}`);
  }

  /** The guest maps something else in the place of a mapping, without clearing it first. */
  change(iova: bigint, gpa: bigint, size = PAGE, perm = 3): this {
    this.#invalidate(iova, size);
    this.#walked(iova, gpa, size, 0);
    this.add(`vfio_iommu_map_notify iommu UNMAP @ ${range(iova, size)}`);
    this.#walked(iova, gpa, size, perm);
    this.#mapped.set(iova, size);
    return this.add(`vfio_iommu_map_notify iommu MAP @ ${range(iova, size)}`);
  }

  /** The device leaves its domain, and QEMU unmaps all of it in pieces; `after` each, what it prints. */
  block(after: (piece: Piece) => readonly string[] = () => []): this {
    this.#leaveDomain();
    for (const notifier of [HIGH_NOTIFIER, LOW_NOTIFIER]) this.#pieces(notifier, after);
    this.#mapped.clear();
    return this.#done();
  }

  /** The same in 11.x under dirty tracking: mapping by mapping, and nothing from 0xfef00000 up. */
  drain(after: (piece: Piece) => readonly string[] = () => []): this {
    this.#leaveDomain();
    for (const [iova, size] of [...this.#mapped]) {
      if (iova >= HIGH_NOTIFIER.start) continue;
      this.add(`vfio_iommu_map_notify iommu UNMAP @ ${range(iova, size)}`);
      this.add(...after({ iova, size }));
      this.#mapped.delete(iova);
    }
    return this.#done();
  }

  /** The guest lets the device through untranslated, and then translates it again. */
  passThroughAndBack(): this {
    this.add(`vtd_switch_address_space ${switching(0)}`);
    for (const { start, end } of NOTIFIERS) {
      if (this.#options.version !== '7.2') {
        this.add('vfio_listener_region_del_iommu region_del [iommu] vtd-10.0-dmar');
      }
      this.add(`vfio_listener_region_del region_del ${hex(start)} - ${hex(end)}`);
    }
    this.#addSections();
    return this.#translate();
  }

  /** A dirty sync: QEMU walks the tables anew for each notifier, and finds `mappings`. */
  sync(mappings: readonly (readonly [iova: bigint, gpa: bigint])[]): this {
    for (const _ of NOTIFIERS) {
      this.#replayed();
      for (const [iova, gpa] of mappings) this.#walked(iova, gpa, PAGE, 3);
    }
    return this;
  }

  /** The guest invalidates a page that QEMU's shadow does not know, so that nothing comes of it. */
  skippedUnmap(iova: bigint): this {
    this.#invalidate(iova, PAGE);
    return this.add(`vtd_page_walk_one_skip_unmap iova ${hex(iova)} mask 0xfff`);
  }

  // --- Boot ----------------------------------------------------------------------------------------

  #boot(): void {
    const { version, backend } = this.#options;
    if (version === '10.2' || version === '11.1') this.add('vtd_pasid_cache_reset ');
    this.add('vtd_switch_address_space Device 00:00.0 switching address space (iommu enabled=0)');
    if (version === '7.2') this.add('vfio_realize  (0000:00:05.0) group 3');
    this.add(`vtd_switch_address_space ${switching(0)}`);
    if (backend === 'iommufd') {
      this.add(
        'iommufd_cdev_connect_and_bind  [iommufd=11] Successfully bound device 0000:00:05.0 (fd=12): output devid=1',
        'iommufd_cdev_alloc_ioas  [iommufd=11] new IOMMUFD container with ioasid=2',
        'iommufd_backend_alloc_hwpt  iommufd=11 dev_id=1 pt_id=2 flags=0x2 hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=3 (0)',
      );
    } else if (backend === 'vfio-user') this.add('vfio_user_version  major 0 minor 0 caps: {}');
    else if (version === '10.0') this.add('vfio_attach_device  (0000:00:05.0) group 3');
    else if (version !== '7.2') this.add('vfio_device_attach  (0000:00:05.0) group 3');
    // Only 11.x has this event.
    if (version === '11.1')
      this.add(
        'vfio_migration_init  (0000:00:05.0) mig_flags 0x1, precopy_info_v2_used 0, dirty_pages_supported 1',
      );
    this.#addSections();
    this.add('vtd_dmar_enable enable 1');
    this.#translate();
  }

  get #sections(): readonly (readonly [first: bigint, last: bigint])[] {
    const { ramBytes } = this.#options;
    if (ramBytes < HOLE_FROM) return [[0n, ramBytes - 1n]];
    const below = 0x8000_0000n;
    return [
      [0n, below - 1n],
      [FOUR_GIB, FOUR_GIB + ramBytes - below - 1n],
    ];
  }

  #addSections(): void {
    for (const [first, last] of this.#sections) {
      this.add(
        `vfio_listener_region_add_ram region_add [ram] ${hex(first)} - ${hex(last)} [0x7f0000000000]`,
      );
    }
  }

  #translate(): this {
    this.add(`vtd_switch_address_space ${switching(1)}`);
    for (const [first, last] of this.#sections) {
      this.add(`vfio_listener_region_del region_del ${hex(first)} - ${hex(last)}`);
    }
    for (const notifier of NOTIFIERS) {
      const { version } = this.#options;
      const name = version === '7.2' ? '' : 'vtd-10.0-dmar ';
      const { start, end } = notifier;
      this.add(
        `vfio_listener_region_add_iommu region_add [iommu] ${name}${hex(start)} - ${hex(end)}`,
      );
      if (version === '7.2') this.#pieces(notifier, () => []);
      this.#replayed();
    }
    return this;
  }

  // --- Lines -----------------------------------------------------------------------------------------

  #leaveDomain(): void {
    const absent = 'vtd_ce_not_present Context entry bus 0 devfn 128 not present';
    this.add(
      'vtd_inv_desc_cc_devices context invalidate devices sid 0x80 fmask 0x0',
      'vtd_inv_desc_cc_device context invalidate device 00:10.00',
      absent,
      `vtd_switch_address_space ${switching(1)}`,
      absent,
    );
  }

  #pieces(notifier: typeof HIGH_NOTIFIER, after: (piece: Piece) => readonly string[]): void {
    const { pieces, total } = vtdAddressSpaceUnmap(notifier, this.#options.awBits);
    for (const piece of pieces) {
      this.add(`vfio_iommu_map_notify iommu UNMAP @ ${range(piece.iova, piece.size)}`);
      this.add(...after(piece));
    }
    this.add(`vtd_as_unmap_whole Device 00:10.0 start ${hex(notifier.start)} size ${hex(total)}`);
  }

  #done(): this {
    return this.add('vtd_inv_desc_wait_sw wait invalidate status write addr 0x1003000 data 0x3');
  }

  #replayed(): void {
    const end = 1n << BigInt(this.#options.awBits);
    this.add(
      `vtd_replay_ce_valid legacy mode: replay valid context device 00:10.00 domain 0x1 hi 0x102 lo ${hex(ROOT | 1n)}`,
      `vtd_page_walk_level walk (base=${hex(ROOT)}, level=4) iova range 0x0 - ${hex(end)}`,
    );
  }

  #invalidate(iova: bigint, size: bigint): void {
    this.add(
      `vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x1 addr ${hex(iova)} mask 0x0`,
      `vtd_page_walk_level walk (base=${hex(ROOT)}, level=4) iova range ${hex(iova)} - ${hex(iova + size)}`,
    );
  }

  #walked(iova: bigint, gpa: bigint, size: bigint, perm: number): void {
    this.add(
      `vtd_page_walk_one domain 0x1 iova ${hex(iova)} -> gpa ${hex(gpa)} mask ${hex(size - 1n)} perm ${perm}`,
    );
  }
}

function range(iova: bigint, size: bigint): string {
  return `${hex(iova)} - ${hex(iova + size - 1n)}`;
}

function switching(on: 0 | 1): string {
  return `Device 00:10.0 switching address space (iommu enabled=${on})`;
}

/** QEMU's two lines about a piece whose bitmap is too big, for pieces above 8 TiB. */
export function tooBig({ iova, size }: Piece): readonly string[] {
  if (size <= 8n << 40n) return [];
  return [
    `${QEMU}UNMAP: Size of bitmap too big ${hex(size / 4096n / 8n)}`,
    `${QEMU}vfio_container_dma_unmap(0x55d5, ${hex(iova)}, ${hex(size)}) = -7 (Argument list too long)`,
  ];
}

/** What a message tells of. */
export type MessageOperation =
  | 'map'
  /** A MAP that QEMU dropped before the host saw it. */
  | 'map-dropped'
  | 'entry-limit'
  | 'unmap'
  | 'tracking-start'
  | 'tracking-stop'
  | 'dirty-query'
  | 'bitmap-allocation'
  | 'device-state'
  | 'attach'
  /** RAM, or what a vIOMMU maps, that could not be mapped as a device was attached. */
  | 'attach-map'
  | 'device-irq'
  | 'device-error'
  | 'device-reset'
  | 'blocker'
  | 'migration'
  | 'translation-fault'
  /** What the guest gave its vIOMMU, and that did not accept. */
  | 'viommu-misuse'
  | 'host-fault'
  | 'vm-stopped'
  | 'crash'
  /** Only QEMU 11.x prints it. */
  | 'dmabuf-fallback'
  /** Nothing that concerns DMA or migration failed. */
  | 'note';

/**
 * Which of the lines it is by which QEMU tells one failure: the ioctl's own, the caller's around it,
 * a hint behind them, or the end of QEMU. `whole`: it is told by this line alone.
 */
export type MessagePart = 'ioctl' | 'frame' | 'hint' | 'end' | 'whole';

/** What a MAP was of. */
export type MappedMemory = 'bar' | 'ram' | 'viommu';

/** A text by which QEMU, iommufd, libvirt or the kernel reports a failure, and what it means. */
export interface MessageText {
  /** Stable: findings about it are told apart by it. */
  readonly id: string;
  readonly operation: MessageOperation;
  readonly part: MessagePart;
  /**
   * Its named groups: `errno` a negative number, `plus` a positive one, `why` the system's words for
   * it, `iova` where, `limit` a number of mappings, `detail` what a report should quote.
   */
  readonly pattern: RegExp;
  /** Words that others may use, too: it counts only behind QEMU's or libvirt's name. */
  readonly isVague?: true;
  readonly memory?: MappedMemory;
  readonly backend?: 'iommufd';
  /** What failed is always this. */
  readonly errno?: number;
  /** Only a path that is taken while dirty pages are tracked prints it. */
  readonly provesTracking?: true;
  /** A blocker that concerns one kind of migration only, and no ordinary one. */
  readonly isOfOneKind?: true;
  /** What it means, for people; absent where the operation says it. */
  readonly says?: string;
  /** What helps, for people; absent where the operation says it. */
  readonly todo?: string;
  /** The function that prints it, its file, and the versions in which it was found. */
  readonly source: string;
}

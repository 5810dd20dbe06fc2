import { profileNamed } from '../../../../src/emulation/profiles/index.ts';
import type { Profile } from '../../../../src/emulation/profiles/profile.ts';
import { dirtyBitmapBytes } from '../../../../src/tools/simulator/addresses.ts';
import { eventSelection } from '../../../../src/tools/simulator/event-sets.ts';
import type { SimulationOptions, UnmapTruth } from '../../../../src/tools/simulator/index.ts';
import {
  DEFAULT_DMA_ENTRY_LIMIT,
  KERNEL_MAX_BITMAP_BYTES,
} from '../../../../src/tools/simulator/options.ts';
import type { Forgiven } from './forgiven.ts';
import type { Observed } from './observe.ts';
import type { Played } from './play.ts';

/** The fields of a profile by which versions behave differently. */
const BEHAVIOUR = [
  'unmapInMigration',
  'replayClearsShadow',
  'removesOneByteMore',
  'legacyTracking',
  'iommufdQuery',
  'regionDelEntry',
] as const satisfies readonly (keyof Profile)[];

/** What a reader of a log can know, whatever it does. */
export class Sight {
  readonly played: Played;
  /** Why this log does not tell everything; null: it does. */
  readonly dim: Forgiven | null;
  /** From this line on the version of QEMU is known. */
  readonly #versionFrom: number;
  /** From this line on it is known that devices log their own DMA. */
  readonly #deviceLogFrom: number;
  readonly #lostFrom: ReadonlyMap<string, number>;
  /** The first line of the flag word has one bit, which has just been set: tracking had been off until then. */
  readonly showsRise: boolean;
  readonly #lines: readonly string[];
  /** The line that shows the host's page size. */
  readonly #pageSizeFrom: number;
  readonly #refusals: readonly { readonly line: number; readonly bytes: bigint }[];
  /** Unmaps of which QEMU died before the line that would have named their device. */
  readonly cutShort: ReadonlySet<UnmapTruth>;

  constructor(played: Played, seen: Observed) {
    this.played = played;
    this.dim = dimness(played, seen);
    this.#versionFrom = versionKnownFrom(played, seen);
    this.#deviceLogFrom = deviceLogKnownFrom(played);
    this.#lostFrom = lostHosts(played);
    this.showsRise = showsRise(played);
    this.#lines = played.log.split('\n');
    this.#pageSizeFrom = pageSizeShownAt(this.#lines);
    this.#refusals = refusals(this.#lines);
    this.cutShort = cutShort(played);
  }

  traced(event: string): boolean {
    return eventSelection(this.played.options.events)(event);
  }

  /** Guest addresses and permissions of mappings are printed. */
  get seesAddresses(): boolean {
    return this.played.options.viommu !== 'amd';
  }

  /** Behind AMD-Vi nothing tells that a device is there before its first translation. */
  isDeviceUntold({ line }: UnmapTruth): boolean {
    if (this.played.options.viommu !== 'amd') return false;
    const named = this.#lines.findIndex((text) => text.includes('region_add [iommu] '));
    return named < 0 || (line ?? 0) <= named;
  }

  /** QEMU's walks say what they pass over. */
  get seesSkips(): boolean {
    return this.traced('vtd_page_walk_one_skip_unmap');
  }

  /** Each MAP's result is in the log, whatever becomes of QEMU's messages. */
  get showsMapResults(): boolean {
    return this.played.options.backend === 'iommufd' && this.traced('iommufd_backend_map_dma');
  }

  /** QEMU died of this unmap: the MAP by which a change of translation shows never came. */
  isChangeUnfinished(unmap: UnmapTruth): boolean {
    const { ending, unmaps } = this.played.truth;
    const isLast = ending.kind !== 'finished' && unmap === unmaps.at(-1);
    return isLast && unmap.cause === 'changed-translation';
  }

  /** QEMU's message that an unmap failed is in the log. While a migration runs the first one is kept for its end. */
  isFailureTold({ errno, iova, line }: UnmapTruth): boolean {
    if (errno === 0 || !this.played.options.errorsInLog) return false;
    return this.#lines.slice(line ?? 0, (line ?? 0) + 3).some((text) => tellsOf(text, iova));
  }

  /** Only a migration's states tell that an unmap is tracked: one that has become active and has not ended, cancelled or not. */
  showsMigration({ line, tracked }: UnmapTruth): boolean {
    if (!tracked || line === null || this.played.told !== 'all') return false;
    if (this.traced('global_dirty_changed') || !this.traced('migrate_set_state')) return false;
    const states = this.#lines
      .slice(0, line)
      .flatMap((text) => /migrate_set_state new state (\w+)/.exec(text)?.[1] ?? []);
    const [newest] = states.slice(-1);
    return newest === 'cancelling' && states.at(-2) === 'active';
  }

  /** From this line on nobody can know what a device's container holds; null: that of any device. */
  hostLostFrom(device: string | null): number {
    if (device === null) return Math.min(Number.POSITIVE_INFINITY, ...this.#lostFrom.values());
    return this.#lostFrom.get(device) ?? Number.POSITIVE_INFINITY;
  }

  get losesHosts(): boolean {
    return this.#lostFrom.size > 0;
  }

  /** The host page size is what the analyzer takes where nothing tells it. */
  get knowsPageSize(): boolean {
    return this.played.told !== 'nothing' || this.played.options.hostPageSize === 4096;
  }

  /** The same at a line: a dirty sync before it may have shown the real one. */
  knowsPageSizeAt(line: number): boolean {
    return this.knowsPageSize || line > this.#pageSizeFrom;
  }

  /** Why what an unmap does to dirty bits cannot be known; null: it can. */
  blindness(unmap: UnmapTruth): Forgiven | null {
    const { options } = this.played;
    const line = unmap.line ?? 0;
    if (this.cutShort.has(unmap)) return 'died';
    if (line >= this.hostLostFrom(unmap.device)) return 'failure-unseen';
    if (line < this.#versionFrom || isAddressUntold(this.played, unmap)) return 'version-late';
    if (isUntoldRom(options, unmap)) return 'rom-untold';
    if (unmap.tracked) return null;
    if (line < this.#deviceLogFrom) return 'device-log-untold';
    return this.misjudgedSizes(unmap);
  }

  /**
   * The largest bitmap that can be known to pass at a line: the kernel's, unless one was refused that is
   * smaller, or a larger one has passed.
   */
  bitmapLimitAt(line: number): bigint {
    const { options, told, truth } = this.played;
    if (told !== 'nothing') return options.maxDirtyBitmapBytes;
    const passed = truth.unmaps.filter(
      (unmap) => unmap.query === 'bitmap' && unmap.errno === 0 && (unmap.line ?? line) < line,
    );
    const largest = passed.reduce(
      (most, { bitmapBytes }) => (bitmapBytes > most ? bitmapBytes : most),
      KERNEL_MAX_BITMAP_BYTES,
    );
    return this.#refusals
      .filter((refusal) => refusal.line < line)
      .reduce((limit, { bytes }) => (bytes <= limit ? bytes - 8n : limit), largest);
  }

  /** A bitmap of no more bytes has been refused before, and the log says so. */
  #isKnownTooBig(size: bigint, line: number): boolean {
    if (!this.knowsPageSize) return false;
    return this.#refusals.some(
      (refused) => refused.line < line && refused.bytes <= dirtyBitmapBytes(size, 4096),
    );
  }

  /** Whether limits that nobody told would let a what-if come out differently. */
  misjudgedSizes(unmap: UnmapTruth): Forgiven | null {
    const { truth } = this.played;
    const drain = unmap.group === null ? null : truth.groups[unmap.group]?.whatIfDrain;
    const events =
      unmap.whatIf === null ? (drain?.delivered ?? []) : [{ ...unmap.whatIf, size: unmap.size }];
    const isOff = events.some(
      ({ size, errno }) =>
        isSizeMisjudged(this.played, size, errno === -7) &&
        !(errno === -7 && this.#isKnownTooBig(size, unmap.line ?? 0)),
    );
    if (!isOff || this.played.options.backend !== 'legacy') return null;
    return this.knowsPageSize ? 'limit-untold' : 'page-size-untold';
  }
}

/** 11.0 and 11.1 give a section of RAM above the hole another address, and no line tells them apart. */
function isAddressUntold({ options, told }: Played, { cause, iova }: UnmapTruth): boolean {
  if (cause !== 'region-del' || iova < 0x1_0000_0000n) return false;
  return options.qemu.startsWith('11.') && told !== 'all' && !options.libvirtHeader;
}

/** The chunks of one of several devices, where QEMU died before `vtd_as_unmap_whole` named it. */
function cutShort({ options, truth }: Played): ReadonlySet<UnmapTruth> {
  const last = truth.unmaps.at(-1);
  const isCut =
    options.devices > 1 && truth.ending.kind !== 'finished' && last?.cause === 'whole-unmap';
  return new Set(isCut ? truth.unmaps.filter(({ group }) => group === last.group) : []);
}

/** Whether what the analyzer takes without being told gives another answer than the real limits. */
function isSizeMisjudged({ options, told }: Played, size: bigint, isTooBig: boolean): boolean {
  if (told !== 'nothing') return false;
  return dirtyBitmapBytes(size, 4096) > KERNEL_MAX_BITMAP_BYTES !== isTooBig && isUsual(options);
}

function isUsual({ hostPageSize, maxDirtyBitmapBytes }: SimulationOptions): boolean {
  return hostPageSize !== 4096 || maxDirtyBitmapBytes !== KERNEL_MAX_BITMAP_BYTES;
}

function dimness(played: Played, seen: Observed): Forgiven | null {
  const { options, told, movesSilently, hidesReadOnly } = played;
  const isComplete = ['standard', 'everything', 'no-skips'].includes(String(options.events));
  if (!isComplete) return 'events-off';
  if (!options.bootLines) return 'starts-late';
  if (movesSilently) return 'moved-silently';
  if (hidesReadOnly) return 'read-only-untold';
  if (options.viommu === 'amd' && options.devices > 1) return 'several-devices';
  if (options.viommu === 'amd' && !played.log.includes('region_add [iommu] ')) return 'never-named';
  if (leavesSilently(played)) return 'left-by-amd';
  if (told === 'all' || options.libvirtHeader) return null;
  const qemu = seen.session?.model.qemu;
  if (qemu === undefined || qemu.source !== 'assumed') return null;
  return behavesLike(qemu.value, options.qemu) ? null : 'version-unknown';
}

/**
 * AMD-Vi has left mappings in the host of which no line tells that the guest has given them up, or that they are its own
 * again.
 */
export function leavesSilently({ options, truth }: Played): boolean {
  const isAgain = truth.stale.some(({ usedAgain }) => usedAgain !== null);
  if (options.viommu === 'amd' && isAgain) return true;
  return truth.stale.some(({ how }) => how === 'changed' || how === 'moved' || how === 'forgotten');
}

function versionKnownFrom({ options, told }: Played, seen: Observed): number {
  if (told === 'all' || options.libvirtHeader) return 0;
  const last = seen.profiles.findLastIndex(({ id }) => !behavesLike(id, options.qemu));
  return last < 0 ? 0 : (seen.profiles[last + 1]?.line ?? Number.POSITIVE_INFINITY);
}

function deviceLogKnownFrom({ options, log }: Played): number {
  if (!options.deviceTracking) return 0;
  const lines = log.split('\n');
  const first = lines.findIndex((line) => line.includes('vfio_device_dirty_tracking_start '));
  return first < 0 ? Number.POSITIVE_INFINITY : first + 1;
}

/** Whether the version that the analyzer assumes behaves like the real one. */
export function behavesLike(assumed: string | null, real: string): boolean {
  const a = profileNamed(assumed ?? '10.0');
  const b = profileNamed(real);
  if (a === undefined || b === undefined) return false;
  return BEHAVIOUR.every((field) => JSON.stringify(a[field]) === JSON.stringify(b[field]));
}

/** The first line of each device after which its host map depends on what is not in the log. */
function lostHosts(played: Played): ReadonlyMap<string, number> {
  const { options, told, truth } = played;
  const lost = new Map<string, number>();
  const lose = (device: string, line: number | null) => {
    const known = lost.get(device);
    if (known === undefined || (line ?? 0) < known) lost.set(device, line ?? 0);
  };
  const lines = played.log.split('\n');
  for (const { tracked, query, errno, iova, size, device, line } of truth.unmaps) {
    // A failure shows in its message; that there is none shows nothing, as messages may be elsewhere.
    // The first failure of a migration is kept for its end.
    const behind = lines.slice(line ?? 0, (line ?? 0) + 3);
    const isSeen = errno !== 0 && behind.some((text) => tellsOf(text, iova));
    const isMisjudged = query === 'bitmap' && isSizeMisjudged(played, size, errno === -7);
    if (tracked && !isSeen && (errno === -12 || isMisjudged)) lose(device, line);
  }
  if (options.errorsInLog) return lost;
  const limitUntold = told === 'nothing' && options.dmaEntryLimit !== DEFAULT_DMA_ENTRY_LIMIT;
  for (const { device, line, reason } of truth.failedMaps) {
    const isUnseen = reason === 'non-memory' || reason === 'granularity';
    if (isUnseen || (reason === -28 && limitUntold)) lose(device, line);
  }
  return lost;
}

function showsRise({ log }: Played): boolean {
  const [, mask] = /global_dirty_changed bitmask 0x([0-9a-f]+)/.exec(log) ?? [];
  return mask !== undefined && ['1', '2', '4'].includes(mask);
}

/**
 * The first line whose bitmap shows the host's page size: one that is not mostly padding, of a range that fills it.
 * Infinite where there is none.
 */
function pageSizeShownAt(lines: readonly string[]): number {
  const synced = /_dirty_bitmap .*\bsize= ?0x([0-9a-f]+) bitmap_size=0x([0-9a-f]+)/;
  const shown = lines.findIndex((text) => {
    const [, size = '', bytes = ''] = synced.exec(text) ?? [];
    const bits = BigInt(`0x${bytes || '0'}`) * 8n;
    return bits >= 512n && BigInt(`0x${size}`) % bits === 0n;
  });
  return shown < 0 ? Number.POSITIVE_INFINITY : shown + 1;
}

/** The bitmaps that were too big, as far as the log says so. */
function refusals(lines: readonly string[]) {
  const refused = /UNMAP: Size of bitmap too big 0x([0-9a-f]+)/;
  return lines.flatMap((text, index) => {
    const [, bytes] = refused.exec(text) ?? [];
    return bytes === undefined ? [] : [{ line: index + 1, bytes: BigInt(`0x${bytes}`) }];
  });
}

/** Whether a line is QEMU's message about an unmap that failed there. */
function tellsOf(text: string, iova: bigint): boolean {
  return text.includes('dma_unmap(') && text.includes(` 0x${iova.toString(16)}, `);
}

/**
 * A section of ROM in the first megabyte: on the legacy container no line says that it is read-only. Behind the siblings
 * of VT-d it is told by where its memory lies, once that of main RAM is known.
 */
export function isUntoldRom(
  { backend, bootLines, viommu }: SimulationOptions,
  { cause, iova, size }: UnmapTruth,
): boolean {
  if (cause !== 'region-del' || backend !== 'legacy') return false;
  if (viommu !== 'intel' && bootLines) return false;
  return (iova === 0xc0000n && size === 0x20000n) || (iova === 0xf0000n && size === 0x10000n);
}

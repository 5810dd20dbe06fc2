import { DEFAULT_BITMAP_LIMIT, dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { HIGH_NOTIFIER } from '../emulation/viommu/notifiers.ts';
import type { Viommu } from '../emulation/viommu/viommu.ts';

/** A value with how it is known. */
export interface Known<Value> {
  readonly value: Value;
  readonly source: 'option' | 'trace' | 'derived' | 'assumed';
  /** The option, line or default that it comes from. */
  readonly from: string;
}

/** What the user fixed; null: to be found in the trace. */
export interface ParameterOptions {
  readonly hostPageSize: number | null;
  readonly bitmapLimit: number | null;
  readonly awBits: number | null;
  readonly entryLimit: number | null;
}

/** Type1's `dma_entry_limit`: mappings that a container accepts unless the module says otherwise. */
export const DEFAULT_ENTRY_LIMIT = 65_535;
const DEFAULT_HOST_PAGE = 4096;
/** Host page sizes that exist: 4 KiB to 64 KiB. */
const LARGEST_HOST_PAGE = 65_536;
const PAGE_SIZES = [4096, 8192, 16_384, 32_768, 65_536] as const;

/** Address widths that VT-d knows: of three, four and five levels of tables. */
const WIDTHS = [39, 48, 57] as const;
const BY_CHUNK = 'the last chunk of a whole unmap';

/** True where an address space of VT-d ends before this page. */
export function isEndOfSpace(page: number): boolean {
  return WIDTHS.some((bits) => page === 2 ** (bits - 12));
}

/**
 * Values of the host and of the emulated IOMMU that the replay needs and that traces tell only
 * sometimes. An option beats everything; what the trace prints beats what follows from it.
 */
export class Parameters {
  hostPageSize: Known<number>;
  /** Bytes of the largest dirty bitmap that a legacy container accepts. */
  bitmapLimit: Known<number>;
  entryLimit: Known<number>;
  awBits: Known<number | null>;
  /** Bitmaps of the trace, and not the default or the user, say what `bitmapLimit` is. */
  isBitmapLimitBounded = false;
  #smallestTooBig = 0;

  constructor(options: ParameterOptions) {
    this.hostPageSize = chosen(options.hostPageSize, '--host-page-size', {
      value: DEFAULT_HOST_PAGE,
      source: 'derived',
      from: '4 KiB host pages, as on x86',
    });
    this.bitmapLimit = chosen(options.bitmapLimit, '--max-dirty-bitmap', {
      value: DEFAULT_BITMAP_LIMIT,
      source: 'derived',
      from: "the kernel's limit for type1, 256 MiB",
    });
    this.entryLimit = chosen(options.entryLimit, '--dma-entry-limit', {
      value: DEFAULT_ENTRY_LIMIT,
      source: 'assumed',
      from: "default of the kernel's module parameter dma_entry_limit",
    });
    this.awBits = chosen<number | null>(options.awBits, '--aw-bits', {
      value: null,
      source: 'assumed',
      from: 'no line tells it',
    });
  }

  /** A line prints the host's page size. */
  printedPageSize(size: number, event: string, line: number): void {
    const { source, value } = this.hostPageSize;
    if (source === 'trace') return;
    if (size < DEFAULT_HOST_PAGE || size > LARGEST_HOST_PAGE || (size & (size - 1)) !== 0) return;
    if (source === 'option') {
      const shown = `${event} at line ${line} shows ${size}`;
      if (size !== value) this.hostPageSize = contradicted(this.hostPageSize, shown);
      return;
    }
    this.hostPageSize = { value: size, source: 'trace', from: `${event} at line ${line}` };
  }

  /** The host is none of x86: its pages may be larger than 4 KiB. */
  notX86(): void {
    if (this.hostPageSize.source !== 'derived') return;
    const { value } = this.hostPageSize;
    const from = '4 KiB host pages; this host is no x86, and may have larger ones';
    this.hostPageSize = { value, source: 'assumed', from };
  }

  /** A warning prints how many mappings the container accepts. */
  printedEntryLimit(limit: number, line: number): void {
    if (this.entryLimit.source === 'option' || this.entryLimit.source === 'trace') return;
    this.entryLimit = { value: limit, source: 'trace', from: `a warning at line ${line}` };
  }

  /** A bitmap of `bytes` covers `size` bytes; exact where it is too long to be mostly rounding. */
  pageSizeOfBitmap(size: bigint, bytes: bigint, event: string, line: number): void {
    if (bytes < 64n || size % (bytes * 8n) !== 0n) return;
    this.printedPageSize(Number(size / (bytes * 8n)), event, line);
  }

  /** Whether a range of `pages` can need a bitmap of `bytes`: with the host's page size, or any that there is. */
  canNeed(pages: number, bytes: number): boolean {
    const { value, source } = this.hostPageSize;
    const sizes = source === 'trace' ? [value] : PAGE_SIZES;
    return sizes.some((size) => dirtyBitmapBytesOfPages(pages, size) === bytes);
  }

  /** Some bitmap was refused. */
  get hasRefusal(): boolean {
    return this.#smallestTooBig > 0;
  }

  /** A bitmap of `bytes` was refused. */
  refused(bytes: number, line: number): void {
    if (this.#smallestTooBig === 0 || bytes < this.#smallestTooBig) this.#smallestTooBig = bytes;
    if (bytes > this.bitmapLimit.value) return;
    if (this.bitmapLimit.source === 'option') {
      const shown = `0x${bytes.toString(16)} bytes were too big at line ${line}`;
      this.bitmapLimit = contradicted(this.bitmapLimit, shown);
      return;
    }
    this.isBitmapLimitBounded = true;
    this.bitmapLimit = {
      value: bytes - 8,
      source: 'derived',
      from: `a bitmap of 0x${bytes.toString(16)} bytes was too big at line ${line}`,
    };
  }

  /**
   * An unmap whose bitmap is above the limit, by what is known of it, brought no message. Where
   * messages are in the trace (`wouldTell`), or larger ones failed, the limit is higher than thought.
   */
  passed(bytes: number, line: number, wouldTell: boolean): void {
    if (this.bitmapLimit.source === 'option') return;
    if (this.#smallestTooBig > 0 ? bytes >= this.#smallestTooBig : !wouldTell) return;
    this.isBitmapLimitBounded = true;
    this.bitmapLimit = {
      value: bytes,
      source: 'derived',
      from: `a bitmap of 0x${bytes.toString(16)} bytes was accepted at line ${line}`,
    };
  }

  /** The host accepted more mappings than the limit. */
  exceeded(entries: number, line: number): void {
    if (this.entryLimit.source === 'option') return;
    this.entryLimit = {
      value: entries,
      source: 'derived',
      from: `mapping number ${entries} was accepted at line ${line}`,
    };
  }

  /** The VM's IOMMU has no option for its width. */
  fixedWidth({ name, widestBits }: Viommu): void {
    this.awBits = { value: widestBits, source: 'derived', from: `${name} has all of them` };
  }

  /** `vtd_as_unmap_whole` of the upper notifier ends where the clamp cut it: at 2^aw. */
  wholeUnmap(start: bigint, size: bigint, line: number): void {
    const { source, value } = this.awBits;
    if (source === 'trace') return;
    const end = start + size;
    if ((end & (end - 1n)) !== 0n || (start !== HIGH_NOTIFIER.start && start !== 0n)) return;
    const bits = end.toString(2).length - 1;
    if (bits < 39) return;
    if (source === 'option') {
      const shown = `vtd_as_unmap_whole at line ${line} shows ${bits}`;
      if (bits !== value) this.awBits = contradicted(this.awBits, shown);
      return;
    }
    this.awBits = { value: bits, source: 'derived', from: `vtd_as_unmap_whole at line ${line}` };
  }

  /** The last chunk of an upper notifier ends at 2^aw - 1; weaker than the closing line. */
  lastChunk(endPage: number, line: number): void {
    const { from, source, value } = this.awBits;
    // Of a list whose end is missing, the last one is not the last.
    const isWider = from.startsWith(BY_CHUNK) && value !== null && endPage > 2 ** (value - 12);
    if ((source !== 'assumed' && !isWider) || !isEndOfSpace(endPage)) return;
    const bits = Math.log2(endPage) + 12;
    this.awBits = { value: bits, source: 'derived', from: `${BY_CHUNK} at line ${line}` };
  }

  /** A walk of a whole table ends at the smaller of the context's width and the IOMMU's. */
  walkEnd(endPage: number, line: number): void {
    const bits = Math.log2(endPage) + 12;
    if (!Number.isInteger(bits) || bits < 39) return;
    const { value, source } = this.awBits;
    if (source !== 'assumed' || (value !== null && bits <= value)) return;
    this.awBits = {
      value: bits,
      source: 'assumed',
      from: `at least that, by vtd_page_walk_level at line ${line}`,
    };
  }

  /** The command line says it. */
  commandLine(text: string, line: number): void {
    if (this.awBits.source === 'option') return;
    const [, bits] = /\baw-bits["=: ]+(\d{1,2})\b/.exec(text) ?? [];
    if (bits === undefined) return;
    this.awBits = {
      value: Number(bits),
      source: 'trace',
      from: `the command line at line ${line}`,
    };
  }
}

/** An option stands, but the trace shows something else: the first such line is named. */
function contradicted<Value>(known: Known<Value>, shown: string): Known<Value> {
  const isNamed = known.from.includes(';');
  return isNamed ? known : { ...known, from: `${known.from}; ${shown}` };
}

function chosen<Value>(option: Value | null, name: string, otherwise: Known<Value>): Known<Value> {
  return option === null ? otherwise : { value: option, source: 'option', from: name };
}

import { readFileSync } from 'node:fs';

export interface MaskVector {
  readonly start: string;
  readonly end: string;
  readonly bits: number;
  readonly mask: string;
}

export interface ChunkVector {
  readonly id: string;
  readonly start: string;
  readonly end: string;
  readonly aw_bits: number;
  readonly chunks: readonly (readonly [iova: string, size: string])[];
  readonly count: number;
  /** QEMU's assertion that the arguments violate. */
  readonly abort?: string;
  readonly total?: string;
  readonly note?: string;
  /** Chunks whose bitmap is too big with 4 KiB pages. */
  readonly e2big_4k?: readonly (readonly [iova: string, size: string])[];
}

export interface BitmapVector {
  readonly host_page: number;
  readonly size: string;
  readonly pages: string;
  readonly bitmap_bytes: string;
  readonly limit: string;
  readonly verdict: 'ok' | 'E2BIG' | 'ENOMEM';
  readonly errno: number;
}

interface Unmap {
  readonly iova: string;
  readonly size: string;
}

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly config: {
    readonly qemu: string;
    readonly backend: 'legacy' | 'iommufd';
    readonly host_page: number;
    readonly max_dirty_bitmap_size: string;
    readonly aw_bits: number;
    readonly ram_size?: string;
    readonly below_4g?: string;
    readonly dma_entry_limit?: number;
  };
  readonly trace: readonly string[];
  readonly expect: {
    readonly mode: 'active' | 'what-if' | 'observed';
    readonly e2big?: readonly (Unmap & { readonly bitmap_bytes: string; readonly errno: number })[];
    readonly unmap_chunks?: number;
    readonly xlat0_total?: number;
    readonly xlat0_harmful?: readonly Unmap[];
    readonly xlat_wrong?: readonly {
      readonly iova: string;
      readonly carried: string;
      readonly should_be: string;
    }[];
    readonly correct_by_luck?: readonly (readonly [gpa: string, size: string])[];
    readonly gpa_lost?: readonly (readonly [gpa: string, size: string])[];
    readonly shadow_after?: readonly (readonly [string, string, string, number])[];
    readonly shadow_after_count?: number;
    readonly host_after_count?: number;
    readonly stale_host_mappings?: readonly (readonly [iova: string, size: string])[];
    readonly translated_addr?: string | Readonly<Record<string, string>>;
    readonly correct_ram_addr?: string;
    readonly marked_ram_addr?: string;
    readonly vtd_as_unmap_whole_emitted?: boolean;
    /** What 11.0 with iommufd does instead, in words. */
    readonly iommufd_11?: string;
    readonly query_before_unmap?: boolean;
    readonly enospc_at?: string;
    readonly entries_before?: number;
    readonly errno?: number;
    readonly migration_is_running?: boolean;
    readonly merged_patch_helps?: boolean;
    readonly v5_patch_helps?: boolean;
  };
}

interface Vectors {
  readonly masks: readonly MaskVector[];
  readonly chunks: readonly ChunkVector[];
  readonly bitmaps: readonly BitmapVector[];
  readonly scenarios: readonly Scenario[];
}

const file = new URL('../vectors/vectors.json', import.meta.url);

/** Worked cases: the arithmetic from QEMU's own compiled helpers, the scenarios by hand. */
export const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

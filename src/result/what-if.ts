import type { Backend, Migration, Verdict } from './types.ts';

/**
 * What a trace would have been in other machines. `what-if-1.schema.json` beside this file says the
 * same to other programs. Interfaces list their fields as printed.
 */
export interface WhatIf {
  readonly schema: typeof WHAT_IF_SCHEMA;
  readonly tool: { readonly name: string; readonly version: string };
  readonly path: string;
  /** Boots, in the order of the trace; at most 100. */
  readonly sessions: readonly WhatIfSession[];
  /** Boots that are not listed. */
  readonly left: number;
}

export const WHAT_IF_SCHEMA = 'vtdscope-what-if-1';

export interface WhatIfSession {
  readonly vm: string | null;
  readonly firstLine: number;
  readonly lastLine: number;
  /** Of the machine that wrote the trace. */
  readonly verdict: Verdict;
  readonly migration: Migration;
  /** What the table does not show, and why; nothing in a coherent trace with all events. */
  readonly reasons: readonly string[];
  /** False: the trace has no page walks, and nothing is known of memory at risk and of stale mappings. */
  readonly areMappingsKnown: boolean;
  readonly machines: readonly WhatIfMachineResult[];
  /** For each goal of which something is known. */
  readonly advice: readonly WhatIfAdvice[];
}

/** A machine that behaves as no other, or several that behave alike. */
export interface WhatIfMachineResult {
  /** Versions from and up to which it is the same: `8.1`, `10.1`; of a patch series its name, twice. */
  readonly qemu: { readonly from: string; readonly to: string };
  readonly isReleased: boolean;
  readonly backend: Backend;
  readonly awBits: number;
  readonly hostPageSize: number;
  /** It is the one that wrote the trace, as far as is known. */
  readonly isTraced: boolean;
  /** QEMU of these versions refuses to migrate a VM with a VFIO device behind a vIOMMU. */
  readonly refusesMigration: boolean;
  /** While the trace tracked dirty pages; what is left behind at any time is here. */
  readonly tracked: WhatIfHazards;
  /** At all other times, had dirty pages been tracked. */
  readonly untracked: WhatIfHazards;
  /** MAPs that the host refuses. */
  readonly failedMaps: number;
  /** QEMU stops with an assertion: an event crosses the interrupt range. */
  readonly aborts: number;
}

export interface WhatIfHazards {
  readonly unmaps: number;
  /** How they ask for dirty bits. */
  readonly queries: {
    readonly bitmap: number;
    readonly before: number;
    readonly after: number;
    readonly none: number;
  };
  /** Unmaps that fail, and those of them with -7 (E2BIG). */
  readonly failures: number;
  readonly e2big: number;
  /** Unmaps that succeed, and lose or misplace dirty bits. */
  readonly losing: number;
  /** Of these, those that set bits past the end of RAM: QEMU may die of it. */
  readonly pastRam: number;
  /** Bytes of guest memory in the union of what is at risk. */
  readonly atRiskBytes: number;
  /** Host mappings that outlive the unmap of a whole space. */
  readonly stale: number;
}

/** What a change is to mend. */
export const whatIfGoals = ['failures', 'stale-mappings', 'lost-dirty-pages', 'all'] as const;
export type WhatIfGoal = (typeof whatIfGoals)[number];

/** The cheapest machine without something. */
export interface WhatIfAdvice {
  readonly goal: WhatIfGoal;
  /** Index in `machines`; null: none is without it. */
  readonly machine: number | null;
  /** What is to be changed for it, the cheapest first; nothing where the traced machine is without it. */
  readonly changes: readonly string[];
}

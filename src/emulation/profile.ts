/**
 * What differs between versions of QEMU, in one table.
 *
 * `known` says how: `source`: read in that version's source or seen in a log of its binary;
 * `inferred`: from dated patches and compatibility tables only; `unmerged`: a patch series that was
 * posted and not merged in this form.
 */
export interface Profile {
  readonly id: string;
  readonly version: number;
  readonly known: 'source' | 'inferred' | 'unmerged';
  /**
   * What `vtd_address_space_unmap` does instead of unmapping in chunks: one UNMAP per node of the
   * shadow. `when`: under which condition; `address`: what the UNMAP carries; `wraps`: the search
   * ends at start + end of the notifier, modulo 2^64, so that nothing in the upper notifier is found.
   */
  readonly drain: {
    readonly when: 'global-dirty' | 'migration-running';
    readonly address: 'node' | 'zero';
    readonly wraps: boolean;
  } | null;
  /** A replay empties the whole shadow; before that, only the notifier's own range (a whole unmap). */
  readonly replayClearsShadow: boolean;
  /** The whole unmap's removal from the shadow reaches one byte too far. */
  readonly removesOneByteMore: boolean;
  /** A walk event that crosses the interrupt range: QEMU aborts, or each notifier gets its part. */
  readonly crossingEvent: 'abort' | 'crop';
  /** When a legacy unmap asks for dirty bits: devices are saving and running, or tracking is started. */
  readonly legacyTracking: 'saving' | 'started';
  /** How an iommufd unmap asks for dirty bits. */
  readonly iommufdQuery: 'none' | 'before';
  /** region_del of a RAM section makes up an IOTLB entry while tracking is on. */
  readonly regionDelEntry: boolean;
  /** Migration with a VFIO device behind a vIOMMU. */
  readonly migration: 'allowed' | 'blocked' | 'without-device-tracking';
  /** Address width of the newest machine type when `aw-bits` is not given. */
  readonly defaultAwBits: 39 | 48;
}

/** 10.2 -> 1002, so that versions compare as numbers. */
export function versionNumber(major: number, minor: number): number {
  return major * 100 + minor;
}

const old = {
  drain: null,
  replayClearsShadow: true,
  removesOneByteMore: false,
  crossingEvent: 'abort',
  legacyTracking: 'started',
  iommufdQuery: 'none',
  regionDelEntry: false,
  migration: 'blocked',
  defaultAwBits: 39,
} as const;

const patched = {
  ...old,
  crossingEvent: 'crop',
  defaultAwBits: 48,
  migration: 'without-device-tracking',
  known: 'unmerged',
  iommufdQuery: 'before',
  regionDelEntry: true,
  version: versionNumber(10, 2),
} as const;

/** Oldest first. A version that is not listed behaves like the newest one before it. */
export const profiles: readonly Profile[] = [
  {
    ...old,
    id: '7.2',
    version: versionNumber(7, 2),
    known: 'source',
    replayClearsShadow: false,
    removesOneByteMore: true,
    legacyTracking: 'saving',
    migration: 'allowed',
  },
  { ...old, id: '8.1', version: versionNumber(8, 1), known: 'inferred' },
  { ...old, id: '9.2', version: versionNumber(9, 2), known: 'inferred', defaultAwBits: 48 },
  { ...old, id: '10.0', version: versionNumber(10, 0), known: 'source', defaultAwBits: 48 },
  { ...old, id: '10.1', version: versionNumber(10, 1), known: 'inferred', defaultAwBits: 48 },
  {
    ...old,
    id: '10.2',
    version: versionNumber(10, 2),
    known: 'source',
    crossingEvent: 'crop',
    defaultAwBits: 48,
  },
  {
    ...old,
    id: '11.0',
    version: versionNumber(11, 0),
    known: 'source',
    drain: { when: 'global-dirty', address: 'node', wraps: true },
    crossingEvent: 'crop',
    iommufdQuery: 'before',
    regionDelEntry: true,
    migration: 'without-device-tracking',
    defaultAwBits: 48,
  },
  {
    ...patched,
    id: 'v4-patch',
    drain: { when: 'migration-running', address: 'zero', wraps: true },
  },
  {
    ...patched,
    id: 'v5-patch',
    drain: { when: 'migration-running', address: 'node', wraps: true },
  },
];

/** True where two versions treat every unmap alike. */
export function unmapAlike(a: Profile, b: Profile): boolean {
  return (
    a === b ||
    ((a.drain === null) === (b.drain === null) &&
      a.drain?.address === b.drain?.address &&
      a.legacyTracking === b.legacyTracking &&
      a.iommufdQuery === b.iommufdQuery &&
      a.regionDelEntry === b.regionDelEntry)
  );
}

const released = profiles.filter((profile) => profile.known !== 'unmerged');

/** The newest profile that is not newer than `version`, a `versionNumber`; the oldest for older ones. */
export function profileFor(version: number): Profile {
  const fitting = released.filter((profile) => profile.version <= version);
  return (fitting.at(-1) ?? released[0]) as Profile;
}

/** A profile by its id, or by a version `x.y` or `x.y.z`; undefined for anything else. */
export function profileNamed(name: string): Profile | undefined {
  const exact = profiles.find((profile) => profile.id === name);
  if (exact !== undefined) return exact;
  const [, major, minor] = /^(\d{1,2})\.(\d{1,2})(?:\.\d{1,3})?$/.exec(name) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return profileFor(versionNumber(Number(major), Number(minor)));
}

/** `x.y` of a `versionNumber`. */
export function versionText(version: number): string {
  return `${Math.floor(version / 100)}.${version % 100}`;
}

const OPEN_END = Number.POSITIVE_INFINITY;

/** Which versions can have written a trace, narrowed by every line that only some of them print. */
export class VersionEvidence {
  #from = 0;
  #to = OPEN_END;
  #fromReason = '';
  #toReason = '';

  /** The trace holds something that only versions `from .. to` print; contradictions are ignored. */
  narrow(from: number, to: number, reason: string): void {
    if (from > this.#from && from <= this.#to) {
      this.#from = from;
      this.#fromReason = reason;
    }
    if (to < this.#to && to >= this.#from) {
      this.#to = to;
      this.#toReason = reason;
    }
  }

  get narrowed(): boolean {
    return this.#from > 0 || this.#to < OPEN_END;
  }

  /** True where every version that is left behaves the same. */
  get settled(): boolean {
    return this.narrowed && profileFor(this.#from) === profileFor(this.#to);
  }

  /** True where `version` is among those left. */
  allows(version: number): boolean {
    return version >= this.#from && version <= this.#to;
  }

  /** The oldest version left: what a trace proves. */
  get from(): number {
    return this.#from;
  }

  /** The newest version left. */
  get to(): number {
    return this.#to;
  }

  /** True where all released profiles that are left agree on one of their fields. */
  agree(field: keyof Profile): boolean {
    const left = released.filter(
      (profile, index) =>
        profile.version <= this.#to && (released[index + 1]?.version ?? OPEN_END) > this.#from,
    );
    return left.every((profile) => profile[field] === left[0]?.[field]);
  }

  /** The profile to emulate, given what is known. */
  get profile(): Profile {
    if (this.#to < OPEN_END) return profileFor(this.#to);
    // Open upwards: 11.0 changed what is emulated, so it is taken only where it is proved.
    const assumed = this.#from >= versionNumber(11, 0) ? this.#from : versionNumber(10, 0);
    return profileFor(Math.max(this.#from, assumed));
  }

  /** In words, e.g. `10.2 or later (vtd_pasid_cache_reset)`. */
  describe(): string {
    if (!this.narrowed) return 'no line tells the version';
    const reasons = [...new Set([this.#fromReason, this.#toReason])].filter((text) => text !== '');
    const span =
      this.#from === 0
        ? `up to ${versionText(this.#to)}`
        : this.#to === OPEN_END
          ? `${versionText(this.#from)} or later`
          : this.#from === this.#to
            ? versionText(this.#from)
            : `${versionText(this.#from)} to ${versionText(this.#to)}`;
    return `${span} (${reasons.join('; ')})`;
  }
}

import { profileFor, releases } from '../emulation/profiles/index.ts';
import { type Profile, versionNumber, versionText } from '../emulation/profiles/profile.ts';

const OPEN_END = Number.POSITIVE_INFINITY;

/** Versions of QEMU, numbered by `versionNumber`, and why none is older or newer. */
export interface VersionRange {
  readonly from: number;
  readonly to: number;
  readonly fromReason: string;
  readonly toReason: string;
}

/** Which versions can have written a trace, narrowed by every line that only some of them print. */
export class VersionEvidence {
  #from = 0;
  #to = OPEN_END;
  #fromReason = '';
  #toReason = '';

  /** `range`: what is known before the first line. */
  constructor(range: VersionRange | null) {
    if (range === null) return;
    this.#from = range.from;
    this.#to = range.to;
    this.#fromReason = range.fromReason;
    this.#toReason = range.toReason;
  }

  /** What is known by now. */
  get range(): VersionRange {
    return {
      from: this.#from,
      to: this.#to,
      fromReason: this.#fromReason,
      toReason: this.#toReason,
    };
  }

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

  /** True where `version` is among those left. */
  allows(version: number): boolean {
    return version >= this.#from && version <= this.#to;
  }

  /** True where all released profiles that are left agree on one of their fields. */
  agree(field: keyof Profile): boolean {
    const left = releases.filter(
      (profile, index) =>
        profile.version <= this.#to && (releases[index + 1]?.version ?? OPEN_END) > this.#from,
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

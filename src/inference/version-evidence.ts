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

/** Any version may have written the trace. */
const ALL: VersionRange = { from: 0, to: OPEN_END, fromReason: '', toReason: '' };

/** Which versions can have written a trace, narrowed by every line that only some of them print. */
export class VersionEvidence {
  #range: VersionRange;

  /** `range`: what is known before the first line. */
  constructor(range: VersionRange | null) {
    this.#range = range ?? ALL;
  }

  /** What is known by now. */
  get range(): VersionRange {
    return this.#range;
  }

  /** The trace holds something that only versions `from .. to` print; contradictions are ignored. */
  narrow(from: number, to: number, reason: string): void {
    if (from > this.#range.from && from <= this.#range.to) {
      this.#range = { ...this.#range, from, fromReason: reason };
    }
    if (to < this.#range.to && to >= this.#range.from) {
      this.#range = { ...this.#range, to, toReason: reason };
    }
  }

  get narrowed(): boolean {
    return this.#range.from > 0 || this.#range.to < OPEN_END;
  }

  /** True where `version` is among those left. */
  allows(version: number): boolean {
    return version >= this.#range.from && version <= this.#range.to;
  }

  /** True where all released profiles that are left agree on one of their fields. */
  agree(field: keyof Profile): boolean {
    const left = releases.filter(
      (profile, index) =>
        profile.version <= this.#range.to &&
        (releases[index + 1]?.version ?? OPEN_END) > this.#range.from,
    );
    return left.every((profile) => profile[field] === left[0]?.[field]);
  }

  /** The profile to emulate, given what is known. */
  get profile(): Profile {
    if (this.#range.to < OPEN_END) return profileFor(this.#range.to);
    // Open upwards: 11.0 changed what is emulated, so it is taken only where it is proved.
    const assumed =
      this.#range.from >= versionNumber(11, 0) ? this.#range.from : versionNumber(10, 0);
    return profileFor(Math.max(this.#range.from, assumed));
  }

  /** In words, e.g. `10.2 or later (vtd_pasid_cache_reset)`. */
  describe(): string {
    if (!this.narrowed) return 'no line tells the version';
    const { from, fromReason, to, toReason } = this.#range;
    const reasons = [...new Set([fromReason, toReason])].filter((text) => text !== '');
    const span =
      from === 0
        ? `up to ${versionText(to)}`
        : to === OPEN_END
          ? `${versionText(from)} or later`
          : from === to
            ? versionText(from)
            : `${versionText(from)} to ${versionText(to)}`;
    return `${span} (${reasons.join('; ')})`;
  }
}

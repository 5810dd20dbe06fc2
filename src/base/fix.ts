/** What mends a hazard, as data; `result/fix-text.ts` makes the sentences. */
export interface Fix {
  /** Absent: it is no matter of a release of QEMU. */
  readonly release?: Release;
  /** It is mended with what it comes from: a clause that says what that is, and where to look. */
  readonly followsFrom?: string;
  /** What helps without a release: sentences, the first with a verb or an option at its beginning. */
  readonly today?: string;
}

/** Which release of QEMU mends something. */
export interface Release {
  /** What is mended, in a few words. */
  readonly of: string;
  /** The first that does, e.g. `11.0`; null: none does yet. */
  readonly first: string | null;
  /** QEMU's commit, as far as it is known. */
  readonly commit?: string;
  /** What it leaves as it is, or brings along: a clause. */
  readonly note?: string;
}

import fc from 'fast-check';

const LAST_PAGE = 2 ** 52 - 1;

/** Pages among few, at both ends of the address space and around 2^32 and 2^51, or anywhere. */
const page: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.nat(80) },
  { weight: 2, arbitrary: fc.nat(30).map((n) => LAST_PAGE - n) },
  { weight: 1, arbitrary: fc.nat(20).map((n) => 2 ** 32 - 10 + n) },
  { weight: 1, arbitrary: fc.nat(20).map((n) => 2 ** 51 - 10 + n) },
  { weight: 1, arbitrary: fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 52) },
);

export interface Pages {
  readonly first: number;
  readonly last: number;
}

/** A range of one page, of a few, or from anywhere to anywhere. */
export const pages: fc.Arbitrary<Pages> = fc.oneof(
  { weight: 3, arbitrary: page.map((first) => ({ first, last: first })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(page, fc.nat(12))
      .map(([first, more]) => ({ first, last: Math.min(first + more, LAST_PAGE) })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(page, page)
      .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  },
);

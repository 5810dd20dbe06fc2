import fc from 'fast-check';

const MAX = 0xffff_ffff_ffff_ffffn;

/** Any 64-bit value, with powers of two and their neighbours far more often than by chance. */
export const u64: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX }),
  fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: -2, max: 2 }))
    .map(([bit, offset]) => BigInt.asUintN(64, (1n << BigInt(bit)) + BigInt(offset))),
  fc.integer({ min: 0, max: 0xffff }).map((low) => MAX - BigInt(low)),
  fc.integer({ min: 0, max: 0xffff }).map(BigInt),
);

/** Address widths: those of VT-d, the full width, and anything between. */
export const width: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(39, 48, 57, 64),
  fc.integer({ min: 12, max: 64 }),
);

/** An inclusive range of pages among few, so that ranges meet often, or anywhere. */
export const pageRange: fc.Arbitrary<{ first: number; last: number }> = fc
  .oneof(
    fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 12 })),
    fc.tuple(fc.integer({ min: 2 ** 52 - 40, max: 2 ** 52 - 1 }), fc.integer({ min: 0, max: 40 })),
    fc.tuple(
      fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 52),
      fc.nat(2 ** 30),
    ),
  )
  .map(([first, more]) => ({ first, last: Math.min(first + more, 2 ** 52 - 1) }));

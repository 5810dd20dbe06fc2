/** Binary traces made by hand, as QEMU's `simple` backend writes them. */

/** An argument: a string, or any other. */
export type SimpleArgument = string | bigint | number;

export interface SimpleBytes {
  readonly header: (version?: bigint) => Buffer;
  readonly mapping: (id: number, name: string) => Buffer;
  readonly event: (id: number | bigint, args: readonly SimpleArgument[], time?: bigint) => Buffer;
}

/** Makes parts of a trace in one of the byte orders. */
export function simpleBytes(order: 'little' | 'big' = 'little'): SimpleBytes {
  const u32 = (value: number) => {
    const buffer = Buffer.alloc(4);
    if (order === 'little') buffer.writeUInt32LE(value);
    else buffer.writeUInt32BE(value);
    return buffer;
  };
  const u64 = (value: bigint | number) => {
    const buffer = Buffer.alloc(8);
    const bits = BigInt.asUintN(64, BigInt(value));
    if (order === 'little') buffer.writeBigUInt64LE(bits);
    else buffer.writeBigUInt64BE(bits);
    return buffer;
  };
  const text = (value: string) => [u32(Buffer.byteLength(value)), Buffer.from(value)];
  return {
    header: (version = 4n) => Buffer.concat([u64(-1n), u64(0xf2b1_77cb_0aa4_29b4n), u64(version)]),
    mapping: (id, name) => Buffer.concat([u64(0), u64(id), ...text(name)]),
    event(id, args, time = 1_915_221_258_882n) {
      const payload = Buffer.concat(
        args.flatMap((value) => (typeof value === 'string' ? text(value) : [u64(value)])),
      );
      return Buffer.concat([
        u64(1),
        u64(id),
        u64(time),
        u32(24 + payload.length),
        u32(7329),
        payload,
      ]);
    },
  };
}

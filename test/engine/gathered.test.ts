import { expect, it } from 'vitest';
import { Slots } from '../../src/bytes/slots.ts';
import type { OpenSource } from '../../src/bytes/source.ts';
import { gatheredBlocks, gatheredBytes } from '../../src/engine/gathered.ts';

const log = Buffer.from(
  Array.from({ length: 40_000 }, (_, line) => `line ${line} of ${line % 97}\n`).join(''),
);
/** A line that takes several slots, among others. */
const long = Buffer.concat([log, Buffer.alloc(900_000, 'x'), Buffer.from('\n'), log, log]);

/** A compressed file that gives chunks of `size`, each in the memory of the one before it. */
function sourceOf(bytes: Buffer, size: number, ended: () => void = () => {}): OpenSource {
  const memory = Buffer.alloc(size);
  async function* chunks() {
    try {
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size);
        memory.set(piece);
        yield memory.subarray(0, piece.length);
      }
    } finally {
      ended();
    }
  }
  const head = bytes.subarray(0, 65_536);
  return { compression: 'gzip', inputBytes: 1, head, chunks } as unknown as OpenSource;
}

it.each([
  ['small chunks', log, 1000],
  ['large ones', log, 3_000_000],
  ['a long line', long, 70_000],
  ['a small trace', log.subarray(0, 5000), 512],
  ['no LF at the end', log.subarray(0, 200_001), 4096],
  ['nothing', Buffer.alloc(0), 1],
])('whole lines come of %s, in order and once', async (_, bytes, size) => {
  const source = sourceOf(bytes, size);
  // One slot is never given back: then memory comes from elsewhere.
  const slots = new Slots(1, gatheredBytes(source), false);
  const seen: Uint8Array[] = [];
  let end = 0;
  for await (const { blocks } of gatheredBlocks(source, slots)) {
    for (const { byteLength, byteOffset, bytes: lines } of blocks) {
      expect(byteOffset).toBe(end);
      end += byteLength;
      if (end < bytes.length) expect(lines.at(-1)).toBe(0x0a);
      seen.push(Uint8Array.from(lines));
    }
  }
  expect(Buffer.concat(seen).equals(bytes)).toBe(true);
});

it('a slot is not written to before it is given back', async () => {
  const source = sourceOf(log, 10_000);
  const slots = new Slots(4, gatheredBytes(source), false);
  const held: { readonly bytes: Uint8Array; readonly copy: Buffer }[] = [];
  for await (const { blocks } of gatheredBlocks(source, slots)) {
    for (const { bytes } of blocks) held.push({ bytes, copy: Buffer.from(bytes) });
  }
  expect(held.length).toBeGreaterThan(1);
  for (const { bytes, copy } of held) expect(copy.equals(bytes)).toBe(true);
});

it('who stops early closes what the bytes come from', async () => {
  let isClosed = false;
  const source = sourceOf(log, 10_000, () => {
    isClosed = true;
  });
  const slots = new Slots(4, gatheredBytes(source), false);
  for await (const { blocks } of gatheredBlocks(source, slots)) {
    expect(blocks).toHaveLength(1);
    break;
  }
  expect(isClosed).toBe(true);
});

import { expect, test } from 'vitest';
import { ahead } from '../../src/bytes/chunks.ts';

/** Chunks of a byte each, 1 to `last`, that say when they are made and when they are let go. */
async function* bytes(last: number, told: string[], damage = ''): AsyncGenerator<Uint8Array> {
  try {
    for (let byte = 1; byte <= last; byte += 1) {
      told.push(`made ${byte}`);
      yield Uint8Array.of(byte);
    }
    if (damage !== '') throw new Error(damage);
  } finally {
    told.push('closed');
  }
}

test('the next chunk is made while one is used', async () => {
  const told: string[] = [];
  for await (const [byte] of ahead(bytes(3, told))) {
    await new Promise(setImmediate);
    told.push(`used ${byte}`);
  }
  expect(told).toEqual([...['made 1', 'made 2', 'used 1', 'made 3', 'used 2', 'closed', 'used 3']]);
});

test('an error comes behind what came before it', async () => {
  const told: string[] = [];
  const read = async () => {
    for await (const [byte] of ahead(bytes(2, told, 'damaged'))) {
      await new Promise(setImmediate);
      told.push(`used ${byte}`);
    }
  };
  await expect(read()).rejects.toThrow('damaged');
  expect(told.at(-1)).toBe('used 2');
});

test('a consumer that stops early closes what the chunks come from, and meets no error of it', async () => {
  const told: string[] = [];
  for await (const [byte] of ahead(bytes(1, told, 'damaged'))) {
    await new Promise(setImmediate);
    if (byte === 1) break;
  }
  expect(told).toEqual(['made 1', 'closed']);
});

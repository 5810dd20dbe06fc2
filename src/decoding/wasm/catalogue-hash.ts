import { catalogue } from '../../events/catalogue/index.ts';

/** FNV-1a, 32 bits, of the whole catalogue: readers made of another one would write other words. */
export function catalogueHash(): number {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(JSON.stringify(catalogue))) {
    hash = Math.imul(hash ^ byte, 0x0100_0193);
  }
  return hash >>> 0;
}

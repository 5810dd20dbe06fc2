import { catalogue } from '../../events/catalogue/index.ts';
import { contractSource } from './contract.ts';

/**
 * FNV-1a, 32 bits, of the whole catalogue and the contract: a kernel made of another catalogue would
 * write other words, and one of another contract, as an older build has left it, would never end.
 */
export function catalogueHash(contract = contractSource()): number {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(JSON.stringify(catalogue) + contract)) {
    hash = Math.imul(hash ^ byte, 0x0100_0193);
  }
  return hash >>> 0;
}

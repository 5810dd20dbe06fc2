import { backendError } from './backend-error.ts';
import { bitmapMemory } from './bitmap-memory.ts';
import { bitmapTooBig } from './bitmap-too-big.ts';
import { dmaEntryLimit } from './dma-entry-limit.ts';
import { mapConflict } from './map-conflict.ts';
import { markPastRam } from './mark-past-ram.ts';
import { migrationBlocked } from './migration-blocked.ts';
import { noDirtyQuery } from './no-dirty-query.ts';
import { queryOverHole } from './query-over-hole.ts';
import type { Rule } from './rule.ts';
import { shadowDrift } from './shadow-drift.ts';
import { staleHostMapping } from './stale-host-mapping.ts';
import { traceLoss } from './trace-loss.ts';
import { unmapStorm } from './unmap-storm.ts';
import { wrongTranslatedAddress } from './wrong-translated-address.ts';
import { zeroTranslatedAddress } from './zero-translated-address.ts';

/** All rules, by number. */
export const rules: readonly Rule[] = [
  bitmapTooBig,
  zeroTranslatedAddress,
  wrongTranslatedAddress,
  noDirtyQuery,
  staleHostMapping,
  markPastRam,
  bitmapMemory,
  dmaEntryLimit,
  mapConflict,
  queryOverHole,
  shadowDrift,
  unmapStorm,
  migrationBlocked,
  traceLoss,
  backendError,
];

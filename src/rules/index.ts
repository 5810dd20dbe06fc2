import { backendError } from './backend-error/index.ts';
import { bitmapMemory } from './bitmap-memory/index.ts';
import { bitmapTooBig } from './bitmap-too-big/index.ts';
import { dmaEntryLimit } from './dma-entry-limit/index.ts';
import { mapConflict } from './map-conflict/index.ts';
import { markPastRam } from './mark-past-ram/index.ts';
import { migrationBlocked } from './migration-blocked/index.ts';
import { noDirtyQuery } from './no-dirty-query/index.ts';
import { queryOverHole } from './query-over-hole/index.ts';
import type { Rule } from './rule.ts';
import { shadowDrift } from './shadow-drift/index.ts';
import { staleHostMapping } from './stale-host-mapping/index.ts';
import { traceLoss } from './trace-loss/index.ts';
import { unmapStorm } from './unmap-storm/index.ts';
import { wrongTranslatedAddress } from './wrong-translated-address/index.ts';
import { zeroTranslatedAddress } from './zero-translated-address/index.ts';

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

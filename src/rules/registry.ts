/** All rules: a line each, which names the page of its folder. The page knows how to load the rule. */

export { backendError } from './backend-error/page.ts';
export { bitmapMemory } from './bitmap-memory/page.ts';
export { bitmapTooBig } from './bitmap-too-big/page.ts';
export { dmaEntryLimit } from './dma-entry-limit/page.ts';
export { mapConflict } from './map-conflict/page.ts';
export { markPastRam } from './mark-past-ram/page.ts';
export { migrationBlocked } from './migration-blocked/page.ts';
export { noDirtyQuery } from './no-dirty-query/page.ts';
export { noDirtySync } from './no-dirty-sync/page.ts';
export { queryOverHole } from './query-over-hole/page.ts';
export { shadowDrift } from './shadow-drift/page.ts';
export { staleHostMapping } from './stale-host-mapping/page.ts';
export { traceLoss } from './trace-loss/page.ts';
export { unmapStorm } from './unmap-storm/page.ts';
export { wrongTranslatedAddress } from './wrong-translated-address/page.ts';
export { zeroTranslatedAddress } from './zero-translated-address/page.ts';

/** States as `migrate_set_state` prints them. */
const SETUP_OR_ACTIVE: ReadonlySet<string> = new Set([
  'setup',
  'active',
  'postcopy-active',
  'postcopy-paused',
  'postcopy-recover',
  'postcopy-recover-setup',
  'postcopy-device',
  'pre-switchover',
  'device',
  'wait-unplug',
  'colo',
]);

/** `migration_is_setup_or_active` (migration/migration.c in 7.2), which 7.2's unmap looks at. */
export function migrationIsSetupOrActive(state: string): boolean {
  return SETUP_OR_ACTIVE.has(state);
}

/** `migration_is_running` (migration/migration.c; 10.2's states are those of the older ones and more). */
export function migrationIsRunning(state: string): boolean {
  return state === 'cancelling' || (state !== 'colo' && SETUP_OR_ACTIVE.has(state));
}

/** States that a migration reaches only after `ram_save_setup` has started the dirty log. */
export function migrationHasStartedLog(state: string): boolean {
  return migrationIsRunning(state) && state !== 'setup' && state !== 'wait-unplug';
}

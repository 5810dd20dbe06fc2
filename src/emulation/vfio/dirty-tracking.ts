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

/** States in which a migration is being given up, its cleanup under way; `failing` is new in 11.x. */
const ENDING: ReadonlySet<string> = new Set(['cancelling', 'failing']);

/**
 * `migration_is_running` (migration/migration.c; 10.2's states are those of the older ones and more,
 * 11.x adds `failing`).
 */
export function migrationIsRunning(state: string): boolean {
  return migrationIsEnding(state) || (state !== 'colo' && SETUP_OR_ACTIVE.has(state));
}

/** The migration has failed or was cancelled, and what it had started has not been stopped yet. */
export function migrationIsEnding(state: string): boolean {
  return ENDING.has(state);
}

/**
 * States that a migration reaches after `ram_save_setup` (migration/ram.c; 7.2, 10.0) has started the
 * dirty log. One that is ending may have ended before.
 */
export function migrationHasStartedLog(state: string): boolean {
  return migrationIsRunning(state) && state !== 'setup' && state !== 'wait-unplug';
}

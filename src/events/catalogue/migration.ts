import type { Declarations, Families } from './declaration.ts';

/** Events of migration and dirty tracking. */
export const migration = {
  global_dirty_changed: { args: { mask: 'u32' }, shapes: [{ text: 'bitmask 0x{mask:x}' }] },
  migrate_set_state: { args: { state: 'text' }, shapes: [{ text: 'new state {state:w}' }] },
  migrate_error: {
    args: { error: 'text' },
    shapes: [{ text: 'error={error:s}', versions: '10.0+' }],
  },
  migrate_fd_error: {
    args: { error: 'text' },
    shapes: [{ text: 'error={error:s}', versions: '7.2' }],
  },
  dirtyrate_set_state: { args: { state: 'text' }, shapes: [{ text: 'new state {state:w}' }] },
  memory_region_sync_dirty: {
    args: { listener: 'text' },
    shapes: [{ text: "mr '{_:s}' listener '{listener:s}' synced (global={_:d})" }],
  },
} as const satisfies Declarations;

export const migrationFamilies: Families = [
  'global_dirty',
  'migrate',
  'memory_region',
  'dirtyrate',
];

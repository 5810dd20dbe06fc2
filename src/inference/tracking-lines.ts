import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { lineMarks } from './version.ts';

const at = {
  mask: offsetsOf('global_dirty_changed'),
  state: offsetsOf('migrate_set_state'),
  saving: offsetsOf('vfio_save_setup'),
  vmstate: offsetsOf('vfio_vmstate_change'),
  dirtyBitmap: offsetsOf('vfio_get_dirty_bitmap'),
  queryDirty: offsetsOf('vfio_container_query_dirty_bitmap'),
  iommufdDirty: offsetsOf('iommufd_backend_get_dirty_bitmap'),
  misalignment: offsetsOf('vfio_known_safe_misalignment'),
} as const;

/** Lines of dirty tracking and of migration, and what queries of dirty bits show of the host's pages. */
export class TrackingLines {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** `global_dirty_changed`. `startsAtBoot`: the trace shows the machine from its start. */
  flagsChanged(cursor: BatchCursor, startsAtBoot: boolean): void {
    const { losses, tracking } = this.#machine;
    const mask = cursor.u32(at.mask.mask);
    const mark = placeOf(cursor);
    if (tracking.missesChange(mask, startsAtBoot)) losses.report('tracking-change', mark);
    tracking.setMask(mask, mark);
  }

  /** `migrate_set_state`. */
  migrationState(cursor: BatchCursor): void {
    const state = cursor.text(at.state.state);
    if (state === 'failing') this.#machine.version.learn(lineMarks.failingState);
    this.#machine.tracking.setMigrationState(state, placeOf(cursor));
  }

  /** `vfio_save_setup`. */
  saveSetup(cursor: BatchCursor): void {
    this.#machine.tracking.saveSetup(cursor.text(at.saving.name));
  }

  /** `vfio_save_cleanup`. */
  saveCleanup(cursor: BatchCursor): void {
    this.#machine.tracking.saveCleanup(cursor.text(at.saving.name));
  }

  /** `vfio_vmstate_change`. */
  vmStateChanged(cursor: BatchCursor): void {
    this.#machine.tracking.setRunning(cursor.i32(at.vmstate.running) !== 0);
  }

  /** `vfio_device_dirty_tracking_start`: devices log their own DMA. */
  deviceTrackingStarted(): void {
    this.#machine.tracking.deviceTracking = true;
  }

  /** `vfio_get_dirty_bitmap`. */
  dirtyBitmap(cursor: BatchCursor): void {
    const { parameters, version } = this.#machine;
    const isOld = cursor.u32(at.dirtyBitmap.old) === 1;
    version.learn(isOld ? lineMarks.oldDirtyBitmap : lineMarks.dirtyBitmap);
    const { size, bitmap } = at.dirtyBitmap;
    const name = 'vfio_get_dirty_bitmap';
    parameters.pageSizeOfBitmap(cursor.u64(size), cursor.u64(bitmap), name, cursor.line);
  }

  /** `vfio_container_query_dirty_bitmap`. */
  dirtyBitmapQuery(cursor: BatchCursor): void {
    const { parameters, version } = this.#machine;
    const isFlagged = cursor.u32(at.queryDirty.flagged) === 1;
    version.learn(isFlagged ? lineMarks.flaggedQueryDirty : lineMarks.queryDirty);
    const { size, bitmap } = at.queryDirty;
    const name = 'vfio_container_query_dirty_bitmap';
    parameters.pageSizeOfBitmap(cursor.u64(size), cursor.u64(bitmap), name, cursor.line);
  }

  /** `iommufd_backend_get_dirty_bitmap`. */
  iommufdDirtyBitmap(cursor: BatchCursor): void {
    const { parameters, version } = this.#machine;
    if (cursor.u32(at.iommufdDirty.flagged) === 1) version.learn(lineMarks.flaggedIommufdQuery);
    const size = Number(cursor.u64(at.iommufdDirty.pageSize));
    parameters.printedPageSize(size, 'iommufd_backend_get_dirty_bitmap', cursor.line);
  }

  /** `vfio_known_safe_misalignment`. */
  misalignment(cursor: BatchCursor): void {
    const size = Number(cursor.u64(at.misalignment.pageSize));
    this.#machine.parameters.printedPageSize(size, 'vfio_known_safe_misalignment', cursor.line);
  }
}

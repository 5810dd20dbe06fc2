/**
 * The forward simulator: plays guest, QEMU, VFIO and host from a seed or from a list of acts, writes the trace log that
 * such a QEMU would write, and keeps the truth of what happened.
 */
export type { Act, Attachment, Flush, PageLevel } from './acts.ts';
export type { GpaRange } from './addresses.ts';
export type { MigrationStep } from './monitor.ts';
export {
  type Backend,
  DEFAULT_OPTIONS,
  type EventSet,
  type LinePrefix,
  type Mix,
  randomOptions,
  type SimulationOptions,
  simulationOptions,
  VIOMMU_KINDS,
  type ViommuKind,
} from './options.ts';
export type { Permission } from './page-table.ts';
export { QEMU_VERSIONS, type QemuVersion } from './qemu-profile.ts';
export { planActs, run, Simulation, simulate } from './simulation.ts';
export type {
  DeviceTruth,
  DirtyQuery,
  DrainedNode,
  DrainOutcome,
  Ending,
  FailedMapTruth,
  GroupTruth,
  HostMappingTruth,
  MappingRange,
  PastRamTruth,
  ShadowNodeTruth,
  StaleTruth,
  Totals,
  TrackingReason,
  Truth,
  UnmapCause,
  UnmapErrno,
  UnmapOutcome,
  UnmapTruth,
  UnsyncedTruth,
  WindowTruth,
} from './truth.ts';

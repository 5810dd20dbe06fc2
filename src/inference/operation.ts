import type { Place } from '../base/place.ts';
import type { LossKind } from '../events/catalogue/notes.ts';
import type { MappedMemory, MessageText } from '../events/messages/index.ts';
import type { DeviceSpace } from './device-space.ts';
import type { DriftSide } from './shadow-drift.ts';
import type { Unmap } from './unmap.ts';
import type { VfioContainer } from './vfio-container.ts';

/** A MAP that the host refused, or is emulated to have refused. */
export interface FailedMap {
  readonly kind: 'failed-map';
  readonly mark: Place;
  readonly space: DeviceSpace | null;
  readonly container: VfioContainer | null;
  /** Pages, inclusive. */
  readonly first: number;
  readonly last: number;
  readonly errno: number;
  /** The log holds QEMU's error text for it. */
  readonly observed: boolean;
  readonly tracked: boolean | null;
  /** What was to be mapped; null: neither the message nor the address tells. */
  readonly memory: MappedMemory | null;
  /** QEMU stopped because of it. */
  readonly endsQemu: boolean;
  /** QEMU maps what it has mapped already, as a replay of the device's mappings does. */
  readonly isRepeated: boolean;
  /** The host still holds a mapping there that should be gone. */
  readonly isOverStale: boolean;
}

export type StaleReason =
  /** The search of an unmap in migration passed them by. */
  | 'wrap'
  /** An unmap in migration takes what is in the shadow, and they are not, or only as parts. */
  | 'unlisted'
  | 'failed-unmap'
  /** That of a section, which the memory listener removes. */
  | 'failed-removal'
  | 'skipped-invalidation'
  /** A dirty sync did not find them in the guest's tables, and unmapped nothing. */
  | 'forgotten';

/** Host mappings that an unmap should have removed, and did not. */
export interface StaleMappingsLeft {
  readonly kind: 'stale-mappings';
  readonly mark: Place;
  readonly space: DeviceSpace;
  readonly container: VfioContainer;
  /** How many became stale. */
  readonly count: number;
  /** The lowest of them, in pages. */
  readonly first: number;
  readonly last: number;
  readonly gpa: number;
  /** Pages of all of them. */
  readonly pages: number;
  /** Guest pages behind them, inclusive, as far as known. */
  readonly guest: readonly (readonly [first: number, last: number])[];
  readonly why: StaleReason;
  /** False: what the emulation says would be left, had tracking been on. */
  readonly happened: boolean;
}

/** Host mappings reached nine tenths of what the container accepts. */
export interface EntryLimitNear {
  readonly kind: 'entry-limit';
  readonly mark: Place;
  readonly space: DeviceSpace | null;
  readonly container: VfioContainer;
}

/** Shadow and host map disagree, for no reason that has an operation of its own. */
export interface Drift {
  readonly kind: 'drift';
  readonly mark: Place;
  readonly space: DeviceSpace;
  /** Pages, inclusive. */
  readonly first: number;
  readonly last: number;
  readonly side: DriftSide;
}

/** QEMU has stopped with an assertion at an event that crosses the interrupt range. */
export interface Abort {
  readonly kind: 'abort';
  readonly mark: Place;
  readonly space: DeviceSpace;
  /** Pages, inclusive. */
  readonly first: number;
  readonly last: number;
}

/** A failure that QEMU, libvirt or the kernel tells of, in however many lines, and that is no MAP's. */
export interface Message {
  readonly kind: 'message';
  readonly mark: Place;
  readonly about: MessageText;
  /** The line that says most. */
  readonly text: string;
  /** 0 where no line tells it. */
  readonly errno: number;
  /** It came as a warning: QEMU went on. */
  readonly isWarning: boolean;
  /** QEMU stopped because of it. */
  readonly endsQemu: boolean;
}

/** A bitmap was too big, for an unmap of which there is no other line. */
export interface RefusedBitmap {
  readonly kind: 'refused-bitmap';
  readonly mark: Place;
  readonly bytes: number;
}

/** A dirty sync that mapped again what a device may write, and fetched no dirty bits of it. */
export interface DirtySync {
  readonly kind: 'dirty-sync';
  readonly mark: Place;
  /** Null: one of several, and no line tells which. */
  readonly space: DeviceSpace | null;
  readonly container: VfioContainer | null;
  /** How many mappings. */
  readonly count: number;
  /** The first of them, in pages, inclusive. */
  readonly first: number;
  readonly last: number;
  /** Guest pages behind them, inclusive, as far as known. */
  readonly guest: readonly (readonly [first: number, last: number])[];
}

/** A failed unmap that only the end of a migration tells of. */
export interface LateFailure {
  readonly kind: 'late-failure';
  readonly mark: Place;
  readonly text: string;
}

/** Lines are lost. */
export interface Loss {
  readonly kind: 'loss';
  readonly mark: Place;
  readonly loss: LossKind;
  readonly count: number;
  readonly detail: string;
}

/** The whole unmap of a device: the pieces of all its notifiers, in their order. */
export interface WholeUnmap {
  readonly kind: 'whole-unmap';
  readonly count: number;
  piece(index: number): Unmap;
}

/**
 * The whole unmap of a device in migration is over: its mappings have been unmapped one by one, each an
 * operation of its own, as far as QEMU found them.
 */
export interface WholeUnmapByNode {
  readonly kind: 'whole-unmap-by-node';
  readonly space: DeviceSpace;
}

/** What happened, as one thing. An unmap that is no piece of a whole one is one by itself. */
export type Operation =
  | Unmap
  | WholeUnmap
  | WholeUnmapByNode
  | FailedMap
  | StaleMappingsLeft
  | EntryLimitNear
  | Drift
  | Abort
  | Message
  | RefusedBitmap
  | LateFailure
  | DirtySync
  | Loss;

/** The operation of a kind. */
export type OperationOf<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

/**
 * Where operations go, in the order of the trace. Records are reused: whoever is handed one copies
 * what it keeps.
 */
export type OperationSink = (operation: Operation) => void;

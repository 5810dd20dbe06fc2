import type { Place } from '../base/place.ts';
import type { LossKind } from '../events/catalogue.ts';
import type { MessageTopic } from '../events/messages.ts';

import type { DriftSide } from './shadow-drift.ts';
import type { Unmap } from './unmap.ts';
import type { VfioContainer } from './vfio-container.ts';
import type { VtdAddressSpace } from './vtd-address-space.ts';

/** A MAP that the host refused, or is emulated to have refused. */
export interface MapFailure {
  readonly mark: Place;
  readonly space: VtdAddressSpace | null;
  readonly container: VfioContainer | null;
  /** Pages, inclusive. */
  readonly first: number;
  readonly last: number;
  readonly errno: number;
  /** The log holds QEMU's error text for it. */
  readonly observed: boolean;
  readonly tracked: boolean | null;
}

export type StaleReason =
  /** The drain's search passed them by. */
  | 'wrap'
  /** The drain unmaps what is in the shadow, and they are not, or only as parts. */
  | 'unlisted'
  | 'failed-unmap'
  | 'skipped-invalidation';

/** Host mappings that an unmap should have removed, and did not. */
export interface StaleMappings {
  readonly mark: Place;
  readonly space: VtdAddressSpace;
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

/** What the emulation reports, in the order of the trace. Nothing handed over may be kept. */
export interface ModelObserver {
  unmap(unmap: Unmap): void;
  mapFailed(failure: MapFailure): void;
  stale(mappings: StaleMappings): void;
  /** Host mappings reached a tenth below, or the limit of, what the container accepts. */
  entriesNearLimit(container: VfioContainer, space: VtdAddressSpace | null, mark: Place): void;
  /** Shadow and host map disagree, for no reason that has a report of its own. */
  drift(space: VtdAddressSpace, first: number, last: number, mark: Place, side: DriftSide): void;
  /** QEMU has stopped with an assertion at an event that crosses the interrupt range. */
  aborted(space: VtdAddressSpace, first: number, last: number, mark: Place): void;
  message(topic: MessageTopic, text: string, mark: Place, tracked: boolean | null): void;
  loss(kind: LossKind, count: number, mark: Place, detail: string): void;
}

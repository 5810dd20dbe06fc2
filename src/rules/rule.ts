import type { Fix } from '../base/fix.ts';
import type { Place } from '../base/place.ts';
import type { Backend, Cause, Mode, Severity, Verdict } from '../base/vocabulary.ts';
import type { MappedMemory, MessageText } from '../events/messages/index.ts';
import type { DeviceSpace } from '../inference/device-space.ts';
import type { Operation, OperationOf } from '../inference/operation.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { VfioContainer } from '../inference/vfio-container.ts';
import type { SessionFacts } from './facts.ts';
import type { Basis, Dependencies } from './grounds.ts';
import type { RequiredEvent } from './requirements.ts';

/** A hazard, handed to the findings; all but the first of a group only count. */
export interface Hazard {
  readonly mode: Mode | null;
  readonly mark: Place;
  readonly basis: Basis;
  /** What of the session it depends on. */
  readonly restsOn?: Dependencies;
  readonly cause?: Cause;
  readonly space?: DeviceSpace | null;
  readonly container?: VfioContainer | null;
  /** How many of its kind this one stands for; 1 if absent. */
  readonly count?: number;
  /** Pages, inclusive. */
  readonly first?: number;
  readonly last?: number;
  readonly errno?: number | null;
  /** Guest pages at risk, inclusive. */
  readonly risk?: readonly (readonly [first: number, last: number])[];
  /** Distinguishes findings of one rule that are about different things. */
  readonly topic?: string;
  readonly detail?: string;
  /** The text that tells of it; what a MAP was of; QEMU stopped because of it. */
  readonly about?: MessageText;
  readonly memory?: MappedMemory | null;
  readonly endsQemu?: boolean;
  readonly bitmapBytes?: number;
}

/** Where a rule's hazards go. */
export interface HazardSink {
  /** One more unmap; the rule's `restsOn` says what the verdict on it depends on. */
  unmap(unmap: Unmap, mode: Mode, topic?: string): void;
  add(hazard: Hazard): void;
}

/** What a group of hazards has to say for itself; the findings print it. */
export interface GroupView {
  readonly mode: Mode | null;
  readonly cause: Cause | null;
  readonly count: number;
  readonly device: string | null;
  /** Of its container; null where it has none. */
  readonly backend: Backend | null;
  /** Of the first, in hexadecimal; null where it has none. */
  readonly iova: string | null;
  readonly size: string | null;
  readonly bitmapBytes: string | null;
  readonly limitBytes: string | null;
  readonly carried: string | null;
  /** The ram_addr that should have been marked. */
  readonly expected: string | null;
  /** The guest address of the first mapping whose dirty bits go elsewhere. */
  readonly misplaced: string | null;
  readonly errno: number | null;
  /** What its unmaps returned, each value once. */
  readonly errnos: ReadonlySet<number>;
  /** Line of the last. */
  readonly lastLine: number;
  /** The highest page of ram_addr that is marked past the end of RAM, or -1. */
  readonly pastRamPage: number;
  /** Sizes in words, e.g. `16 TiB`. */
  readonly sizeText: string;
  readonly bitmapText: string;
  readonly limitText: string;
  readonly atRiskBytes: number;
  readonly atRiskText: string;
  /** What kept tracking on in its window, or ''. */
  readonly trackedBy: string;
  readonly topic: string;
  readonly detail: string;
  readonly about: MessageText | null;
  readonly memory: MappedMemory | null;
  readonly endsQemu: boolean;
  readonly facts: SessionFacts;
}

/**
 * What a rule does with each kind of operation that concerns it, and what it keeps while a session is
 * replayed. Unmaps come with the mode that a hazard of them would have.
 */
export type RuleRun = {
  readonly [Kind in Exclude<Operation['kind'], 'unmap'>]?: (operation: OperationOf<Kind>) => void;
} & {
  unmap?(unmap: Unmap, mode: Mode): void;
  finish?(): void;
};

/** What a rule does. All state lives in what `start` returns, so that two sessions never share any. */
export interface RuleBody {
  severity(group: GroupView): Severity;
  /** What a group that is active or observed makes of its session; null: nothing. */
  verdict(group: GroupView): Verdict | null;
  /**
   * Events without which its silence does not mean that there is no hazard: the runner says why, and
   * the session is not clean. It is asked all the same: what QEMU says of a hazard needs no event.
   */
  readonly requiredEvents: readonly RequiredEvent[];
  /** What its verdict on an unmap depends on; absent: on nothing but the unmap, or it reports none. */
  readonly restsOn?: Dependencies;
  /** It is about unmaps with any of these only, and need not ask for them; absent: about every unmap. */
  readonly symptoms?: number;
  start(facts: SessionFacts, report: HazardSink): RuleRun;
  message(group: GroupView): string;
  fix(group: GroupView): Fix;
}

/** A kind of hazard, by the name of its page. */
export interface Rule extends RuleBody {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
}

/** The mode of what fails, or would: QEMU says so, or the emulation does. */
export function modeOfFailure(isSeen: boolean, tracked: boolean | null): Mode {
  if (isSeen) return 'observed';
  return tracked === true ? 'active' : 'what-if';
}

/** The severity of most rules: an error, or a warning where tracking was not on. */
export function errorUnlessWhatIf({ mode }: GroupView): Severity {
  return mode === 'what-if' ? 'warning' : 'error';
}

/** The severity of the milder ones. */
export function warningUnlessWhatIf({ mode }: GroupView): Severity {
  return mode === 'what-if' ? 'note' : 'warning';
}

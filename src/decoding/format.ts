import type { EventBatch } from '../events/batch.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { DeclaredEvent } from './declared-events.ts';

/**
 * A kind of trace. Every format ends at the same thing, event batches; none knows another.
 *
 * `lines`: each line stands for itself, so any block of whole lines can be decoded alone, and
 * blocks of one trace side by side. `stream`: the bytes make sense only in order.
 */
export type TraceFormat = LineFormat | StreamFormat;

/** What a trace's times count from, where it has times. */
export type FormatClock = 'wall' | 'monotonic' | 'boot';

export interface FormatBase {
  /** As reports and `--format` of the input name it. */
  readonly name: string;
  /** What a person calls it. */
  readonly title: string;
  readonly clock: FormatClock;
  /**
   * True where stamps before events are QEMU's own, so that their form, or that they are missing,
   * shows the version: from 10.2 on events have the stamp of messages.
   */
  readonly stampsTellVersion: boolean;
  /** MAP and UNMAP of VFIO's notifications are not in the trace: the decoder tells them by other lines. */
  readonly infersOperations?: boolean;
  /** True where `head`, the first 64 KiB or all of a shorter trace, is of this kind. Never throws. */
  recognises(head: Uint8Array): boolean;
  /**
   * True where a recognised `head` rather quotes a few lines of a log, as prose and source code do:
   * given by name it is read, in a folder it is none of the traces.
   */
  isQuotedIn?(head: Uint8Array): boolean;
  /** What a recognised `head` says of the format itself, which then is this one. */
  forHead?(head: Uint8Array): TraceFormat;
}

export interface LineFormat extends FormatBase {
  readonly kind: 'lines';
  /** A decoder of blocks; it keeps no state between lines. */
  decoder(): LineDecoder;
}

export interface LineDecoder {
  /**
   * Decodes a block of whole lines and returns how many there were. Only the last line of a trace
   * may lack its LF.
   */
  decode(block: Uint8Array, writer: BatchWriter): number;
}

export interface StreamFormat extends FormatBase {
  readonly kind: 'stream';
  /** The first events, where their order may be another than that of their times. */
  sample?(head: Uint8Array): EventBatch;
  /** No other file can be the rest of one: it has a header, or is one document. */
  readonly isWhole?: true;
  /** It cannot be read without the list of the build's events. */
  readonly needsEvents?: true;
  /**
   * Opens a decoder that hands each batch to `emit` as soon as it is full. `events`: those that the build
   * of QEMU declares, where the user gave the list.
   */
  open(
    emit: (batch: EventBatch) => void,
    events?: readonly DeclaredEvent[] | null,
  ): Promise<StreamDecoder>;
}

export interface StreamDecoder {
  push(chunk: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}

import { hexOfPages } from '../base/address.ts';
import { newPart, type Part, removePart } from '../bytes/part-files.ts';
import type { TextWriter } from '../bytes/text-writer.ts';
import type { RecordSink } from '../findings/session-recorder.ts';
import { ground } from '../inference/claim.ts';
import { bdfText } from '../inference/device-space.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { MappingRecord, Mode } from '../result/types.ts';

/** Bytes of a table in which unmaps wait to hear whether tracking had been off. */
export interface LeadingBytes {
  /** Their session; those of others may stand between them. */
  readonly session: number;
  readonly from: number;
  to: number;
  wasOff: boolean;
}

/** The tables of one trace, written while it is replayed. Plain data, so that it can cross threads. */
export interface TableParts {
  readonly unmaps: Part | null;
  readonly mappings: Part | null;
  readonly leading: readonly LeadingBytes[];
}

/** Where the parts of one trace go. */
export interface PartPaths {
  readonly unmaps: Part | null;
  readonly mappings: Part | null;
}

/** Writes the tables of one trace: unmaps in the order of the trace, mappings at the end. */
export class TableWriter implements RecordSink {
  readonly #paths: PartPaths;
  readonly #unmaps: TextWriter | null;
  readonly #mappings: TextWriter | null;
  readonly #leading = new Map<number, LeadingBytes>();

  constructor(paths: PartPaths) {
    this.#paths = paths;
    this.#unmaps = paths.unmaps === null ? null : newPart(paths.unmaps);
    this.#mappings = paths.mappings === null ? null : newPart(paths.mappings);
  }

  /** What the replay is to tell of; null: nothing. */
  get sink(): RecordSink | null {
    return this.#unmaps === null && this.#mappings === null ? null : this;
  }

  get takesMappings(): boolean {
    return this.#mappings !== null;
  }

  unmap(unmap: Unmap, session: number, mode: Mode | null, isLeading: boolean): void {
    const file = this.#unmaps;
    if (file === null) return;
    const from = file.bytes;
    file.write(unmapLine(unmap, session, mode));
    if (!isLeading) return;
    const leading = this.#leading.get(session);
    if (leading === undefined)
      this.#leading.set(session, { session, from, to: file.bytes, wasOff: false });
    else leading.to = file.bytes;
  }

  settleLeading(session: number, wasOff: boolean): void {
    const leading = this.#leading.get(session);
    if (leading !== undefined) leading.wasOff = wasOff;
  }

  mapping(record: MappingRecord): void {
    this.#mappings?.write(`${JSON.stringify(record)}\n`);
  }

  finish(): TableParts {
    this.#unmaps?.finish();
    this.#mappings?.finish();
    return {
      ...this.#paths,
      leading: [...this.#leading.values()].filter(({ wasOff }) => wasOff),
    };
  }

  /** Takes the parts away. */
  discard(): void {
    this.#unmaps?.abandon();
    this.#mappings?.abandon();
    for (const part of [this.#paths.unmaps, this.#paths.mappings]) {
      if (part !== null) removePart(part);
    }
  }
}

/** How a line says what is not known yet, and what it may turn out to be. */
export const TRACKING_UNKNOWN = '"tracked":null,"query":null';
export const TRACKING_OFF = '"tracked":false,"query":"none"';

/** One line of the table of unmaps, written by hand: a trace may have millions. */
function unmapLine(unmap: Unmap, session: number, mode: Mode | null): string {
  const { time } = unmap.place;
  const { asTraced, underTracking } = unmap;
  const bdf = unmap.device;
  const container = unmap.container.has(ground.sure) ? unmap.container.value : null;
  let risk = '';
  for (let index = 0; index < underTracking.riskCount; index += 1) {
    const first = underTracking.riskFirst(index);
    const pages = underTracking.riskLast(index) - first + 1;
    risk += `${index === 0 ? '' : ','}["${hexOfPages(first)}","${hexOfPages(pages)}"]`;
  }
  return (
    `{"line":${unmap.place.line},"time":${time === null ? 'null' : `"${time}"`},"session":${session},` +
    `"device":${bdf === null ? 'null' : `"${bdfText(bdf)}"`},` +
    `"container":${container === null ? 'null' : `"${container.id}"`},"domain":${unmap.domain},` +
    `"cause":"${unmap.cause}","iova":"${hexOfPages(unmap.first)}",` +
    `"size":"${hexOfPages(unmap.last - unmap.first + 1)}","tracked":${unmap.tracked},` +
    `"query":${asTraced.query === null ? 'null' : `"${asTraced.query}"`},` +
    `"carriedAddress":${unmap.carried < 0 ? 'null' : `"${hexOfPages(unmap.carried)}"`},` +
    `"bitmapBytes":"0x${unmap.bitmapBytes.toString(16)}","errno":${asTraced.errno},` +
    `"mode":${mode === null ? 'null' : `"${mode}"`},"atRisk":[${risk}]}\n`
  );
}

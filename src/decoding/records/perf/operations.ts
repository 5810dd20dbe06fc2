import { HEADER_WORDS, KIND, SOURCE, THREAD } from '../../../events/batch.ts';
import { eventNames, kindOf, offsetsOf } from '../../../events/catalogue/index.ts';
import type { ValueToken } from '../../event-values.ts';
import type { PerfEvent } from './event.ts';

/*
 * `vfio_iommu_map_notify` has MAP or UNMAP as a text, of which perf keeps the address. Both are literals of
 * one call in QEMU (hw/vfio/listener.c, `vfio_iommu_map_notify`; common.c until 9.2), so that a process has two such
 * addresses and they never change. Which is which, the line before tells: QEMU notifies of the page of a
 * walk at once, to map it if the page has permissions and to unmap it if not, and of the pieces of a
 * whole unmap behind `vtd_as_unmap_whole`.
 *
 * A notification whose address is not known yet is left with it, which is none of both: a loss.
 */

/** Arguments of a walk. */
const WALK_ARGUMENTS = 5;

const WALK = kindOf('vtd_page_walk_one');
const WHOLE = kindOf('vtd_as_unmap_whole');
const NOTIFY = kindOf('vfio_iommu_map_notify');
const IS_BETWEEN = Uint8Array.from(eventNames, (name) => (standsBetween(name) ? 1 : 0));

const { iova: WALK_IOVA, perm: WALK_PERM } = offsetsOf('vtd_page_walk_one');
const { size: WHOLE_SIZE, start: WHOLE_START } = offsetsOf('vtd_as_unmap_whole');
const { end: NOTIFY_END, op: NOTIFY_OP, start: NOTIFY_START } = offsetsOf('vfio_iommu_map_notify');

/** As a record has them. */
const OPERATIONS = ['UNMAP', 'MAP'] as const;
type Operation = (typeof OPERATIONS)[number];
const OTHER: Readonly<Record<Operation, Operation>> = { MAP: 'UNMAP', UNMAP: 'MAP' };

/** Threads, and processes, that are remembered. */
const MOST = 1024;

/** What the line before said that a notification may follow. */
interface Announced {
  readonly operation: Operation;
  readonly start: bigint;
  /** The address behind a whole unmap; null for the page of a walk. */
  readonly end: bigint | null;
}

/** The addresses of one process. */
interface Addresses {
  readonly known: Map<string, Operation>;
  /** An address stood for both: nothing is told by them any more. */
  contradicts: boolean;
}

/** Whether an event may stand between what announces a notification and that. */
export function standsBetween(name: string): boolean {
  return name.startsWith('vfio_user') || name.startsWith('vfio_container');
}

/** Tells MAP from UNMAP. */
export class Operations {
  #announced = new Map<number, Announced>();
  /** By the name of the process. */
  #processes = new Map<string, Addresses>();

  /** The arguments of an event, with the operation in the place of its address where it is known. */
  tell(event: PerfEvent): readonly ValueToken[] {
    const { name, thread, values } = event;
    if (name !== 'vfio_iommu_map_notify') {
      this.#announce(event);
      return values;
    }
    const [address, start, end] = values.map(({ text }) => text);
    if (address === undefined || start === undefined || end === undefined) return values;
    const announced = this.#announcedOf(thread, numberOf(start), numberOf(end));
    const operation = this.#operation(event.process, address, announced);
    const [first] = values;
    if (operation === null || first === undefined) return values;
    return [{ ...first, text: operation }, ...values.slice(1)];
  }

  /**
   * Takes note of a record that was written elsewhere, with the operation that its address stood for
   * before, of an event that `processOf` tells the process of by its source. False where it contradicts
   * what was said.
   */
  follow(words: Uint32Array, record: number, processOf: (source: number) => string): boolean {
    const kind = words[record + KIND] as number;
    const thread = words[record + THREAD] as number;
    const at = record + HEADER_WORDS;
    if (kind === NOTIFY) {
      const start = wide(words, at + NOTIFY_START);
      const announced = this.#announcedOf(thread, start, wide(words, at + NOTIFY_END));
      const operation = OPERATIONS[words[at + NOTIFY_OP] as number];
      const process = this.#processes.get(processOf(words[record + SOURCE] as number));
      if (announced !== null && announced !== operation) return false;
      return process?.contradicts !== true;
    }
    if (kind === WALK) {
      const operation = words[at + WALK_PERM] === 0 ? 'UNMAP' : 'MAP';
      this.#set(thread, { operation, start: wide(words, at + WALK_IOVA), end: null });
    } else if (kind === WHOLE) {
      const start = wide(words, at + WHOLE_START);
      this.#set(thread, { operation: 'UNMAP', start, end: start + wide(words, at + WHOLE_SIZE) });
    } else if (IS_BETWEEN[kind] === 0) this.#announced.delete(thread);
    return true;
  }

  /** An event of a thread that announces nothing. */
  forget(thread: number): void {
    this.#announced.delete(thread);
  }

  /** What is known now, to be taken up again. */
  copy(): Operations {
    const copy = new Operations();
    copy.#announced = new Map(this.#announced);
    copy.#processes = new Map(
      Array.from(this.#processes, ([process, { known, contradicts }]) => [
        process,
        { known: new Map(known), contradicts },
      ]),
    );
    return copy;
  }

  #announce({ name, thread, values }: PerfEvent): void {
    if (name === 'vtd_page_walk_one' && values.length === WALK_ARGUMENTS) {
      const [, iova, , , permissions] = values;
      const operation = numberOf(permissions?.text ?? '') === 0n ? 'UNMAP' : 'MAP';
      this.#set(thread, { operation, start: numberOf(iova?.text ?? ''), end: null });
    } else if (name === 'vtd_as_unmap_whole') {
      const start = numberOf(values[3]?.text ?? '');
      const end = start + numberOf(values[4]?.text ?? '0');
      this.#set(thread, { operation: 'UNMAP', start, end });
    } else if (!standsBetween(name)) this.#announced.delete(thread);
  }

  #set(thread: number, announced: Announced): void {
    if (this.#announced.size < MOST || this.#announced.has(thread)) {
      this.#announced.set(thread, announced);
    }
  }

  /** What the line before says of a notification of these bytes, or null. */
  #announcedOf(thread: number, start: bigint, end: bigint): Operation | null {
    const announced = this.#announced.get(thread);
    if (announced === undefined) return null;
    const { end: endOfAll, operation, start: startOfAll } = announced;
    if (endOfAll === null) return start === startOfAll ? operation : null;
    if (start < startOfAll || end >= endOfAll) return null;
    // The last piece of a whole unmap; a page is notified of to each container.
    if (end + 1n === endOfAll) this.#announced.delete(thread);
    return operation;
  }

  /** What an address stands for, given what the line before says, or null. */
  #operation(process: string, address: string, announced: Operation | null): Operation | null {
    if (address.startsWith('"')) return null;
    let addresses = this.#processes.get(process);
    if (addresses === undefined) {
      if (this.#processes.size >= MOST) return null;
      addresses = { known: new Map(), contradicts: false };
      this.#processes.set(process, addresses);
    }
    const { known } = addresses;
    if (!known.has(address)) {
      const [other] = known.values();
      const operation = announced ?? (other === undefined ? null : OTHER[other]);
      if (operation === null) return null;
      if (known.size === 2 || other === operation) addresses.contradicts = true;
      else known.set(address, operation);
    }
    const operation = known.get(address) ?? null;
    if (announced !== null && operation !== announced) addresses.contradicts = true;
    return addresses.contradicts ? null : operation;
  }
}

/** The number in two words, of which the upper comes first. */
function wide(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at] as number) << 32n) | BigInt(words[at + 1] as number);
}

/** A text that the probe asked for is no number. */
function numberOf(text: string): bigint {
  return /^-?\d|^0x/.test(text) ? BigInt.asUintN(64, BigInt(text)) : -1n;
}

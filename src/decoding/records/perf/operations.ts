import type { Value } from '../../event-values.ts';
import type { PerfEvent } from './lines.ts';

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
const WALK = 5;

type Operation = 'MAP' | 'UNMAP';
const OTHER: Readonly<Record<Operation, Operation>> = { MAP: 'UNMAP', UNMAP: 'MAP' };

/** Threads, and processes, that are remembered. */
const MOST = 1024;

/** What the line before said that a notification may follow. */
interface Announced {
  readonly operation: Operation;
  /** Of the page of a walk, or of a whole unmap; as it stands there. */
  readonly start: string;
  /** Of a whole unmap. */
  readonly size: string | null;
}

/** The addresses of one process. */
interface Addresses {
  readonly known: Map<string, Operation>;
  /** An address stood for both: nothing is told by them any more. */
  contradicts: boolean;
}

/** Tells MAP from UNMAP. */
export class Operations {
  readonly #announced = new Map<number, Announced>();
  readonly #processes = new Map<string, Addresses>();

  /** The arguments of an event, with the operation in the place of its address where it is known. */
  tell(event: PerfEvent): readonly Value[] {
    const { name, thread, values } = event;
    if (name !== 'vfio_iommu_map_notify') {
      this.#announce(event);
      return values;
    }
    const [address, start, end] = values.map(({ text }) => text);
    if (address === undefined || start === undefined || end === undefined) return values;
    const announced = this.#announced.get(thread);
    const isIt = announced !== undefined && isOf(announced, start, end);
    // The last piece of a whole unmap; a page is notified of to each container.
    if (isIt && isLastOf(announced, end)) this.#announced.delete(thread);
    const operation = this.#operation(event.process, address, isIt ? announced.operation : null);
    return operation === null ? values : [{ name: '', text: operation }, ...values.slice(1)];
  }

  #announce({ name, thread, values }: PerfEvent): void {
    let announced: Announced | null = null;
    if (name === 'vtd_page_walk_one') {
      const [, iova, , , permissions] = values;
      const operation = numberOf(permissions?.text ?? '') === 0n ? 'UNMAP' : 'MAP';
      if (values.length === WALK) announced = { operation, start: iova?.text ?? '', size: null };
    } else if (name === 'vtd_as_unmap_whole') {
      const [, , , start, size] = values;
      announced = { operation: 'UNMAP', start: start?.text ?? '', size: size?.text ?? '0' };
    } else if (name.startsWith('vfio_user') || name.startsWith('vfio_container')) return;
    if (announced === null) this.#announced.delete(thread);
    else if (this.#announced.size < MOST) this.#announced.set(thread, announced);
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

function isOf(announced: Announced, start: string, end: string): boolean {
  if (announced.size === null) return start === announced.start;
  return (
    numberOf(start) >= numberOf(announced.start) && numberOf(end) < endOf(announced, announced.size)
  );
}

function isLastOf(announced: Announced, end: string): boolean {
  return announced.size !== null && numberOf(end) + 1n === endOf(announced, announced.size);
}

/** The address behind a whole unmap. */
function endOf({ start }: Announced, size: string): bigint {
  return numberOf(start) + numberOf(size);
}

/** A text that the probe asked for is no number. */
function numberOf(text: string): bigint {
  return /^-?\d|^0x/.test(text) ? BigInt.asUintN(64, BigInt(text)) : -1n;
}

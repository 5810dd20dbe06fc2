import { addressOfPage, hex, pageOf } from '../base/address.ts';
import type { Result, Session, Trace } from './types.ts';

/**
 * A result that may be shown to others: addresses of the guest, pointers of the host, names and paths
 * are replaced, each by the same wherever it stands. What was found, how often and how large it is stays
 * as it is, and so do lines, times, and the addresses that every VM has: those at which QEMU's own pieces
 * begin and end. Quoted lines of the trace are left out.
 */
export function redactResult(result: Result): Result {
  const ranges = new SecretRanges();
  ranges.find(result);
  const redactor = new Redactor(
    new AddressMap(ranges.iova, FIRST_IOVA_PAGE),
    new AddressMap(ranges.gpa, FIRST_GUEST_PAGE),
  );
  for (const { path } of result.traces) redactor.name(path, 'trace');
  for (const { sessions } of result.traces) {
    for (const { vm } of sessions) if (vm !== null) redactor.name(vm, 'vm');
  }
  return {
    ...(redactor.value(result) as Result),
    traces: result.traces.map((trace) => redactTrace(trace, redactor)),
  };
}

function redactTrace(trace: Trace, redactor: Redactor): Trace {
  return {
    ...(redactor.value(trace) as Trace),
    path: redactor.name(trace.path, 'trace'),
    skippedEvents: trace.skippedEvents,
    sessions: trace.sessions.map((session) => redactSession(session, redactor)),
  };
}

function redactSession(session: Session, redactor: Redactor): Session {
  const { activity, findings, unknownMessages, vm } = session;
  const redacted = redactor.value(session) as Session;
  return {
    ...redacted,
    vm: vm === null ? null : redactor.name(vm, 'vm'),
    findings: redacted.findings.map((finding, index) => ({
      ...finding,
      id: findings[index]?.id ?? finding.id,
      excerpt: [],
    })),
    activity,
    ...(unknownMessages !== undefined && {
      unknownMessages: {
        ...unknownMessages,
        texts: unknownMessages.texts.map((one, index) => ({ ...one, text: `(text ${index + 1})` })),
      },
    }),
  };
}

/** Pages, inclusive. */
type Pages = readonly [first: number, last: number];

/** Fields that hold an address: of which space, and the field that holds the size of what is there. */
const ADDRESSES: Readonly<
  Record<string, { readonly space: 'iova' | 'gpa'; readonly size: string | null }>
> = {
  iova: { space: 'iova', size: 'size' },
  gpa: { space: 'gpa', size: 'size' },
  carriedAddress: { space: 'gpa', size: null },
  expectedAddress: { space: 'gpa', size: null },
};

/** The ranges of addresses in the fields of a result; what every VM has is not among them. */
class SecretRanges {
  readonly iova: Pages[] = [];
  readonly gpa: Pages[] = [];

  find(value: unknown): void {
    if (Array.isArray(value)) for (const item of value) this.find(item);
    else if (value !== null && typeof value === 'object') {
      const fields = value as Readonly<Record<string, unknown>>;
      for (const [name, field] of Object.entries(fields)) {
        // Pieces, and the ranges of notifiers.
        if (name === 'activity' || name === 'notifiers') continue;
        const address = ADDRESSES[name];
        if (address === undefined || typeof field !== 'string') this.find(field);
        else this.#add(address.space, field, address.size === null ? null : fields[address.size]);
      }
    }
  }

  #add(space: 'iova' | 'gpa', address: string, size: unknown): void {
    const first = pageOf(BigInt(address));
    if (space === 'iova' && PIECES.has(first)) return;
    const pages = typeof size === 'string' ? Number(BigInt(size) >> 12n) : 1;
    this[space].push([first, first + Math.max(pages, 1) - 1]);
  }
}

/** Ends of the pieces in which the space below the interrupt range is unmapped, and of the first one above. */
const LOW_PIECES = [
  0x8000_0000, 0xc000_0000, 0xe000_0000, 0xf000_0000, 0xf800_0000, 0xfc00_0000, 0xfe00_0000,
  0xfe80_0000, 0xfec0_0000, 0xfee0_0000, 0xfef0_0000, 0xff00_0000,
];
/** Pieces above begin at powers of two. */
const PIECES: ReadonlySet<number> = new Set([
  0,
  ...LOW_PIECES.map((address) => pageOf(BigInt(address))),
  ...Array.from({ length: 21 }, (_, index) => 2 ** (20 + index)),
]);
const LARGEST_KEPT_ALIGNMENT = 2 ** 18;
const USUAL_ALIGNMENT = 512;
/** Where the addresses begin that stand for others: no guest has any there. */
const FIRST_GUEST_PAGE = 2 ** 42;
const FIRST_IOVA_PAGE = 2 ** 46;

/** Pages that hang together, and the first of those that stand for them. */
interface Run {
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/**
 * Addresses that stand for others. Ranges that overlap or touch do so afterwards, in the same order, and
 * are aligned alike up to 1 GiB; what lies between them is gone.
 */
export class AddressMap {
  /** Runs of pages that hang together, lowest first. */
  readonly #runs: Run[] = [];

  /** `from`: page from which on the addresses are that stand for others. */
  constructor(ranges: readonly Pages[], from: number) {
    const sorted = [...ranges].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    let next = from;
    let run: Pages | null = null;
    const close = () => {
      if (run === null) return;
      const [first, last] = run;
      const alignment = alignmentOf(first);
      const to = next + ((((first - next) % alignment) + alignment) % alignment);
      this.#runs.push({ first, last, to });
      next = to + (last - first) + 2;
    };
    for (const [first, last] of sorted) {
      if (run !== null && first <= run[1] + 1) run = [run[0], Math.max(run[1], last)];
      else {
        close();
        run = [first, last];
      }
    }
    close();
  }

  /** What stands for a page; null where that is none of the secret ones. */
  page(page: number): number | null {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const { first, last, to } = this.#runs[middle] as Run;
      if (page < first) high = middle - 1;
      else if (page > last) low = middle + 1;
      else return to + (page - first);
    }
    return null;
  }

  /** The same of an address. */
  address(address: bigint): bigint | null {
    const page = this.page(pageOf(address));
    return page === null ? null : addressOfPage(page) | (address & 0xfffn);
  }
}

/** How a run is aligned: a range of 2 MiB in it stays one, and a larger one stays as it was. */
function alignmentOf(page: number): number {
  let alignment = USUAL_ALIGNMENT;
  while (alignment < LARGEST_KEPT_ALIGNMENT && page % (alignment * 2) === 0) alignment *= 2;
  return alignment;
}

const HEX = /0x[0-9a-f]+/g;
/** What stands before an address of the guest's memory, and of the device's. */
const GUEST_BEFORE = /(?:guest address|ram_addr|gpa|translated address) $/;
const IOVA_BEFORE = /(?:iova|at) $/;
const LONGEST_WORDS = 20;
/** Where processes of 64-bit Linux have their memory. */
const FIRST_POINTER = 0x5500_0000_0000n;
const LAST_POINTER = 0x7fff_ffff_ffffn;
const HOST_DEVICE = /\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b/g;
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
const IPV4 = /\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g;
const PATH = /(?<=^|[\s'"=(:,])\/[\w.+@-]+(?:\/[\w.+@-]*)+/g;

/** Replaces what must not be shown, the same by the same. */
export class Redactor {
  readonly #iova: AddressMap;
  readonly #gpa: AddressMap;
  readonly #pointer: (text: string) => string;
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** `pointer`: what stands for one of the host's, `0x` and digits; default: a name. */
  constructor(
    iova: AddressMap,
    gpa: AddressMap,
    pointer: (text: string) => string = (text) => this.name(text, 'pointer'),
  ) {
    this.#iova = iova;
    this.#gpa = gpa;
    this.#pointer = pointer;
  }

  /** What stands for a name, also in texts from now on: `trace-1`. `-` is nobody's. */
  name(name: string, kind: string): string {
    if (name === '-') return name;
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const stand = `${kind}-${count}`;
    this.#names.set(name, stand);
    return stand;
  }

  /** A text, of a message for one, without names, paths, pointers and addresses. */
  text(text: string): string {
    let shown = text;
    // Longer names first: one may be a part of another.
    const names = [...this.#names].sort(([one], [other]) => other.length - one.length);
    for (const [name, stand] of names) shown = replaceName(shown, name, stand);
    return shown
      .replace(PATH, (path) => this.name(path, 'path'))
      .replace(UUID, (uuid) => this.name(uuid, 'uuid'))
      .replace(HOST_DEVICE, (device) => this.name(device, 'host-device'))
      .replace(IPV4, (address) => this.name(address, 'host-address'))
      .replace(HEX, (number, at: number, all: string) =>
        this.#number(number, all.slice(Math.max(0, at - LONGEST_WORDS), at)),
      );
  }

  /** A value and all in it. */
  value(value: unknown, field = ''): unknown {
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [
          name,
          name === 'notifiers' ? inner : this.value(inner, name),
        ]),
      );
    }
    if (typeof value !== 'string') return value;
    const address = ADDRESSES[field];
    if (address !== undefined) return this.#address(value, address.space);
    return /^0x[0-9a-f]+$/.test(value) ? value : this.text(value);
  }

  /** Address 0 says that none was carried, or where the first piece begins. */
  #address(text: string, space: 'iova' | 'gpa'): string {
    if (text === '0x0' && space === 'iova') return text;
    const stand = (space === 'iova' ? this.#iova : this.#gpa).address(BigInt(text));
    return stand === null ? text : hex(stand);
  }

  /** `before`: the words before it, which tell an address of the guest's memory from another, and from a size. */
  #number(text: string, before: string): string {
    const value = BigInt(text);
    const isOfGuest = GUEST_BEFORE.test(before);
    const isAddress = isOfGuest || IOVA_BEFORE.test(before);
    if (value === 0n || (!isAddress && isPowerOfTwo(value))) return text;
    const spaces = isOfGuest ? [this.#gpa, this.#iova] : [this.#iova, this.#gpa];
    if (!isOfGuest && PIECES.has(pageOf(value))) return text;
    for (const space of spaces) {
      const stand = space.address(value);
      if (stand !== null) return hex(stand);
    }
    const isPointer = value >= FIRST_POINTER && value <= LAST_POINTER;
    return isPointer ? this.#pointer(text) : text;
  }
}

/** A size or the beginning of a piece, or the last byte of one. */
function isPowerOfTwo(value: bigint): boolean {
  return (value & (value - 1n)) === 0n || (value & (value + 1n)) === 0n;
}

/** Replaces a name where it stands alone, not in the middle of a word. */
function replaceName(text: string, name: string, stand: string): string {
  const parts = text.split(name);
  let shown = parts[0] ?? '';
  for (let index = 1; index < parts.length; index += 1) {
    const after = parts[index] ?? '';
    const isInWord = /\w$/.test(shown) || /^\w/.test(after);
    shown += (isInWord ? name : stand) + after;
  }
  return shown;
}

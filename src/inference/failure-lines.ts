import type { Place } from '../base/place.ts';
import { ENOENT, ENOSPC, EPERM } from '../emulation/vfio/errno.ts';
import type { MappedMemory, MessageOperation, MessageText } from '../events/messages/index.ts';

/** Lines between the first and the last of those that tell one failure. */
const MOST_LINES_APART = 12;

/** What one line says of a failure. */
export interface FailureLine {
  readonly mark: Place;
  readonly operation: MessageOperation;
  /** Which of its failure's lines it is; `call`: the one with the range. */
  readonly part: MessageText['part'] | 'call';
  /** Null for a call, whose text has no entry of its own. */
  readonly about: MessageText | null;
  readonly text: string;
  readonly errno: number;
  /** Pages, inclusive; -1 where it names none. */
  readonly first: number;
  readonly last: number;
  readonly memory: MappedMemory | null;
  readonly isWarning: boolean;
  /** The container's address, or ''. */
  readonly pointer: string;
}

/** A failure, as its lines so far tell it. */
export interface OpenFailure {
  readonly lead: FailureLine;
  readonly parts: Set<FailureLine['part']>;
  operation: MessageOperation;
  about: MessageText | null;
  errno: number;
  first: number;
  last: number;
  memory: MappedMemory | null;
  isWarning: boolean;
  pointer: string;
  endsQemu: boolean;
  lastLine: number;
}

/** Operations after whose failure QEMU exits by itself. */
const GIVES_UP: readonly MessageOperation[] = ['attach', 'attach-map', 'migration'];

/** What a QEMU that is being started ends with. */
const ENDS_START: readonly MessageOperation[] = ['attach', 'attach-map', 'map', 'entry-limit'];

/** Operations whose lines stand together: the second is told by the frame around the first. */
const FAMILIES: Readonly<Partial<Record<MessageOperation, string>>> = {
  map: 'map',
  'attach-map': 'map',
  'entry-limit': 'map',
  'dirty-query': 'query',
  'bitmap-allocation': 'query',
};

function familyOf(operation: MessageOperation): string {
  return FAMILIES[operation] ?? operation;
}

/**
 * Gathers the lines by which QEMU tells one failure: the ioctl's, the caller's with the range, a hint,
 * the hardware error in which it ends, in whatever order a journal has them. Each line is there once,
 * so that one of a kind that is there already begins the next failure.
 */
export class FailureLines {
  readonly #report: (failure: OpenFailure) => void;
  #open: OpenFailure | null = null;

  constructor(report: (failure: OpenFailure) => void) {
    this.#report = report;
  }

  /** Takes a line: into the failure that is open, or as the first of the next. */
  take(line: FailureLine): void {
    // What libvirt quotes says more than that it does.
    if (quotes(this.#open, line)) this.#open = null;
    const open = this.#open;
    if (open !== null && joins(open, line)) {
      merge(open, line);
      return;
    }
    this.flush();
    this.#open = {
      lead: line,
      parts: new Set([line.part]),
      operation: line.operation,
      about: line.about,
      errno: line.errno,
      first: line.first,
      last: line.last,
      memory: line.memory,
      isWarning: line.isWarning,
      pointer: line.pointer,
      endsQemu: line.operation === 'crash' || line.part === 'end',
      lastLine: line.mark.line,
    };
  }

  /** The lines before are about a failure that has a report of its own: forgets what only they told. */
  absorb(operation: MessageOperation): OpenFailure | null {
    const open = this.#open;
    if (open === null || familyOf(open.operation) !== familyOf(operation)) return null;
    if (open.parts.has('call')) return null;
    this.#open = null;
    return open;
  }

  /** No more lines of the failure that is open can come. */
  flush(): void {
    const open = this.#open;
    this.#open = null;
    if (open !== null) this.#report(open);
  }
}

function joins(open: OpenFailure, line: FailureLine): boolean {
  if (line.mark.line - open.lastLine > MOST_LINES_APART) return false;
  // What ends QEMU is about the failure before it.
  if (line.part === 'end') return !open.parts.has('end');
  if (line.operation === 'crash') {
    return line.part !== 'whole' && (open.endsQemu || mayEndQemu(open));
  }
  if (familyOf(open.operation) !== familyOf(line.operation)) return false;
  // The warning that mappings run out is about a MAP that fails for want of entries.
  if (open.operation === 'entry-limit') return line.errno === ENOSPC;
  if (line.part === 'hint') return true;
  // The kernel says why before QEMU says that.
  if (line.part === 'whole' && isAllHints(open)) return true;
  if (line.part === 'whole' || open.parts.has(line.part)) return false;
  return (
    open.errno === line.errno || open.errno === 0 || line.errno === 0 || isOverwritten(open, line)
  );
}

/**
 * QEMU up to 9.2 prints the ioctl's words before it returns the errno, which the printing may overwrite
 * (vfio_dma_map, hw/vfio/common.c): then the number is that of another call, most often ENOENT.
 */
function isOverwritten(open: OpenFailure, line: FailureLine): boolean {
  const number = line.part === 'ioctl' ? open.errno : line.errno;
  return number === ENOENT || number === EPERM;
}

/** libvirt quotes QEMU's lines behind its own words, or on the lines that follow. */
function quotes(open: OpenFailure | null, { mark, operation }: FailureLine): boolean {
  if (open?.lead.about?.id !== 'end-at-start') return false;
  const distance = mark.line - open.lead.mark.line;
  return distance === 0 || (distance <= MOST_LINES_APART && ENDS_START.includes(operation));
}

function isAllHints({ parts }: OpenFailure): boolean {
  return parts.size === 1 && parts.has('hint');
}

/** What is no failure of QEMU's own, or of what it goes on without. */
const ENDS_NOTHING: readonly MessageOperation[] = [
  'blocker',
  'device-reset',
  'host-fault',
  'translation-fault',
  'viommu-misuse',
];

/** A warning ends nothing. */
function mayEndQemu({ isWarning, memory, operation }: OpenFailure): boolean {
  return !isWarning && memory !== 'bar' && !ENDS_NOTHING.includes(operation);
}

/** Of what makes QEMU give up in order, libvirt's line that it is gone says nothing new. */
function saysGone({ about }: FailureLine, { endsQemu, operation }: OpenFailure): boolean {
  return about?.id === 'end-monitor' && !endsQemu && GIVES_UP.includes(operation);
}

function merge(open: OpenFailure, line: FailureLine): void {
  open.parts.add(line.part);
  open.lastLine = line.mark.line;
  open.endsQemu ||= (line.operation === 'crash' && !saysGone(line, open)) || line.part === 'end';
  open.memory ??= line.memory;
  open.isWarning ||= line.isWarning;
  if (open.pointer === '') open.pointer = line.pointer;
  if (open.first < 0) {
    open.first = line.first;
    open.last = line.last;
  }
  if (line.part === 'ioctl' && line.errno !== 0) open.errno = line.errno;
  else if (open.errno === 0) open.errno = line.errno;
  // What went wrong says more than where it was noticed.
  if (open.operation === 'attach-map' || open.operation === 'entry-limit') {
    open.operation = line.operation;
  }
  if (open.about === null || (open.about.part === 'hint' && open.about.todo === undefined)) {
    open.about = line.about ?? open.about;
  }
}

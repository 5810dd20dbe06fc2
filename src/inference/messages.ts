import { addressOfPage } from '../base/address.ts';
import { dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { E2BIG, ENOENT, EPERM } from '../emulation/vfio/errno.ts';
import { eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { messageFlag } from '../events/catalogue/notes.ts';
import type { BatchCursor } from '../events/cursor.ts';
import {
  type MappedMemory,
  type MessageText,
  messageEra,
  messageTexts,
} from '../events/messages/index.ts';
import { BrokenCalls } from './broken-calls.ts';
import type { DeviceSpace } from './device-space.ts';
import { Echoes } from './echoes.ts';
import { FailureLines, type OpenFailure } from './failure-lines.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { memoryAt, memoryOfRegion } from './mapped-memory.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { RefusedBitmap } from './operation.ts';
import type { PageWalks } from './page-walks.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import { quotedWords } from './quoted-words.ts';
import { UNKNOWN_ADDRESS, Unmap } from './unmap.ts';
import { lineMarks } from './version.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  tooBig: offsetsOf('message:bitmap-too-big'),
  unmap: offsetsOf('message:dma-unmap-failed'),
  map: offsetsOf('message:dma-map-failed'),
  known: offsetsOf('message:known'),
  unknown: offsetsOf('message:unknown'),
} as const;

const UNMAP_FAILED = kindOf('message:dma-unmap-failed');
/** Lines between a monitor's answer and QEMU's own line about the same. */
const MOST_LINES_BEHIND = 12;
const NOTHING_RETOLD = { line: Number.NEGATIVE_INFINITY, pages: 0 };
/** Failed unmaps remembered, so that a text that QEMU prints once more is not a second failure. */
const REMEMBERED = 64;

/**
 * QEMU's messages about what failed. Those about an unmap or a MAP belong to the notification before
 * them, where the trace has one; those that stand alone are gathered to one failure each.
 */
export class FailureMessages {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #walks: PageWalks;
  readonly #lines: FailureLines;
  readonly #echoes = new Echoes();
  readonly #broken = new BrokenCalls();
  /** A failure whose notification is not in the trace. */
  readonly #alone = new Unmap();
  /** Ranges and errnos of failed unmaps that were told of. */
  readonly #recent: string[] = [];
  /** Of an unmap of which no other line has come. */
  #tooBig: RefusedBitmap | null = null;
  /** Byte offset of the newest `migrate_error`, whose text comes as a message of its own. */
  #migrationErrorAt = -1;
  /** Line of the newest unmap of which a call alone has told, and whether its ioctl's line has come. */
  #callLine = -1;
  /** The newest unmap that only a monitor's answer told of so far. */
  #retold = NOTHING_RETOLD;
  /** A line of iommufd's own has come. */
  #sawIommufd = false;

  constructor(machine: Machine, pending: PendingUnmaps, walks: PageWalks) {
    this.#machine = machine;
    this.#pending = pending;
    this.#walks = walks;
    this.#lines = new FailureLines((failure) => this.#report(failure));
  }

  /** True where a message can be about an unmap or MAP that is still open. */
  concerns(cursor: BatchCursor): boolean {
    const unmap = this.#pending.newest;
    const { map } = this.#walks;
    switch (eventNames[cursor.kind]) {
      case 'message:bitmap-too-big': {
        if (unmap === null || unmap.message.isSeen) return false;
        const pageSize = this.#machine.parameters.hostPageSize.value;
        const bytes = dirtyBitmapBytesOfPages(unmap.last - unmap.first + 1, pageSize);
        return bytes === Number(cursor.u64(at.tooBig.bytes));
      }
      case 'message:dma-unmap-failed':
        // Once told is told: the same message again is about another machine's.
        return unmap?.message.pointer === '' && unmap.first === cursor.page(at.unmap.iova);
      case 'message:dma-map-failed':
        return map.active && map.first === cursor.page(at.map.iova);
      case 'message:known':
        return unmap !== null || map.active;
      default:
        return false;
    }
  }

  /** Nothing more can be said of what is open: the trace, or the boot, is over. */
  finish(): void {
    this.#flushBitmap();
    this.#lines.flush();
  }

  /** "UNMAP: Size of bitmap too big": the unmap before it fails with -7, before any ioctl. */
  bitmapTooBig(cursor: BatchCursor): void {
    this.seen(cursor);
    if (this.#isEcho(cursor, cursor.hex(at.tooBig.bytes), cursor.u32(at.tooBig.flags))) return;
    this.#lines.flush();
    this.#flushBitmap();
    const bytes = Number(cursor.u64(at.tooBig.bytes));
    const unmap = this.#pending.newest;
    const { parameters } = this.#machine;
    if (this.#isOfRetold(bytes, cursor)) return;
    if (unmap === null || unmap.message.isSeen || bytes === 0) {
      this.#tooBig = { kind: 'refused-bitmap', bytes, mark: placeOf(cursor) };
      return;
    }
    const pages = unmap.last - unmap.first + 1;
    if (!parameters.canNeed(pages, bytes)) {
      this.#tooBig = { kind: 'refused-bitmap', bytes, mark: placeOf(cursor) };
      this.#machine.losses.report('unmap-of-too-big', cursor, unmap.space.value);
      return;
    }
    const size = addressOfPage(pages);
    parameters.pageSizeOfBitmap(size, BigInt(bytes), 'Size of bitmap too big', cursor.line);
    parameters.refused(bytes, cursor.line);
    unmap.message.bitmapBytes = bytes;
    this.#observe(unmap, E2BIG);
  }

  /** Whether a monitor told of the unmap already: a test's log has QEMU's own line behind the monitor's answer. */
  #isOfRetold(bytes: number, { line }: BatchCursor): boolean {
    const { line: toldAt, pages } = this.#retold;
    const { parameters } = this.#machine;
    if (line - toldAt > MOST_LINES_BEHIND || !parameters.canNeed(pages, bytes)) return false;
    this.#retold = NOTHING_RETOLD;
    parameters.pageSizeOfBitmap(
      addressOfPage(pages),
      BigInt(bytes),
      'Size of bitmap too big',
      line,
    );
    parameters.refused(bytes, line);
    return true;
  }

  /** The bitmap that was too big stands alone: QEMU keeps the errno for the end of the migration. */
  #flushBitmap(): void {
    const refused = this.#tooBig;
    this.#tooBig = null;
    if (refused === null || this.#machine.hasNotifications) return;
    if (refused.bytes > 0) {
      this.#machine.parameters.refused(refused.bytes, refused.mark.line);
    }
    this.#machine.report(refused);
  }

  /**
   * A message of QEMU is in the trace, so that others would be; not where an event repeats it that
   * ends a migration, as QEMU prints its messages elsewhere than its events.
   */
  seen(cursor: BatchCursor): void {
    if (cursor.byteOffset !== this.#migrationErrorAt) this.#machine.seen.sawMessage();
  }

  /** A line of QEMU's that no text is known for. */
  unknown(cursor: BatchCursor): void {
    this.seen(cursor);
    this.#machine.unknownMessages.take(cursor.text(at.unknown.text), cursor.line);
  }

  /** `migrate_error`: what made the migration fail, long after it happened. */
  migrationError(cursor: BatchCursor): void {
    this.#migrationErrorAt = cursor.byteOffset;
  }

  /** A line that is torn may be the front of a call that goes on in the next. */
  torn(text: string, line: number): void {
    this.#broken.torn(text, line);
  }

  /** The end of a call; a front that is not there leaves nothing to tell. */
  callRest(cursor: BatchCursor): void {
    const joined = this.#broken.joined(cursor);
    if (joined === null) return;
    if (joined.kind === UNMAP_FAILED) this.unmapFailed(joined);
    else this.mapFailed(joined);
  }

  /** "...dma_unmap(container, iova, size) = errno". */
  unmapFailed(cursor: BatchCursor): void {
    if (this.#isEchoOfCall(cursor, at.unmap)) return;
    const first = cursor.page(at.unmap.iova);
    const last = first + cursor.page(at.unmap.size) - 1;
    const unmap = this.#pending.newest;
    const isOfNewest = unmap !== null && unmap.first === first && unmap.last === last;
    const isLate = cursor.byteOffset === this.#migrationErrorAt;
    if (isLate && !isOfNewest && this.#machine.hasNotifications) {
      this.#failureToldLate(cursor);
      return;
    }
    this.seen(cursor);
    this.#learnEra(cursor.u32(at.unmap.era));
    const errno = cursor.i32(at.unmap.errno);
    const pointer = cursor.hex(at.unmap.container);
    this.#learnBackend(cursor, errno, pointer);
    const flags = cursor.u32(at.unmap.flags);
    this.#learnHost(flags);
    const isRetold = (flags & messageFlag.retold) !== 0;
    if (isOfNewest) {
      this.#observe(unmap, errno);
      unmap.message.pointer = pointer;
      this.#tooBig = null;
    } else if (last >= first && !this.#isKnown(first, last, errno, isRetold)) {
      const isFirst = isRetold && errno === E2BIG && this.#tooBig === null;
      this.#failureAlone(cursor, first, last, errno);
      this.#retold = isFirst ? { line: cursor.line, pages: last - first + 1 } : NOTHING_RETOLD;
    }
  }

  /**
   * A failed unmap that was told of before: a trace has one notification for each, and a monitor's
   * status repeats one; a log of messages alone says each failure anew.
   */
  #isKnown(first: number, last: number, errno: number, isRetold: boolean): boolean {
    if (!isRetold && !this.#machine.hasNotifications) return false;
    const key = `${first}-${last}-`;
    if (isRetold) return this.#recent.includes(`${key}${errno}`);
    return this.#recent.some((told) => told.startsWith(key));
  }

  /** Only iommufd and vfio-user answer that nothing was mapped; type1 calls that a success. */
  #learnBackend(cursor: BatchCursor, errno: number, pointer: string): void {
    if (errno !== ENOENT) return;
    const container = this.#containerAt(pointer);
    if (container === null) return;
    // iommufd came with 9.0, when the function had got its new name; earlier trees say so in a line.
    const isOld = cursor.u32(at.unmap.era) === messageEra.old && !this.#sawIommufd;
    container.setBackend(isOld ? 'vfio-user' : 'iommufd', 'derived', 'only it answers -2 (ENOENT)');
  }

  /** "...dma_map(container, iova, size, vaddr) = errno". */
  mapFailed(cursor: BatchCursor): void {
    if (this.#isEchoOfCall(cursor, at.map)) return;
    this.seen(cursor);
    this.#flushBitmap();
    this.#learnEra(cursor.u32(at.map.era));
    const first = cursor.page(at.map.iova);
    const last = first + cursor.page(at.map.size) - 1;
    const errno = cursor.i32(at.map.errno);
    const pointer = cursor.hex(at.map.container);
    const { map } = this.#walks;
    if (map.active && map.first === first && map.last === last) {
      const owner = this.#machine.containers.deviceAt(pointer);
      if (owner !== null) this.#walks.isOf(owner);
      if (map.container !== null && map.isSure) map.container.pointer = pointer;
      map.active = false;
      this.#lines.absorb('map');
      this.#walks.reportFailure(errno, true);
      return;
    }
    const flags = cursor.u32(at.map.flags);
    this.#learnHost(flags);
    this.#lines.take({
      mark: placeOf(cursor),
      operation: (flags & messageFlag.atAttach) === 0 ? 'map' : 'attach-map',
      part: 'call',
      about: null,
      text: '',
      errno,
      first,
      last,
      memory: memoryOfRegion(cursor.text(at.map.region)),
      isWarning: (flags & messageFlag.warning) !== 0,
      pointer,
    });
  }

  /** Any other message that is known. */
  known(cursor: BatchCursor): void {
    // What the kernel says is no proof that QEMU's messages are here.
    if ((cursor.u32(at.known.flags) & messageFlag.ofKernel) === 0) this.seen(cursor);
    this.#flushBitmap();
    const about = messageTexts[cursor.u32(at.known.about)];
    if (about === undefined) return;
    const told = `${about.id} ${cursor.i32(at.known.errno)} ${cursor.hex(at.known.iova)}`;
    if (this.#isEcho(cursor, told, cursor.u32(at.known.flags))) return;
    const text = cursor.text(at.known.text);
    if (this.#echoes.isHandedUp(text, cursor.line)) return;
    if (about.backend === 'iommufd') this.#sawIommufd = true;
    const errno = cursor.i32(at.known.errno);
    const limit = cursor.u32(at.known.limit);
    this.#learnHost(cursor.u32(at.known.flags));
    if (about.operation === 'dmabuf-fallback') {
      this.#machine.version.learn(lineMarks.dmabufWarning);
      return;
    }
    // AMD-Vi maps on top of what is there, and the host refuses it.
    if (about.id === 'fault-amd' && cursor.text(at.known.text).includes('conflicting')) {
      this.#walks.conflicts();
    }
    if (about.operation === 'note') return;
    if (limit > 0) this.#machine.parameters.printedEntryLimit(limit, cursor.line);
    if (this.#isOfOpenUnmap(about, errno, cursor)) return;
    if (about.operation === 'unmap' && errno === E2BIG && !this.#machine.hasNotifications) {
      this.#machine.report({ kind: 'refused-bitmap', mark: placeOf(cursor), bytes: 0 });
      return;
    }
    if (about.operation === 'map-dropped') this.#walks.dropPendingMap();
    const hasIova = (cursor.u32(at.known.flags) & messageFlag.hasIova) !== 0;
    const page = hasIova ? cursor.page(at.known.iova) : -1;
    this.#lines.take({
      mark: placeOf(cursor),
      operation: about.operation,
      part: about.part,
      about,
      text: quotedWords(text),
      errno,
      first: page,
      last: page,
      memory: about.memory ?? null,
      isWarning: (cursor.u32(at.known.flags) & messageFlag.warning) !== 0,
      pointer: '',
    });
  }

  #isEchoOfCall(cursor: BatchCursor, call: typeof at.unmap | typeof at.map): boolean {
    const [pointer, iova] = [cursor.hex(call.container), cursor.hex(call.iova)];
    const told = `${pointer} ${iova} ${cursor.hex(call.size)} ${cursor.i32(call.errno)}`;
    return this.#isEcho(cursor, told, cursor.u32(call.flags));
  }

  /** Whether another program has passed on the same message already. */
  #isEcho(cursor: BatchCursor, told: string, flags: number): boolean {
    const carrier = flags & (messageFlag.inLogfmt | messageFlag.inJson);
    const text = `${cursor.kind} ${told}`;
    const isDated = (flags & messageFlag.qemusTime) !== 0 && cursor.hasTime;
    if (isDated && this.#echoes.isSameMoment(text, cursor)) return true;
    // Of what has a time of its own, that decides.
    const retells = !isDated && (flags & messageFlag.retold) !== 0;
    if (this.#echoes.isRetold(text, cursor.line, retells)) return true;
    return this.#echoes.isEcho(text, carrier, cursor.line);
  }

  /** libvirt says that QEMU crashed: of what was told before, or of what no line tells. */
  crashed(text: string, cursor: BatchCursor): void {
    const about = messageTexts.find(({ id }) => id === 'end-crashed');
    if (about === undefined) return;
    this.#lines.take({
      mark: placeOf(cursor),
      operation: 'crash',
      part: 'hint',
      about,
      text,
      errno: 0,
      first: -1,
      last: -1,
      memory: null,
      isWarning: false,
      pointer: '',
    });
  }

  /** Whether the message is about the unmap that is open, or was told of by its call alone. */
  #isOfOpenUnmap(about: MessageText, errno: number, cursor: BatchCursor): boolean {
    const unmap = this.#pending.newest;
    const returned = about.provesTracking === true ? EPERM : errno;
    if (unmap !== null && returned !== 0) {
      const isOfIt =
        about.operation === 'dirty-query' &&
        about.backend === 'iommufd' &&
        cursor.page(at.known.iova) === unmap.first;
      if (isOfIt) this.#askedIommu(unmap);
      if (about.operation === 'unmap' || isOfIt) {
        // QEMU's own line with the range follows, or went elsewhere.
        this.#observe(unmap, returned);
        return true;
      }
    }
    // Behind the call that stands alone, in a journal that has the two in the other order.
    const isBehindCall = about.operation === 'unmap' && about.part === 'ioctl';
    if (!isBehindCall || cursor.line - this.#callLine !== 1) return false;
    this.#callLine = -1;
    return true;
  }

  /** The IOMMU's dirty bits were asked for ahead of an unmap, so that not all devices have a log of their own. */
  #askedIommu({ container, underTracking }: Unmap): void {
    underTracking.query = 'before';
    if (container.value !== null) container.value.isIommuAsked = true;
  }

  // --- What the lines come to ------------------------------------------------------------------------

  #report(failure: OpenFailure): void {
    const { operation } = failure;
    if (operation === 'map' || operation === 'attach-map') this.#reportMap(failure);
    else {
      const { about, endsQemu, errno, isWarning, lead } = failure;
      if (about === null) return;
      const { mark, text } = lead;
      this.#machine.report({ kind: 'message', mark, about, text, errno, isWarning, endsQemu });
    }
  }

  /** A MAP of a section, or without its notification. */
  #reportMap(failure: OpenFailure): void {
    const { endsQemu, errno, first, last, lead, pointer } = failure;
    const container = this.#containerAt(pointer);
    const left = mappingFlag.stale | mappingFlag.kept;
    const isOverStale =
      container !== null && first >= 0 && container.holdsMarked(first, last, left);
    if (first >= 0 && container?.holdsExactly(first, last) === true && !isOverStale) {
      this.#machine.mappings.hostForget(container, first, last);
    }
    const tracked = this.#machine.trackedIn(container);
    const { attribution } = this.#machine;
    const only = attribution.isSingleDeviceSure ? attribution.singleDevice : null;
    const space = this.#machine.containers.deviceAt(pointer) ?? only;
    const memory = this.#memoryOf(failure, space);
    this.#machine.report({
      kind: 'failed-map',
      isRepeated: false,
      mark: lead.mark,
      space,
      container,
      first,
      last,
      errno,
      observed: true,
      tracked,
      memory,
      endsQemu,
      isOverStale,
    });
  }

  /** What was to be mapped: by the lines, by the RAM that the trace shows, or by the address. */
  #memoryOf(failure: OpenFailure, space: DeviceSpace | null): MappedMemory | null {
    const { first, isWarning, last, memory } = failure;
    if (memory !== null) return memory;
    if (isWarning) return 'bar';
    // A device that is translated has nothing mapped but what the guest asks for.
    if (space !== null && space.notifiers.length > 0) return 'viommu';
    // From 2.12 on a BAR that is not mapped ends no QEMU (vfio_listener_region_add).
    if (first < 0) return failure.parts.has('end') ? 'ram' : null;
    const { ram } = this.#machine;
    if (ram.sizes !== null) return ram.isInside(first, last) ? 'ram' : 'bar';
    return memoryAt(first, last);
  }

  #observe(unmap: Unmap, errno: number): void {
    if (unmap.message.isSeen && unmap.asTraced.errno === errno) return;
    this.#pending.observe(unmap, errno);
    this.#remember(unmap.first, unmap.last, errno);
  }

  #remember(first: number, last: number, errno: number): void {
    this.#recent.push(`${first}-${last}-${errno}`);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
  }

  /** The unmap itself has been reported, by its own line; one that nobody foresaw is news. */
  #failureToldLate(cursor: BatchCursor): void {
    this.#learnEra(cursor.u32(at.unmap.era));
    const first = cursor.page(at.unmap.iova);
    const last = first + cursor.page(at.unmap.size) - 1;
    const errno = cursor.i32(at.unmap.errno);
    if (this.#pending.hasFailed(first, last, errno)) return;
    const range = `0x${cursor.hex(at.unmap.iova).slice(2)}, ${cursor.hex(at.unmap.size)}`;
    const text = `unmap(${range}) = ${errno} (${cursor.text(at.unmap.text)})`;
    this.#machine.report({ kind: 'late-failure', mark: placeOf(cursor), text });
  }

  /** The text alone proves the unmap, and that it failed. */
  #failureAlone(cursor: BatchCursor, first: number, last: number, errno: number): void {
    this.#pending.commitSingle();
    this.#lines.absorb('unmap');
    this.#lines.flush();
    const refused = this.#tooBig;
    this.#tooBig = null;
    this.#callLine = cursor.line;
    const { attribution, hasNotifications, parameters } = this.#machine;
    const owner = this.#machine.containers.deviceAt(cursor.hex(at.unmap.container));
    const space = owner ?? attribution.singleDevice;
    if (hasNotifications) {
      this.#machine.losses.report('unmap-of-failure', cursor, space);
    }
    if (refused !== null && refused.bytes > 0 && !hasNotifications) {
      const size = addressOfPage(last - first + 1);
      const { bytes } = refused;
      parameters.pageSizeOfBitmap(size, BigInt(bytes), 'Size of bitmap too big', cursor.line);
      parameters.refused(bytes, refused.mark.line);
    }
    const unmap = this.#alone;
    unmap.start(cursor, first, last);
    this.#pending.place(unmap, space, owner !== null || attribution.isSingleDeviceSure);
    unmap.carried = UNKNOWN_ADDRESS;
    const nodes = space === null ? null : space.shadow.overlapping(first, last);
    this.#pending.evaluate(unmap, nodes);
    unmap.message.bitmapBytes = refused?.bytes ?? 0;
    this.#observe(unmap, errno);
    unmap.asTraced.query = errno === E2BIG ? 'bitmap' : null;
    this.#pending.report(unmap);
  }

  /** The container that a message points to: the only one there is, or the first that any line shows. */
  #containerAt(pointer: string): VfioContainer | null {
    const { containers } = this.#machine;
    const known = containers.ofPointer(pointer);
    return known !== null || containers.all.length > 0 ? known : containers.make();
  }

  #learnHost(flags: number): void {
    if ((flags & messageFlag.notX86) !== 0) this.#machine.parameters.notX86();
  }

  #learnEra(era: number): void {
    if (era === messageEra.old) this.#machine.version.learn(lineMarks.oldMessage);
    else if (era === messageEra.current) this.#machine.version.learn(lineMarks.newMessage);
  }
}

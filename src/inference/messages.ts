import { addressOfPage, hexOfPages } from '../base/address.ts';
import { dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { E2BIG, EINVAL, EPERM } from '../emulation/vfio/errno.ts';
import { eventNames, offsetsOf } from '../events/catalogue/index.ts';
import { type MessageTopic, messageEra, messageTopics } from '../events/catalogue/notes.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { PageWalks } from './page-walks.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import { UNKNOWN_ADDRESS, Unmap } from './unmap.ts';
import { lineMarks } from './version.ts';

const at = {
  tooBig: offsetsOf('message:bitmap-too-big'),
  unmap: offsetsOf('message:dma-unmap-failed'),
  map: offsetsOf('message:dma-map-failed'),
  other: offsetsOf('message:other'),
} as const;

/** Failed unmaps remembered, so that a text that QEMU prints once more is not a second failure. */
const REMEMBERED = 64;

/** QEMU's messages about unmaps and maps that failed: they belong to the notification before them. */
export class FailureMessages {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #walks: PageWalks;
  /** A failure whose notification is not in the trace. */
  readonly #alone = new Unmap();
  readonly #recent: string[] = [];
  /** Bytes of a "too big" line that no notification came before. */
  #tooBigBytes = 0;
  /** Byte offset of the newest `migrate_error`, whose text comes as a message of its own. */
  #migrationErrorAt = -1;

  constructor(machine: Machine, pending: PendingUnmaps, walks: PageWalks) {
    this.#machine = machine;
    this.#pending = pending;
    this.#walks = walks;
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
        // QEMU prints it once: the same message again is another machine's.
        return unmap?.message.pointer === '' && unmap.first === cursor.page(at.unmap.iova);
      case 'message:dma-map-failed':
        return map.active && map.first === cursor.page(at.map.iova);
      case 'message:other':
        return unmap !== null || map.active;
      default:
        return false;
    }
  }

  /** "UNMAP: Size of bitmap too big": the unmap before it fails with -7, before any ioctl. */
  bitmapTooBig(cursor: BatchCursor): void {
    this.seen(cursor);
    const bytes = Number(cursor.u64(at.tooBig.bytes));
    this.#tooBigBytes = bytes;
    const unmap = this.#pending.newest;
    const { parameters } = this.#machine;
    if (unmap === null || unmap.message.isSeen) return;
    const pages = unmap.last - unmap.first + 1;
    if (!parameters.canNeed(pages, bytes)) {
      this.#machine.losses.report('unmap-of-too-big', cursor, unmap.space.value);
      return;
    }
    const size = addressOfPage(pages);
    parameters.pageSizeOfBitmap(size, BigInt(bytes), 'Size of bitmap too big', cursor.line);
    parameters.refused(bytes, cursor.line);
    unmap.message.bitmapBytes = bytes;
    this.#observe(unmap, E2BIG);
  }

  /**
   * A message of QEMU is in the trace, so that others would be; not where an event repeats it that
   * ends a migration, as QEMU prints its messages elsewhere than its events.
   */
  seen(cursor: BatchCursor): void {
    if (cursor.byteOffset !== this.#migrationErrorAt) this.#machine.seen.sawMessage();
  }

  /** `migrate_error`: what made the migration fail, long after it happened. */
  migrationError(cursor: BatchCursor): void {
    this.#migrationErrorAt = cursor.byteOffset;
  }

  /** "...dma_unmap(container, iova, size) = errno". */
  unmapFailed(cursor: BatchCursor): void {
    const first = cursor.page(at.unmap.iova);
    const last = first + cursor.page(at.unmap.size) - 1;
    const unmap = this.#pending.newest;
    const isOfNewest = unmap !== null && unmap.first === first && unmap.last === last;
    const isLate = cursor.byteOffset === this.#migrationErrorAt;
    if (isLate && !isOfNewest && this.#machine.hasNotifications) {
      this.#failureRepeatedLate(cursor);
      return;
    }
    this.seen(cursor);
    this.#learnEra(cursor.u32(at.unmap.era));
    const errno = cursor.i32(at.unmap.errno);
    const pointer = cursor.hex(at.unmap.container);
    if (isOfNewest) {
      this.#observe(unmap, errno);
      unmap.message.pointer = pointer;
    } else if (last >= first && !this.#recent.includes(`${first}-${last}`)) {
      this.#failureAlone(cursor, first, last, errno);
    }
    this.#tooBigBytes = 0;
  }

  /** "...dma_map(container, iova, size, vaddr) = errno". */
  mapFailed(cursor: BatchCursor): void {
    this.seen(cursor);
    this.#learnEra(cursor.u32(at.map.era));
    const first = cursor.page(at.map.iova);
    const last = first + cursor.page(at.map.size) - 1;
    const errno = cursor.i32(at.map.errno);
    const pointer = cursor.hex(at.map.container);
    const { map } = this.#walks;
    if (map.active && map.first === first && map.last === last) {
      if (map.container !== null && map.isSure) map.container.pointer = pointer;
      map.active = false;
      this.#walks.reportFailure(errno, true);
      return;
    }
    // Of a RAM section, or without its notification.
    const container = this.#machine.containers.ofPointer(pointer);
    if (container?.holdsExactly(first, last) === true) {
      this.#machine.mappings.hostForget(container, first, last);
    }
    const tracked = this.#machine.trackedIn(container);
    const mark = placeOf(cursor);
    const { attribution } = this.#machine;
    const only = attribution.isSingleDeviceSure ? attribution.singleDevice : null;
    const space = this.#machine.containers.deviceAt(pointer) ?? only;
    this.#machine.report({
      kind: 'failed-map',
      mark,
      space,
      container,
      first,
      last,
      errno,
      observed: true,
      tracked,
    });
  }

  /** Any other message that a rule knows. */
  other(cursor: BatchCursor): void {
    this.seen(cursor);
    const topic = messageTopics[cursor.u32(at.other.topic)] ?? 'backend';
    if (topic === 'dmabuf-fallback') {
      this.#machine.version.learn(lineMarks.dmabufWarning);
      return;
    }
    const text = cursor.text(at.other.text);
    const unmap = this.#pending.newest;
    const errno = unmap === null ? 0 : errnoShown(topic, text, unmap);
    if (unmap !== null && errno !== 0) {
      // QEMU's own line with the range follows, or went elsewhere.
      this.#observe(unmap, errno);
      return;
    }
    const { map } = this.#walks;
    if (topic === 'map-dropped') map.active = false;
    const tracked = this.#machine.trackedIn(unmap?.container.value ?? null);
    this.#machine.report({ kind: 'message', mark: placeOf(cursor), topic, text, tracked });
  }

  #observe(unmap: Unmap, errno: number): void {
    if (unmap.message.isSeen && unmap.asTraced.errno === errno) return;
    this.#pending.observe(unmap, errno);
    this.#recent.push(`${unmap.first}-${unmap.last}`);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
  }

  /** The unmap itself has been reported, by its own line; one that nobody foresaw is news. */
  #failureRepeatedLate(cursor: BatchCursor): void {
    this.#learnEra(cursor.u32(at.unmap.era));
    const first = cursor.page(at.unmap.iova);
    const last = first + cursor.page(at.unmap.size) - 1;
    const errno = cursor.i32(at.unmap.errno);
    if (this.#pending.hasFailed(first, last, errno)) return;
    const range = `0x${cursor.hex(at.unmap.iova).slice(2)}, ${cursor.hex(at.unmap.size)}`;
    const text = `unmap(${range}) = ${errno} (${cursor.text(at.unmap.text)})`;
    const mark = placeOf(cursor);
    this.#machine.report({ kind: 'message', mark, topic: 'unmap-told-late', text, tracked: true });
  }

  /** The text alone proves the unmap, and that it failed. */
  #failureAlone(cursor: BatchCursor, first: number, last: number, errno: number): void {
    this.#pending.commitSingle();
    const { attribution, hasNotifications } = this.#machine;
    const owner = this.#machine.containers.deviceAt(cursor.hex(at.unmap.container));
    const space = owner ?? attribution.singleDevice;
    if (hasNotifications) {
      this.#machine.losses.report('unmap-of-failure', cursor, space);
    }
    const unmap = this.#alone;
    unmap.start(cursor, first, last);
    this.#pending.place(unmap, space, owner !== null || attribution.isSingleDeviceSure);
    unmap.carried = UNKNOWN_ADDRESS;
    const nodes = space === null ? null : space.shadow.overlapping(first, last);
    this.#pending.evaluate(unmap, nodes);
    unmap.message.bitmapBytes = this.#tooBigBytes;
    this.#observe(unmap, errno);
    unmap.asTraced.query = errno === E2BIG ? 'bitmap' : null;
    this.#pending.report(unmap);
  }

  #learnEra(era: number): void {
    if (era === messageEra.old) this.#machine.version.learn(lineMarks.oldMessage);
    else if (era === messageEra.current) this.#machine.version.learn(lineMarks.newMessage);
  }
}

/** What an unmap returned, by the message about the ioctl in it that failed; 0 where it is about none. */
function errnoShown(topic: MessageTopic, text: string, unmap: Unmap): number {
  if (topic === 'unmap-ioctl') {
    // With a bitmap the function returns the ioctl's -1, and not the errno.
    if (text.includes('DIRTY_BITMAP')) return EPERM;
    return text.includes('Invalid argument') ? EINVAL : 0;
  }
  const isQuery = topic === 'dirty-query' && text.includes('IOMMU_HWPT_GET_DIRTY_BITMAP');
  const isOfIt = text.includes(`iova: ${hexOfPages(unmap.first)} `);
  return isQuery && isOfIt && text.includes('Invalid argument') ? EINVAL : 0;
}

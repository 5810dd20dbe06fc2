import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { type MessageTopic, messageEra, messageTopics } from '../events/catalogue/notes.ts';
import type { BatchWriter } from '../events/writer.ts';

const PATTERNS: readonly (readonly [MessageTopic, RegExp])[] = [
  ['unmap-ioctl', /\bVFIO_UNMAP_DMA (?:with DIRTY_BITMAP|failed)\b/],
  ['bitmap-allocation', /\bFailed to allocate dirty tracking bitmap\b/],
  [
    'dirty-query',
    /\bIOMMU_HWPT_GET_DIRTY_BITMAP \(iova|\bFailed to get dirty bitmap for iova\b|\bvfio_iommu_map_dirty_notify\(|\bFailed to get DMA logging report\b/,
  ],
  [
    'tracking-start',
    /\bCould not start dirty page tracking\b|\bFailed to set dirty tracking flag 0x[12]\b/,
  ],
  ['tracking-stop', /\bCould not stop dirty page tracking\b|\bFailed to set dirty tracking flag\b/],
  [
    'map-dropped',
    /\biommu has granularity incompatible with target AS\b|\biommu map to non memory area\b|\biommu map to discarded memory\b/,
  ],
  ['wrong-address-space', /\bWrong target AS\b/],
  ['blocker-viommu', /\bMigration is currently not supported with vIOMMU enabled\b/],
  ['blocker-tracking', /\bVFIO device doesn't support device and IOMMU dirty tracking\b/],
  ['blocker-memory', /\bMigration is currently not supported with large memory VM\b/],
  ['dmabuf-fallback', /\bVFIO dma-buf not supported in kernel\b/],
  [
    'migration-failed',
    /\bmigration (?:has been )?(?:failed|blocked)\b|\bUnable to (?:start|complete) migration\b/i,
  ],
];
/** A function or ioctl of the backend, or just its name, and behind it the word of a failure. */
const BACKEND = [
  [/\b(?:vfio_\w*|iommufd_\w*|VFIO_\w+|IOMMU_\w+)\b/i, /failed|= -\d|error/i],
  [/\bvfio\b/i, /\b(?:failed|error)\b/i],
  // The functions that an event passes on its way from the emulated IOMMU to VFIO.
  [/\b(?:vtd_\w+|memory_region_notify_iommu\w*)/, /\bAssertion\b/],
] as const;

const TOO_BIG = /\bSize of bitmap too big 0x([0-9a-f]{1,16})\b/i;
const DMA_UNMAP =
  /\b(vfio_(?:container_)?dma_unmap)\((0x[0-9a-f]{1,16}|\(nil\)), 0x([0-9a-f]{1,16}), 0x([0-9a-f]{1,16})\) = (-?\d{1,9})(?: \(([^)]*)\))?/i;
const DMA_MAP =
  /\b(vfio_(?:container_)?dma_map)\((0x[0-9a-f]{1,16}|\(nil\)), 0x([0-9a-f]{1,16}), 0x([0-9a-f]{1,16}), [^)]*\)? = (-?\d{1,9})(?: \(([^)]*)\))?/i;
/** Anything QEMU prints through its error functions has its program's name before it. */
const FROM_QEMU = /(?:^|[\s/])(?:qemu-[\w-]+|qemu|kvm): /;
/** Topics whose words a guest's console may hold as well. */
const VAGUE: ReadonlySet<MessageTopic> = new Set(['migration-failed']);
/** Cheap test for lines worth the patterns above. */
const WORTH_A_LOOK = /bitmap|dma_|DMA|dirty|AS\b|migration|Migration|iommu|IOMMU|vfio|VFIO/;

const tooBig = { kind: kindOf('message:bitmap-too-big'), at: offsetsOf('message:bitmap-too-big') };
const unmapFailed = {
  kind: kindOf('message:dma-unmap-failed'),
  at: offsetsOf('message:dma-unmap-failed'),
};
const mapFailed = {
  kind: kindOf('message:dma-map-failed'),
  at: offsetsOf('message:dma-map-failed'),
};
const other = { kind: kindOf('message:other'), at: offsetsOf('message:other') };
const unknown = kindOf('message:unknown');

/** Where and when a message stands, for `BatchWriter.commit`. */
export interface MessagePlace {
  readonly byteOffset: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly thread: number;
}

function writeU64(writer: BatchWriter, at: number, digits: string): void {
  const value = BigInt(`0x${digits}`);
  writer.words[at] = Number((value >> 32n) & 0xffff_ffffn);
  writer.words[at + 1] = Number(value & 0xffff_ffffn);
}

function writeFailure(
  writer: BatchWriter,
  event: typeof unmapFailed,
  [, fn = '', container = '', iova = '', size = '', errno = '0', text = '']: RegExpExecArray,
): void {
  const base = writer.begin(event.kind);
  writeU64(
    writer,
    base + event.at.container,
    container.startsWith('0x') ? container.slice(2) : '0',
  );
  writeU64(writer, base + event.at.iova, iova);
  writeU64(writer, base + event.at.size, size);
  writer.words[base + event.at.errno] = Number(errno);
  writer.words[base + event.at.era] = fn.includes('container')
    ? messageEra.current
    : messageEra.old;
  writer.addLatin1(base + event.at.text, text);
}

/**
 * Writes the event that a line of QEMU's own messages stands for. False where the text is none:
 * nothing is written then. `trusted`: the text is known to be QEMU's, as in `migrate_error`;
 * otherwise a line without QEMU's program name counts only if its words leave no doubt.
 */
export function writeMessage(
  text: string,
  writer: BatchWriter,
  place: MessagePlace,
  trusted = false,
): boolean {
  if (!writeRecord(text, writer, trusted)) return false;
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
  return true;
}

function writeRecord(text: string, writer: BatchWriter, trusted: boolean): boolean {
  const fromQemu = FROM_QEMU.test(text);
  if (!WORTH_A_LOOK.test(text)) {
    if (fromQemu) writer.begin(unknown);
    return fromQemu;
  }
  const big = TOO_BIG.exec(text);
  if (big !== null) {
    const base = writer.begin(tooBig.kind);
    writeU64(writer, base + tooBig.at.bytes, big[1] ?? '0');
    return true;
  }
  const unmap = DMA_UNMAP.exec(text);
  if (unmap !== null) {
    writeFailure(writer, unmapFailed, unmap);
    return true;
  }
  const map = DMA_MAP.exec(text);
  if (map !== null) {
    writeFailure(writer, mapFailed, map);
    return true;
  }
  const topic = topicOf(text, trusted || fromQemu);
  if (topic !== undefined) {
    const base = writer.begin(other.kind);
    writer.words[base + other.at.topic] = messageTopics.indexOf(topic);
    writer.addLatin1(base + other.at.text, text.trim().slice(0, 400));
    return true;
  }
  if (fromQemu) writer.begin(unknown);
  return fromQemu;
}

function topicOf(text: string, isOfQemu: boolean): MessageTopic | undefined {
  for (const [topic, pattern] of PATTERNS) {
    if ((isOfQemu || !VAGUE.has(topic)) && pattern.test(text)) return topic;
  }
  return isOfQemu && isOfBackend(text) ? 'backend' : undefined;
}

/** Two searches for each pair: one pattern with anything in between would look at every start. */
function isOfBackend(text: string): boolean {
  return BACKEND.some(([name, failure]) => {
    const found = name.exec(text);
    return found !== null && failure.test(text.slice(found.index + found[0].length));
  });
}

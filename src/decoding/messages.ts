import type { ArgumentType } from '../events/catalogue/declaration.ts';
import { catalogue, type EventName, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { type MessageTopic, messageEra, messageTopics } from '../events/catalogue/notes.ts';
import type { BatchWriter } from '../events/writer.ts';
import { type LinePlace, writeU64 } from './notes.ts';

/*
 * The texts by which QEMU itself reports failures, on stderr or inside `migrate_error`.
 *
 * Facts from QEMU 7.2, 10.0, 10.2 and 11.1; the numbers in them are lower-case hexadecimal with
 * `0x`, errnos decimal.
 */

/** A text of QEMU's, and the note that it becomes in a batch. */
interface Message {
  readonly note: Extract<EventName, `message:${string}`>;
  /** Of a `message:other`: what it is about. */
  readonly topic?: MessageTopic;
  /**
   * Its words, which have to be linear in time: no two unbounded repetitions that can meet. Named
   * groups are arguments of the note: of 64 bits in hexadecimal, of 32 in decimal.
   */
  readonly pattern: RegExp;
  /** What has to stand behind those words, with anything in between. */
  readonly followedBy?: RegExp;
  /** Arguments that are not printed. */
  readonly sets?: Readonly<Record<string, number>>;
  /** A guest's console may hold such words, too: they count only where the text is known to be QEMU's. */
  readonly vague?: true;
}

/** `vfio_dma_unmap(container, iova, size) = errno (text)`; `behind`: what stands behind the size. */
function failure(fn: string, behind: string): RegExp {
  return new RegExp(
    String.raw`\b${fn}\((?<container>0x[0-9a-f]{1,16}|\(nil\)), 0x(?<iova>[0-9a-f]{1,16}), 0x(?<size>[0-9a-f]{1,16})${behind} = (?<errno>-?\d{1,9})(?: \((?<text>[^)]*)\))?`,
    'i',
  );
}

/** The name of the failing function shows the version of QEMU. */
const OLD = { era: messageEra.old };
const CURRENT = { era: messageEra.current };

const other = (
  topic: MessageTopic,
  pattern: RegExp,
  more: Pick<Message, 'followedBy' | 'vague'> = {},
): Message => ({ note: 'message:other', topic, pattern, ...more });

/** All messages that a rule knows, in the order in which they are tried: the first one counts. */
const MESSAGES: readonly Message[] = [
  {
    note: 'message:bitmap-too-big',
    pattern: /\bSize of bitmap too big 0x(?<bytes>[0-9a-f]{1,16})\b/i,
  },
  {
    note: 'message:dma-unmap-failed',
    pattern: failure('vfio_dma_unmap', String.raw`\)`),
    sets: OLD,
  },
  {
    note: 'message:dma-unmap-failed',
    pattern: failure('vfio_container_dma_unmap', String.raw`\)`),
    sets: CURRENT,
  },
  {
    note: 'message:dma-map-failed',
    pattern: failure('vfio_dma_map', String.raw`, [^)]{0,64}\)?`),
    sets: OLD,
  },
  {
    note: 'message:dma-map-failed',
    pattern: failure('vfio_container_dma_map', String.raw`, [^)]{0,64}\)?`),
    sets: CURRENT,
  },
  other('unmap-ioctl', /\bVFIO_UNMAP_DMA (?:with DIRTY_BITMAP|failed)\b/),
  other('bitmap-allocation', /\bFailed to allocate dirty tracking bitmap\b/),
  other(
    'dirty-query',
    /\bIOMMU_HWPT_GET_DIRTY_BITMAP \(iova|\bFailed to get dirty bitmap for iova\b|\bvfio_iommu_map_dirty_notify\(|\bFailed to get DMA logging report\b/,
  ),
  other(
    'tracking-start',
    /\bCould not start dirty page tracking\b|\bFailed to set dirty tracking flag 0x[12]\b/,
  ),
  other(
    'tracking-stop',
    /\bCould not stop dirty page tracking\b|\bFailed to set dirty tracking flag\b/,
  ),
  other(
    'map-dropped',
    /\biommu has granularity incompatible with target AS\b|\biommu map to non memory area\b|\biommu map to discarded memory\b/,
  ),
  other('wrong-address-space', /\bWrong target AS\b/),
  other('blocker-viommu', /\bMigration is currently not supported with vIOMMU enabled\b/),
  other('blocker-tracking', /\bVFIO device doesn't support device and IOMMU dirty tracking\b/),
  other('blocker-memory', /\bMigration is currently not supported with large memory VM\b/),
  other('dmabuf-fallback', /\bVFIO dma-buf not supported in kernel\b/),
  other(
    'migration-failed',
    /\bmigration (?:has been )?(?:failed|blocked)\b|\bUnable to (?:start|complete) migration\b/i,
    { vague: true },
  ),
  // A function or ioctl of the backend, or just its name, and behind it the word of a failure.
  other('backend', /\b(?:vfio_\w*|iommufd_\w*|VFIO_\w+|IOMMU_\w+)\b/i, {
    followedBy: /failed|= -\d|error/i,
    vague: true,
  }),
  other('backend', /\bvfio\b/i, { followedBy: /\b(?:failed|error)\b/i, vague: true }),
  // The functions that an event passes on its way from the emulated IOMMU to VFIO.
  other('backend', /\b(?:vtd_\w+|memory_region_notify_iommu\w*)/, {
    followedBy: /\bAssertion\b/,
    vague: true,
  }),
];

/** Anything QEMU prints through its error functions has its program's name before it. */
const FROM_QEMU = /(?:^|[\s/])(?:qemu-[\w-]+|qemu|kvm): /;
/** Cheap test for lines worth the patterns above: each of them holds one of these. */
const WORTH_A_LOOK = /bitmap|dma_|DMA|dirty|AS\b|migration|Migration|iommu|IOMMU|vfio|VFIO/;

const UNKNOWN = kindOf('message:unknown');
/** Characters of a message that are kept. */
const TEXT_LENGTH = 400;

/** Where an argument of a note is written, by its name. */
interface Target {
  readonly name: string;
  readonly at: number;
  readonly type: ArgumentType;
}

/** A message with what is looked up once. */
interface Entry extends Message {
  readonly kind: number;
  readonly targets: readonly Target[];
}

const ENTRIES: readonly Entry[] = MESSAGES.map((message) => {
  const args: Readonly<Record<string, ArgumentType>> = catalogue[message.note].args;
  const offsets: Readonly<Record<string, number>> = offsetsOf(message.note);
  const targets = Object.entries(args).map(([name, type]) => ({
    name,
    type,
    at: offsets[name] ?? 0,
  }));
  return { ...message, kind: kindOf(message.note), targets };
});

/**
 * Writes the note that a line of QEMU's own messages stands for. False where the text is none:
 * nothing is written then. `trusted`: the text is known to be QEMU's, as in `migrate_error`;
 * otherwise a line without QEMU's program name counts only if its words leave no doubt.
 */
export function writeMessage(
  text: string,
  writer: BatchWriter,
  place: LinePlace,
  trusted = false,
): boolean {
  if (!writeRecord(text, writer, trusted)) return false;
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
  return true;
}

function writeRecord(text: string, writer: BatchWriter, trusted: boolean): boolean {
  const isFromQemu = FROM_QEMU.test(text);
  if (WORTH_A_LOOK.test(text)) {
    for (const entry of ENTRIES) {
      if (entry.vague === true && !trusted && !isFromQemu) continue;
      const found = entry.pattern.exec(text);
      if (found === null || !isFollowed(entry, found, text)) continue;
      writeNote(entry, found.groups ?? {}, text, writer);
      return true;
    }
  }
  if (isFromQemu) writer.begin(UNKNOWN);
  return isFromQemu;
}

/** A second search: one pattern with anything in between would look at every start. */
function isFollowed({ followedBy }: Message, found: RegExpExecArray, text: string): boolean {
  return followedBy === undefined || followedBy.test(text.slice(found.index + found[0].length));
}

function writeNote(
  { kind, topic, targets, sets = {} }: Entry,
  groups: Readonly<Record<string, string | undefined>>,
  text: string,
  writer: BatchWriter,
): void {
  const base = writer.begin(kind);
  for (const { name, at, type } of targets) {
    const group = groups[name];
    if (topic !== undefined && name === 'topic') {
      writer.words[base + at] = messageTopics.indexOf(topic);
    } else if (topic !== undefined && name === 'text') {
      writer.addLatin1(base + at, text.trim().slice(0, TEXT_LENGTH));
    } else if (type === 'text') writer.addLatin1(base + at, group ?? '');
    else if (type === 'u64') writeU64(writer, base + at, bigintOf(group));
    else writer.words[base + at] = sets[name] ?? Number(group ?? 0);
  }
}

/** Of hexadecimal digits with or without `0x`; no number, such as `(nil)`, is zero. */
function bigintOf(digits = ''): bigint {
  const [, hex = '0'] = /^(?:0x)?([0-9a-f]+)$/i.exec(digits) ?? [];
  return BigInt(`0x${hex}`);
}

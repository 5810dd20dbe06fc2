import { once } from '../base/once.ts';
import { NO_TIME } from '../base/place.ts';
import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { messageFlag } from '../events/catalogue/notes.ts';
import { type MessageText, messageEra, messageTexts } from '../events/messages/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import { type Time, timeOfIso } from './iso-time.ts';
import { beginLoss, DETAIL_LENGTH, type LinePlace, writeU64 } from './notes.ts';
import { PatternFilter } from './pattern-filter.ts';
import { ISO_TIME } from './patterns.ts';

/*
 * Reads what QEMU, libvirt and the kernel say of failures, as opposed to trace events: on stderr,
 * inside `migrate_error`, behind a monitor's `Status: failed (`, in a mail. What the texts are stands
 * in events/messages; here is how a line is looked through for them.
 */

/** Where a mail was wrapped the size stands on the next line, and the words are proof enough. */
const TOO_BIG = /\bSize of bitmap too big(?: 0x([0-9a-f]{1,16})\b|\s*$)/i;
/**
 * The failing call with its range. Those who quote it drop blanks, or print `=` as `=3D`; the number
 * counts, as the words behind it may be of another errno (7.2) or in any language. Not vhost-vdpa's.
 */
const CALL =
  /\bvfio_(container_)?dma_(un)?map ?\((0x[0-9a-f]{1,16}|\(nil\)), ?0x([0-9a-f]{1,16}), ?0x([0-9a-f]{1,16})(?:, ?(?:0x[0-9a-f]{1,16}|\(nil\)))?\)? ?=(?:3D)? ?(-?\d{1,9})(?: ?\(([^)]*)\))?/i;
/** The same, broken off where a mail was wrapped. */
const BROKEN_CALL =
  /\bvfio_(?:container_)?dma_(?:un)?map ?\((?:0x[0-9a-f]{0,16})?(?:, ?(?:0x[0-9a-f]{0,16})?){0,3}\)?=?$/i;
/** The end of the name, where that was broken or is cut off. */
const NAME_ENDS = [...'vfio_container_dma_unmap']
  .map((_, index, name) => name.slice(index).join(''))
  .join('|');
/** Its other half, which may begin inside the name or inside the first number. Only an unmap returns -7. */
const REST_OF_UNMAP = new RegExp(
  String.raw`^\W*(?:(?:${NAME_ENDS})?\(0x[0-9a-f]{1,16}, ?|[0-9a-f]{1,16}, ?)?0x([0-9a-f]{1,16}), ?0x([0-9a-f]{1,16})\) ?=(?:3D)? ?(-7)(?: ?\(([^)]*)\))?`,
  'i',
);
/** The same of any call: which one it is, the line before tells. */
const REST_OF_CALL =
  /^\W*((?:[0-9a-f]{1,16}, ?)?(?:0x[0-9a-f]{1,16}, ?){0,2}(?:0x)?[0-9a-f]{1,16})\) ?=(?:3D)? ?(-\d{1,3})(?: ?\(([^)]*)\))?/i;
/** A region that a MAP was of, as QEMU names it when a device is attached. */
const REGION = /\bRegion (\S{1,64}): vfio_/;
const WARNING = /\bwarning: |\blevel=warn|PCI p2p may not work/;
/** QEMU, libvirt, or what passes their words on; others may use some of these words, too. */
const KNOWN_SPEAKER =
  /(?:^|[\s/"'`])(?:qemu-[\w.-]+|qemu|kvm|libvirtd?|virtqemud)(?:\[\d{1,10}\])?: |\bvfio(?: error:)? [0-9a-f]{4}:|\bvfio-pci\b|\bQMP command failed\b|\blibvirt\.?(?:libvirt)?Error\b|\bnova\.\S+|\bkernel: |^\[ *\d+\.\d+\] |"(?:error-)?desc"|^\W*(?:[Ee]rror|TASK ERROR|ERROR): |\b(?:[Mm]igration s|S)tatus:\s*failed \(/;
/** QEMU's own lines, which are proof that its messages are in this trace. */
const FROM_QEMU = /(?:^|[\s/])(?:qemu-[\w.-]+|qemu|kvm): /;
/** Hosts with pages of other sizes than 4 KiB. */
const NOT_X86 = /\bqemu-system-(?:aarch64|arm|ppc64|ppc|riscv64|s390x|loongarch64)\b/;
/** Source code that would print a message, as patches and backtraces quote it. */
const SOURCE_CODE =
  /\b(?:error_(?:append_hint|prepend|printf|report|setg)|hw_error|info_report|warn_report)\w{0,16} ?\(/;
/** A field of a line that passes QEMU's words on. */
const IN_LOGFMT = /\bmsg=\\?"/;
const IN_JSON = /"(?:msg|log|message|MESSAGE|details)": ?\\?"/;
/** When QEMU wrote what others quote, or its shim took it; of a line of a log the stamp is gone already. */
const QUOTED_TIME = new RegExp(
  String.raw`(?:^time="|: )${ISO_TIME}(?:"| (?=(?:\S{0,64}/)?(?:qemu-[\w.-]{1,64}|qemu|kvm): ))`,
);
/** What tells once more what was said when it happened. */
const RETOLD =
  /\b(?:[Mm]igration s|S)tatus:\s*failed \(|["']error-desc["']|\boperation failed: job '|\berror: internal error\b|\blibvirtError: |\bMessage from the (?:source|destination) host\b/;
/** Every text has one of these words: the patterns are tried only where there is one. */
const WORTH_A_LOOK =
  /bitmap|dma_|DMA|[Dd]irty|AS\b|[Mm]igrat|[Ii]ommu|IOMMU|vfio|VFIO|vtd_|[Dd]evice|[Gg]roup|mask|fault|iova|ssert|error|failed|aw-bits|crashed|peer-to-peer|kvm|KVM|memory|state|window|MEMLOCK|not viable|load|[Ss]witchover|caching-mode|cache_mode|unaligned|Host|host|reset|notifi|guest|model|job|Multifd|tag|EOS|flag|DATA|hostdev|AMD-Vi|NotLiveMigratable|VT-d|monitor|locked|FLR|pinned|pages|conflicting|\.[ch]:\d|core|segment|abnormal|traps: |Speicherzugriff|\xe9\x94\x99\xe8\xaf\xaf|=(?:3D)? ?-\d/;

/** The system's words for an errno, by glibc and musl, in English; of other languages the number counts. */
const ERRNO_BY_WORDS: Readonly<Record<string, number>> = {
  'Operation not permitted': -1,
  'No such file or directory': -2,
  'Input/output error': -5,
  'I/O error': -5,
  'No such device or address': -6,
  'Argument list too long': -7,
  'Resource temporarily unavailable': -11,
  'Cannot allocate memory': -12,
  'Out of memory': -12,
  'Permission denied': -13,
  'Bad address': -14,
  'Device or resource busy': -16,
  'Resource busy': -16,
  'File exists': -17,
  'No such device': -19,
  'Invalid argument': -22,
  'Inappropriate ioctl for device': -25,
  'No space left on device': -28,
  'Operation not supported': -95,
  'Not supported': -95,
  'Address already in use': -98,
  'Address in use': -98,
  'Connection timed out': -110,
};

/** Bytes of a line that are looked at: no message of QEMU is longer, but for quoted command lines. */
const LONGEST = 4096;
/** Characters of a message that are kept. */
const KEPT = 400;
/** Characters of a line of QEMU's that no text is known for. */
const KEPT_UNKNOWN = 160;

const tooBig = { kind: kindOf('message:bitmap-too-big'), at: offsetsOf('message:bitmap-too-big') };
const unmapFailed = {
  kind: kindOf('message:dma-unmap-failed'),
  at: offsetsOf('message:dma-unmap-failed'),
};
const mapFailed = {
  kind: kindOf('message:dma-map-failed'),
  at: offsetsOf('message:dma-map-failed'),
};
const known = { kind: kindOf('message:known'), at: offsetsOf('message:known') };
const callRest = { kind: kindOf('message:call-rest'), at: offsetsOf('message:call-rest') };
const unknown = { kind: kindOf('message:unknown'), at: offsetsOf('message:unknown') };

/**
 * Writes the event that a line of QEMU's own messages stands for. False where the text is none:
 * nothing is written then. `trusted`: the text is known to be QEMU's, as in `migrate_error`;
 * otherwise a line without a known speaker counts only if its words leave no doubt.
 */
export function writeMessage(
  text: string,
  writer: BatchWriter,
  place: LinePlace,
  trusted = false,
): boolean {
  const line = withoutTypography(text.slice(0, LONGEST));
  const quoted = QUOTED_TIME.exec(line);
  const { seconds, nanoseconds } = quoted === null ? place : quotedTime(quoted, place);
  const isQemusTime = quoted !== null || place.isQemusTime === true;
  if (!writeRecord(line, writer, trusted, isQemusTime ? messageFlag.qemusTime : 0)) return false;
  writer.commit(place.byteOffset, seconds, nanoseconds, place.thread);
  return true;
}

/** What browsers and word processors put in the place of blanks and of a minus, as the bytes of UTF-8. */
const NO_BREAK_SPACE = /\xc2\xa0/g;
const DASH = /\xe2(?:\x88\x92|\x80[\x90-\x93])(?=\d)/g;

function withoutTypography(text: string): string {
  if (!/[\xc2\xe2]/.test(text)) return text;
  return text.replace(NO_BREAK_SPACE, ' ').replace(DASH, '-');
}

/** A time further inside is closer to the truth, if it is one. */
function quotedTime([, time = '', fraction = '', zone = '']: RegExpExecArray, place: Time): Time {
  const inside = timeOfIso(time, fraction, zone);
  return inside.nanoseconds === NO_TIME ? place : inside;
}

/** A text that none of them matches, and that is not known to be QEMU's, is no message. */
export const messagePatterns: readonly RegExp[] = [
  FROM_QEMU,
  TOO_BIG,
  CALL,
  BROKEN_CALL,
  REST_OF_UNMAP,
  REST_OF_CALL,
  ...messageTexts.map(({ pattern }) => pattern),
];

/** Made when it is first needed: most logs have no message. */
const messageFilter = once(() => new PatternFilter(messageTexts.map(({ pattern }) => pattern)));

/** The text that a line is, if it is one of `messageTexts`. */
export function messageTextOf(
  line: string,
  isKnownSpeaker: boolean,
): { readonly about: MessageText; readonly found: RegExpExecArray } | undefined {
  const filter = messageFilter();
  filter.look(line);
  for (let index = filter.next(0); index >= 0; index = filter.next(index + 1)) {
    const about = messageTexts[index] as MessageText;
    if (about.isVague === true && !isKnownSpeaker) continue;
    const found = about.pattern.exec(line);
    if (found !== null) return { about, found };
  }
  return undefined;
}

function writeRecord(text: string, writer: BatchWriter, trusted: boolean, marks: number): boolean {
  const isQemus = FROM_QEMU.test(text);
  if (WORTH_A_LOOK.test(text)) {
    if (SOURCE_CODE.test(text)) return false;
    const flags = flagsOf(text) | marks;
    if (writeRange(text, flags, writer)) return true;
    const read = messageTextOf(text, trusted || isQemus || KNOWN_SPEAKER.test(text));
    if (read !== undefined) {
      writeKnown(text, flags, read.about, read.found, writer);
      return true;
    }
  }
  if (!isQemus) return false;
  const base = writer.begin(unknown.kind);
  writer.addLatin1(base + unknown.at.text, text.trim().slice(0, KEPT_UNKNOWN));
  return true;
}

/** The texts with a range, or with the size of a bitmap. */
function writeRange(text: string, flags: number, writer: BatchWriter): boolean {
  const big = TOO_BIG.exec(text);
  if (big !== null) {
    const base = writer.begin(tooBig.kind);
    writeU64(writer, base + tooBig.at.bytes, numberOf(big[1] ?? '0'));
    writer.words[base + tooBig.at.flags] = flags;
    return true;
  }
  const call = CALL.exec(text);
  if (call !== null) {
    const [, era, un, pointer = '', iova = '', size = '', errno = '0', words = ''] = call;
    const event = un === undefined ? mapFailed : unmapFailed;
    const base = writeCall(writer, event, {
      container: pointer.startsWith('0x') ? pointer.slice(2) : '0',
      range: [iova, size],
      errno,
      era: era === undefined ? messageEra.old : messageEra.current,
      flags,
      words,
    });
    if (event === mapFailed) {
      writer.addLatin1(base + mapFailed.at.region, REGION.exec(text)?.[1] ?? '');
    }
    return true;
  }
  const rest = REST_OF_UNMAP.exec(text);
  if (rest !== null) {
    const [, iova = '', size = '', errno = '0', words = ''] = rest;
    const { unknown: era } = messageEra;
    writeCall(writer, unmapFailed, {
      container: '0',
      range: [iova, size],
      errno,
      era,
      flags: messageFlag.retold,
      words,
    });
    return true;
  }
  const end = REST_OF_CALL.exec(text);
  if (end !== null) {
    const [, numbers = '', errno = '0', words = ''] = end;
    const base = writer.begin(callRest.kind);
    writer.words[base + callRest.at.errno] = Number(errno);
    writer.addLatin1(base + callRest.at.numbers, numbers);
    writer.addLatin1(base + callRest.at.text, words);
    return true;
  }
  if (!BROKEN_CALL.test(text)) return false;
  writer.addLatin1(beginLoss(writer, 'torn'), text.trim().slice(-DETAIL_LENGTH));
  return true;
}

/** What a text says of a failing call; of addresses and sizes the hexadecimal digits. */
interface FailedCall {
  readonly container: string;
  readonly range: readonly [iova: string, size: string];
  readonly errno: string;
  readonly era: number;
  readonly flags: number;
  readonly words: string;
}

/** Begins the record of a failing call; returns where its arguments are. */
function writeCall(
  writer: BatchWriter,
  { kind, at }: typeof unmapFailed | typeof mapFailed,
  { container, range: [iova, size], errno, era, flags, words }: FailedCall,
): number {
  const base = writer.begin(kind);
  writeU64(writer, base + at.container, numberOf(container));
  writeU64(writer, base + at.iova, numberOf(iova));
  writeU64(writer, base + at.size, numberOf(size));
  writer.words[base + at.errno] = Number(errno);
  writer.words[base + at.era] = era;
  writer.words[base + at.flags] = flags;
  writer.addLatin1(base + at.text, words);
  return base;
}

function writeKnown(
  text: string,
  flags: number,
  about: MessageText,
  { groups = {} }: RegExpExecArray,
  writer: BatchWriter,
): void {
  const { errno, plus, why, iova, limit } = groups;
  const base = writer.begin(known.kind);
  writer.words[base + known.at.about] = messageTexts.indexOf(about);
  writer.words[base + known.at.errno] =
    errno !== undefined
      ? -Math.abs(Number(errno))
      : plus !== undefined
        ? -Number(plus)
        : (about.errno ?? errnoOfWords(why ?? ''));
  writeU64(writer, base + known.at.iova, numberOf((iova ?? '0x0').slice(2)));
  writer.words[base + known.at.limit] = Number(limit ?? 0);
  writer.words[base + known.at.flags] = flags | (iova === undefined ? 0 : messageFlag.hasIova);
  writer.addLatin1(base + known.at.text, text.trim().slice(0, KEPT));
}

/** The errno that the system has these words for; 0 where they are not known. */
function errnoOfWords(why: string): number {
  const words = why.trim();
  const number = /^-?(\d{1,3})\b/.exec(words)?.[1];
  if (number !== undefined) return -Number(number);
  const known = Object.keys(ERRNO_BY_WORDS).find((one) => words.startsWith(one));
  return known === undefined ? 0 : (ERRNO_BY_WORDS[known] as number);
}

function flagsOf(text: string): number {
  return (
    (WARNING.test(text) ? messageFlag.warning : 0) |
    (RETOLD.test(text) ? messageFlag.retold : 0) |
    (NOT_X86.test(text) ? messageFlag.notX86 : 0) |
    (IN_LOGFMT.test(text) ? messageFlag.inLogfmt : 0) |
    (IN_JSON.test(text) ? messageFlag.inJson : 0) |
    (text.startsWith('kernel: ') ? messageFlag.ofKernel : 0) |
    (/\bmemory listener initialization failed\b/.test(text) ? messageFlag.atAttach : 0)
  );
}

/** Of hexadecimal digits. */
function numberOf(digits: string): bigint {
  return BigInt(`0x${digits}`);
}

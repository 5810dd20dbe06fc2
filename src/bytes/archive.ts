import { closeSync, readSync } from 'node:fs';
import { TraceError } from '../base/errors.ts';
import type { Chunks } from './chunks.ts';
import { codecs } from './compression/index.ts';
import { keyOf, statOf } from './file-identity.ts';
import { textOf } from './file-name.ts';
import type { SourceLoss } from './loss.ts';
import { openToRead } from './open-file.ts';
import {
  type OpenSource,
  openRereadable,
  openSource,
  peekSource,
  type SourceOptions,
} from './source.ts';
import { DamagedArchive, entriesOf } from './tar/entries.ts';
import { BLOCK_BYTES, isTar } from './tar/header.ts';
import { type Fate, type Rereadable, readAt } from './trace-file.ts';

/** A file in an archive, to be read from there. Plain data, so that it can cross threads. */
export interface Member {
  readonly archive: string;
  /** The archive as it was when this was found in it. */
  readonly state: string;
  /** The file of the archive that the archive itself is; absent where it is a file of its own. */
  readonly within?: Member;
  /** Where it lies in the archive, decompressed. */
  readonly offset: number;
  readonly bytes: number;
}

/** A member as it is found. */
export interface FoundMember {
  /** `archive!name`. */
  readonly path: string;
  readonly member: Member;
  readonly isSparse: boolean;
  /** Its first bytes: as many as show what it is, compressed or not. */
  readonly head: Uint8Array;
}

/** Bytes of a member that show what it is; compressed, the first 64 KiB are in them. */
export const HEAD_BYTES = 64 * 1024;
export const COMPRESSED_HEAD_BYTES = 1024 * 1024;

/** An archive (tar, plain or compressed) whose members are read where they are; nothing is unpacked. */
export class Archive {
  /** Why not all members are known; null as long as they are. */
  damage: string | null = null;
  /** As it is shown. */
  readonly path: string;
  readonly #source: OpenSource;
  /** Where its first byte lies. */
  readonly #start: Omit<Member, 'bytes'>;

  private constructor(path: string, source: OpenSource, start: Omit<Member, 'bytes'>) {
    this.path = path;
    this.#source = source;
    this.#start = start;
  }

  /**
   * Opens a file as an archive; null where it is none. `shown`: how it is called, where that is another name.
   *
   * @throws TraceError where it cannot be read
   */
  static async open(path: string, options: SourceOptions, shown = path): Promise<Archive | null> {
    if (!mayBeArchive(path)) return null;
    const state = stateOf(path);
    const source = await openSource(path, { ...options, isArchive: true });
    if (isTar(source.head)) return new Archive(shown, source, { archive: path, state, offset: 0 });
    source.close();
    return null;
  }

  /**
   * The same of a member of an archive.
   *
   * @throws TraceError where it cannot be read
   */
  static async openMember(found: FoundMember, options: SourceOptions): Promise<Archive | null> {
    const { head, isSparse, member, path } = found;
    if (isSparse || !(await isArchive(path, head, options))) return null;
    const source = await openMember(path, member, { ...options, isArchive: true });
    const { bytes: _, ...start } = member;
    // What lies in it as it is lies in the archive around it, too.
    if (source.compression === 'none') return new Archive(path, source, start);
    const { archive, state } = member;
    return new Archive(path, source, { archive, state, within: member, offset: 0 });
  }

  /** The members, in their order. Closes the archive. */
  async *members(): AsyncGenerator<FoundMember> {
    const names = new Map<string, number>();
    let end = 0;
    const bytes = counted(this.#source.chunks(), (length) => {
      end += length;
    });
    try {
      for await (const { head, isSparse, name, offset, size } of entriesOf(bytes, headBytes)) {
        const text = textOf(name).text.replace(/^(?:\.\/)+/, '');
        // Of several of one name, the last is what unpacking would leave; all are read.
        const times = (names.get(text) ?? 0) + 1;
        names.set(text, times);
        const member = { ...this.#start, offset: this.#start.offset + offset, bytes: size };
        const path = `${this.path}!${text}${times === 1 ? '' : ` (${times})`}`;
        yield { path, member, isSparse, head };
      }
    } catch (thrown) {
      if (!(thrown instanceof DamagedArchive)) throw thrown;
      this.damage = thrown.message;
    } finally {
      const [loss] = this.#source.finish(end).losses;
      if (loss !== undefined) this.damage = loss.detail;
      this.#source.close();
    }
  }
}

/** Opens a member of an archive like a file of its own. */
export async function openMember(
  path: string,
  member: Member,
  options: SourceOptions,
): Promise<OpenSource> {
  return openRereadable(new MemberBytes(path, member, options), options);
}

/** Whether bytes are an archive, plain or compressed, by the first of them. */
export async function isArchive(
  path: string,
  head: Uint8Array,
  options: SourceOptions = {},
): Promise<boolean> {
  if (isTar(head)) return true;
  const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (!codecs.some(({ isIt }) => isIt(buffer))) return false;
  return isTar((await peekSource(path, head, { ...options, isArchive: true })).head);
}

/** What most files are not is told by their first bytes, before any more is done. */
function mayBeArchive(path: string): boolean {
  const start = Buffer.alloc(BLOCK_BYTES);
  let file: number;
  try {
    file = openToRead(path).number;
  } catch {
    // What cannot be opened is told where it is analysed.
    return false;
  }
  try {
    const head = start.subarray(0, readSync(file, start, 0, BLOCK_BYTES, 0));
    return isTar(head) || codecs.some(({ isIt }) => isIt(head));
  } catch {
    return false;
  } finally {
    closeSync(file);
  }
}

function headBytes(start: Buffer): number {
  return codecs.some(({ isIt }) => isIt(start)) ? COMPRESSED_HEAD_BYTES : HEAD_BYTES;
}

/** What changes when a file does. */
function stateOf(path: string): string {
  const stats = statOf(path);
  return stats === null ? '' : `${keyOf(stats)}:${stats.size}:${stats.mtimeNs}`;
}

async function* counted(chunks: Chunks, add: (length: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    add(chunk.length);
    yield chunk;
  }
}

/** The bytes of a member, read out of its archive each time. */
class MemberBytes implements Rereadable {
  readonly path: string;
  readonly bytes: number;
  readonly ranges = null;
  readonly #member: Member;
  readonly #options: SourceOptions;
  #loss: SourceLoss | null = null;

  constructor(path: string, member: Member, options: SourceOptions) {
    this.path = path;
    this.bytes = member.bytes;
    this.#member = member;
    this.#options = options;
  }

  async *chunks(chunkBytes: number): AsyncGenerator<Uint8Array> {
    const { bytes, offset } = this.#member;
    if (this.fate() !== 'unchanged') {
      throw new TraceError({ path: this.path }, 'the archive is not the one it was found in');
    }
    const source = await this.#openArchive();
    let given = 0;
    try {
      const part =
        source.ranges === null
          ? partOf(source.chunks(), offset, bytes)
          : readParts(source.ranges.file, offset, bytes, chunkBytes);
      for await (const chunk of part) {
        given += chunk.length;
        yield chunk;
      }
      if (given < bytes) this.#loss = source.finish(offset + given).losses[0] ?? null;
    } finally {
      source.close();
    }
  }

  #openArchive(): Promise<OpenSource> {
    const { archive, within } = this.#member;
    const options = { ...this.#options, isArchive: true };
    return within === undefined
      ? openSource(archive, options)
      : openMember(this.path, within, options);
  }

  lossAt(bytes: number): SourceLoss {
    const found = `${bytes} of ${this.bytes} bytes of it are in the archive`;
    const { kind = 'truncated', detail } = this.#loss ?? {};
    return { kind, detail: detail === undefined ? found : `${found}: ${detail}` };
  }

  fate(): Fate {
    return stateOf(this.#member.archive) === this.#member.state ? 'unchanged' : 'rewritten';
  }

  /** Each reader has opened the archive for itself. */
  close(): void {}
}

/** `bytes` of a stream from `offset` on. */
async function* partOf(input: Chunks, offset: number, bytes: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of input) {
    const from = Math.max(0, offset - at);
    const to = Math.min(chunk.length, offset + bytes - at);
    if (from < to) yield chunk.subarray(from, to);
    at += chunk.length;
    if (at >= offset + bytes) return;
  }
}

/** The same of a plain file, by `chunkBytes`. */
function* readParts(
  file: number,
  offset: number,
  bytes: number,
  chunkBytes: number,
): Generator<Uint8Array> {
  for (let at = 0; at < bytes; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, bytes - at));
    const length = readAt(file, buffer, offset + at);
    if (length === 0) return;
    yield buffer.subarray(0, length);
    at += length;
  }
}

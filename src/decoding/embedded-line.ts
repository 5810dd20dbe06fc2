import { LAST_THREAD } from '../events/batch.ts';
import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { lossKinds } from '../events/catalogue/notes.ts';
import type { BatchWriter } from '../events/writer.ts';
import { EventScanner, outcome } from './event-scanner.ts';
import { type MessagePlace, writeMessage } from './messages.ts';
import { ISO_STAMP, THREAD_STAMP } from './stamps.ts';

const LF = Buffer.from('\n');
/** Bytes of a line that are read. */
const LINE_LIMIT = 64 * 1024;
const DETAIL_LENGTH = 120;
const FAMILY = /^(?:vtd|vfio|iommufd|global_dirty|migrate|memory_region|dirtyrate)_\w+ /;
const SUPPRESSED = /\bSuppressed (\d{1,9}) messages\b/;
const STAMP = new RegExp(`^(?:${THREAD_STAMP.source}|${ISO_STAMP.source})`);

const MIGRATE_ERROR = kindOf('migrate_error');
const MIGRATE_FD_ERROR = kindOf('migrate_fd_error');
const loss = { kind: kindOf('trace:loss'), at: offsetsOf('trace:loss') };

/** Reads lines of QEMU that another program has put into lines or objects of its own. */
export class EmbeddedLine {
  readonly #scanner = new EventScanner();

  /**
   * Writes the event or message that the line is; false where it is neither. `place`: where it
   * stands, and what the program around it says of time and thread; the line's own stamp, if it has
   * one, is closer to the truth.
   */
  write(line: Buffer, writer: BatchWriter, place: MessagePlace): boolean {
    const bytes = Buffer.concat([line.subarray(0, LINE_LIMIT), LF]);
    const [stamp = ''] = STAMP.exec(bytes.toString('latin1', 0, 64)) ?? [];
    const stamped = stampedPlace(stamp, place);
    const found = this.#scanner.scan(bytes, stamp.length, writer);
    if (found === outcome.skipped) return true;
    const text = () => bytes.toString('latin1', stamp.length, bytes.length - 1);
    if (found === outcome.event) {
      writer.commit(stamped.byteOffset, stamped.seconds, stamped.nanoseconds, stamped.thread);
      const { kind } = this.#scanner;
      // The error that ends a migration may hold the only word about a failed unmap.
      if (kind === MIGRATE_ERROR || kind === MIGRATE_FD_ERROR) {
        writeMessage(text().slice(text().indexOf('=') + 1), writer, stamped, true);
      }
      return true;
    }
    if (found === outcome.malformed && FAMILY.test(text())) {
      writeLossAt(writer, 'torn', text(), stamped);
      return true;
    }
    const suppressed = SUPPRESSED.exec(text());
    if (suppressed === null) return writeMessage(text(), writer, stamped);
    writeLossAt(writer, 'rate-limited', text(), stamped, Number(suppressed[1]));
    return true;
  }

  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void {
    this.#scanner.takeCounts(writer);
  }
}

function writeLossAt(
  writer: BatchWriter,
  kind: (typeof lossKinds)[number],
  detail: string,
  { byteOffset, seconds, nanoseconds, thread }: MessagePlace,
  count = 1,
): void {
  const base = writer.begin(loss.kind);
  writer.words[base + loss.at.kind] = lossKinds.indexOf(kind);
  writer.words[base + loss.at.count] = 0;
  writer.words[base + loss.at.count + 1] = count;
  writer.addLatin1(base + loss.at.detail, detail.slice(0, DETAIL_LENGTH));
  writer.commit(byteOffset, seconds, nanoseconds, thread);
}

/** The place with the time and thread of QEMU's own stamp. */
function stampedPlace(stamp: string, place: MessagePlace): MessagePlace {
  if (stamp === '') return place;
  const [, thread, seconds, micro] = /^(\d+)@(\d+)\.(\d+):/.exec(stamp) ?? [];
  if (thread !== undefined) {
    const [number, whole] = [Number(thread), Number(seconds)];
    return {
      ...place,
      seconds: whole <= 0xffff_ffff ? whole : place.seconds,
      nanoseconds: whole <= 0xffff_ffff ? Number(micro) * 1000 : place.nanoseconds,
      thread: number <= LAST_THREAD ? number : place.thread,
    };
  }
  const [, toSeconds, fraction = ''] = /^([^.Z]+)(?:\.(\d+))?Z /.exec(stamp) ?? [];
  const seconds1970 = Date.parse(`${toSeconds}Z`) / 1000;
  if (!Number.isFinite(seconds1970) || seconds1970 < 0 || seconds1970 > 0xffff_ffff) return place;
  const nanoseconds = Number((fraction || '0').padEnd(9, '0').slice(0, 9));
  return { ...place, seconds: seconds1970, nanoseconds };
}

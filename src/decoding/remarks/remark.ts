import type { BatchWriter } from '../../events/writer.ts';
import type { LinePlace } from '../notes.ts';

/** What a line says that is not QEMU's: of a boot that begins, of lines that are lost. */
export interface Remark {
  /** A line that none of them matches makes no such remark. */
  readonly patterns: readonly RegExp[];
  /** Writes it; false where the line says nothing of that kind, and nothing is written. `text`: the characters of its bytes. */
  readonly write: (text: string, writer: BatchWriter, place: LinePlace) => boolean;
}

/** Writes the first of some remarks that a line makes; false where it makes none. */
export function writeRemark(
  remarks: readonly Remark[],
  text: string,
  writer: BatchWriter,
  place: LinePlace,
): boolean {
  for (const remark of remarks) if (remark.write(text, writer, place)) return true;
  return false;
}

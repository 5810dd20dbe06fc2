import type { BatchWriter } from '../../events/writer.ts';
import type { LinePlace } from '../notes.ts';

/**
 * Writes what a line says that is not QEMU's: of a boot that begins, of lines that are lost. False
 * where it says nothing of that kind; nothing is written then. `text`: the characters of its bytes.
 */
export type Remark = (text: string, writer: BatchWriter, place: LinePlace) => boolean;

/** Writes the first of some remarks that a line makes; false where it makes none. */
export function writeRemark(
  remarks: readonly Remark[],
  text: string,
  writer: BatchWriter,
  place: LinePlace,
): boolean {
  for (const remark of remarks) if (remark(text, writer, place)) return true;
  return false;
}

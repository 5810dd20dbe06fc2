import { FAMILY, PART_OF_STAMP } from './patterns.ts';
import { tornOf } from './torn-names.ts';

/** A stamp that ends within its date, or within its thread. */
const FRONT_OF_STAMP = String.raw`\d{1,10}$|\d{4}-[\d-]{0,5}$`;
/** An event or the front part of a stamp; or one of QEMU's messages, which may be cut in what it says. */
const FRONT = new RegExp(
  String.raw`^(?:${PART_OF_STAMP}|${FRONT_OF_STAMP}|${FAMILY}|(?:\S{0,256}/)?(?:qemu|kvm)[\w.-]{0,64}(?::(?: |$)|$))`,
);
/** All of a short text, where it is a word: names begin so. */
const WORD = /^[a-z_]+$/;
const PROGRAMS = ['qemu', 'kvm'];

/**
 * Whether the last line of a trace, which has no LF, may be the front part of an event or of a
 * message of QEMU's. Whoever writes lines ends them: the rest is lost, or not written yet. A prompt
 * of a guest's console, which never has an LF, is none of these.
 */
export function mayBeFront(line: string): boolean {
  const text = line.replace(/^\0+/, '');
  if (FRONT.test(text)) return true;
  return (
    WORD.test(text) && (tornOf(text) === 'cut' || PROGRAMS.some((name) => name.startsWith(text)))
  );
}

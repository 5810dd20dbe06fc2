import fc from 'fast-check';
import { bytesOf, captures } from './ground-truth.ts';

/** Of every capture, the first lines that begin with each word, as the characters of their bytes. */
export function sampleLines(most: number): readonly string[] {
  const lines = new Set<string>();
  for (const { log } of captures) {
    const counts = new Map<string, number>();
    for (const line of bytesOf(log).toString('latin1').split('\n')) {
      const [word = ''] = line.replace(/^(?:\d+@[\d.]+:|\S+Z )/, '').split(/[ :]/, 1);
      const count = counts.get(word) ?? 0;
      counts.set(word, count + 1);
      if (count < most && line.length < 1000) lines.add(line);
    }
  }
  return [...lines];
}

const real = sampleLines(3);
/** A real line, as the characters of its bytes. */
export const aLine = fc.constantFrom(...real);
const FRAGMENTS = [
  '\0',
  '\r',
  ' ',
  '\x1b[31m',
  '\xef\xbb\xbf',
  '\xff',
  '1331@1795334254.166216:',
  '2026-11-22T07:51:14.717309Z ',
  'qemu-system-x86_64: ',
  'vtd_',
  '[R +0.1] ',
];

/** One thing that happens to a line, given a place in it between 0 and 1. */
type Change = (line: string, place: number) => string;

const aChange: fc.Arbitrary<Change> = fc.oneof(
  fc.nat(255).map(
    (byte): Change =>
      (line, place) => {
        const at = Math.floor(place * line.length);
        return `${line.slice(0, at)}${String.fromCharCode(byte)}${line.slice(at + 1)}`;
      },
  ),
  fc.nat(6).map(
    (bytes): Change =>
      (line, place) => {
        const at = Math.floor(place * line.length);
        return line.slice(0, at) + line.slice(at + bytes);
      },
  ),
  // Numbers with as many digits as they can have, and with more.
  fc
    .tuple(
      fc.constantFrom('0', '1', '7', 'c', 'F'),
      fc.constantFrom(1, 7, 8, 9, 10, 15, 16, 17, 20),
    )
    .map(
      ([digit, count]): Change =>
        (line, place) => {
          const numbers = [...line.matchAll(/(?<=0x)[0-9a-f]+|\b\d+\b/g)];
          const at = numbers[Math.floor(place * numbers.length)]?.index ?? line.length;
          return line.slice(0, at) + digit.repeat(count) + line.slice(at);
        },
    ),
  fc.constantFrom(...FRAGMENTS).map(
    (fragment): Change =>
      (line, place) => {
        const at = Math.floor(place * (line.length + 1));
        return line.slice(0, at) + fragment + line.slice(at);
      },
  ),
  aLine.map(
    (other): Change =>
      (line, place) =>
        line.slice(0, Math.floor(place * (line.length + 1))) + other,
  ),
  aLine.map(
    (other): Change =>
      (line, place) =>
        line + other.slice(Math.floor(place * other.length)),
  ),
);

/** A real line with up to three changes. */
export const changed = fc
  .tuple(
    aLine,
    fc.array(fc.tuple(aChange, fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 3 }),
  )
  .map(([line, changes]) =>
    changes.reduce((text, [change, place]) => change(text, place), line).replaceAll('\n', ' '),
  );

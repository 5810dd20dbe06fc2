import { type Command, pipeline } from '../base/commands.ts';
import { ForeignError } from '../base/errors.ts';

/** A compression or an archive that is recognised and not read. */
interface Refused extends Command {
  readonly what: string;
  isIt(head: Buffer): boolean;
}

function startsWith(...magic: readonly number[]): (head: Buffer) => boolean {
  return (head) => magic.every((byte, index) => head[index] === byte);
}

const REFUSED: readonly Refused[] = [
  { what: 'zstd-compressed', command: 'zstd -dc', isIt: startsWith(0x28, 0xb5, 0x2f, 0xfd) },
  {
    // A frame that decompressors pass over may come first.
    what: 'zstd-compressed',
    command: 'zstd -dc',
    isIt: (head) => /^[P-_]\*M$/.test(head.toString('latin1', 0, 3)) && head[3] === 0x18,
  },
  { what: 'xz-compressed', command: 'xz -dc', isIt: startsWith(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) },
  {
    what: 'bzip2-compressed',
    command: 'bzip2 -dc',
    isIt: (head) => /^BZh[1-9](?:1AY&SY|.rE8P.)$/.test(head.toString('latin1', 0, 10)),
  },
  { what: 'lz4-compressed', command: 'lz4 -dc', isIt: startsWith(0x04, 0x22, 0x4d, 0x18) },
  {
    what: 'a zip archive',
    command: 'unzip -p',
    filter: 'funzip',
    isIt: startsWith(0x50, 0x4b, 0x03, 0x04),
  },
  {
    what: 'a tar archive',
    command: 'tar -xOf',
    filter: 'tar -xOf -',
    isIt: (head) => head.toString('latin1', 257, 262) === 'ustar',
  },
];

/**
 * Refuses what holds a trace in a way that is not read. `layers`: what has been taken off already.
 *
 * @throws ForeignError with the command that helps
 */
export function refuse(path: string, head: Uint8Array, layers: readonly string[]): void {
  const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
  const found = REFUSED.find(({ isIt }) => isIt(buffer));
  if (found === undefined) return;
  const { what } = found;
  throw new ForeignError(
    { path },
    what,
    `is ${what}, expected plain text or gzip; try: ${pipeline(path, layers.length, found)}`,
  );
}

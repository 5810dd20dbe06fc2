import { type Command, pipeline } from '../base/commands.ts';
import { ForeignError } from '../base/errors.ts';
import { commandsOf } from './compression/index.ts';
import { isTar } from './tar/header.ts';

/** A compression or an archive that is recognised and not read. */
interface Refused extends Command {
  readonly what: string;
  isIt(head: Buffer): boolean;
}

function startsWith(...magic: readonly number[]): (head: Buffer) => boolean {
  return (head) => magic.every((byte, index) => head[index] === byte);
}

const REFUSED: readonly Refused[] = [
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
    isIt: (head) => isTar(head) || head.toString('latin1', 257, 262) === 'ustar',
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
    `is ${what}, expected plain text, or gzip, zstd, xz or bzip2 of it; try: ${pipeline(path, commandsOf(layers), found)}`,
  );
}

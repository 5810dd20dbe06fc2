import type { Codec } from './codec.ts';
import { gzip } from './gzip.ts';

function startsWith(...magic: readonly number[]): (head: Buffer) => boolean {
  return (head) => magic.every((byte, index) => head[index] === byte);
}

const isZstdFrame = startsWith(0x28, 0xb5, 0x2f, 0xfd);
/** A frame that decompressors pass over may come first. */
const isSkippable = (head: Buffer) =>
  /^[P-_]\*M$/.test(head.toString('latin1', 0, 3)) && head[3] === 0x18;

/** All compressions that are taken off. What few traces have is loaded where it is needed. */
export const codecs: readonly Codec[] = [
  gzip,
  {
    name: 'zstd',
    command: 'zstd -dc',
    isIt: (head) => isZstdFrame(head) || isSkippable(head),
    givesDamagedPieces: false,
    open: async () => (await import('./zstd.ts')).openZstd(),
  },
  {
    name: 'xz',
    command: 'xz -dc',
    isIt: startsWith(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0),
    givesDamagedPieces: true,
    open: async () => (await import('./xz.ts')).openXz(),
  },
  {
    name: 'bzip2',
    command: 'bzip2 -dc',
    isIt: (head) => /^BZh[1-9](?:1AY&SY|.rE8P.)$/.test(head.toString('latin1', 0, 10)),
    givesDamagedPieces: true,
    open: async () => new (await import('./bzip2.ts')).Bzip2(),
  },
];

/** The commands that take off the layers of an input, outermost first, as its result names them. */
export function commandsOf(layers: readonly string[]): readonly string[] {
  return layers.flatMap((layer) => codecs.find(({ name }) => name === layer)?.command ?? []);
}

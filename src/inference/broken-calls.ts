import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { BatchCursor } from '../events/cursor.ts';
import { messageEra } from '../events/messages/index.ts';
import { BatchWriter } from '../events/writer.ts';

const unmap = {
  kind: kindOf('message:dma-unmap-failed'),
  at: offsetsOf('message:dma-unmap-failed'),
};
const map = { kind: kindOf('message:dma-map-failed'), at: offsetsOf('message:dma-map-failed') };
const rest = offsetsOf('message:call-rest');

/** The front of a failing call, broken behind one of its numbers or inside one. */
const FRONT =
  /\bvfio_(container_)?dma_(un)?map ?\(((?:0x[0-9a-f]{1,16}, ?)*(?:0x[0-9a-f]{0,16})?)=?$/i;

/** Numbers of an unmap, and of a MAP: the container, the address, the size; and where the memory is. */
const NUMBERS = { unmap: 3, map: 4 } as const;

/** Puts the two halves together of a failing call that a mailer broke over two lines. */
export class BrokenCalls {
  #front = '';
  #line = -1;

  /** What is left of a torn line. */
  torn(text: string, line: number): void {
    this.#front = text;
    this.#line = line;
  }

  /** The whole call, as a message of its own; null where the line before is not its front. */
  joined(cursor: BatchCursor): BatchCursor | null {
    if (cursor.line !== this.#line + 1) return null;
    const [, era, un, front = ''] = FRONT.exec(this.#front) ?? [];
    const numbers = `${front}${cursor.text(rest.numbers)}`.match(/0x[0-9a-f]+/gi) ?? [];
    const call = un === undefined ? map : unmap;
    const expected = un === undefined ? NUMBERS.map : NUMBERS.unmap;
    if (front === '' || numbers.length !== expected) return null;
    const [container = '0', iova = '0', size = '0'] = numbers;
    const writer = new BatchWriter();
    writer.line = 0;
    const base = writer.begin(call.kind);
    const write = (at: number, digits: string) => {
      const value = BigInt(digits);
      writer.words[base + at] = Number(value >> 32n);
      writer.words[base + at + 1] = Number(value & 0xffff_ffffn);
    };
    write(call.at.container, container);
    write(call.at.iova, iova);
    write(call.at.size, size);
    writer.words[base + call.at.errno] = cursor.i32(rest.errno);
    writer.words[base + call.at.era] = era === undefined ? messageEra.old : messageEra.current;
    writer.words[base + call.at.flags] = 0;
    writer.addLatin1(base + call.at.text, cursor.text(rest.text));
    if (call === map) writer.addLatin1(base + map.at.region, '');
    writer.commit(0, cursor.seconds, cursor.nanoseconds, cursor.thread);
    const joined = new BatchCursor(
      writer.finish(new Uint8Array(), cursor.byteOffset, 1),
      cursor.line - 1,
    );
    joined.next();
    return joined;
  }
}

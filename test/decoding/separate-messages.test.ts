import { describe, expect, it } from 'vitest';
import { LineBlocks } from '../../src/bytes/lines.ts';
import { messagesIn, placed, withMessages } from '../../src/decoding/separate-messages.ts';
import { inChunks } from '../bytes/read-source.ts';
import { bytesOf } from '../helpers/ground-truth.ts';

async function* blocksOf(bytes: Uint8Array, size: number) {
  const blocks = new LineBlocks();
  for await (const chunk of inChunks(bytes, size)) yield* blocks.push(chunk);
  const last = blocks.end();
  if (last !== null) yield last;
}

/** A log and messages as one text, however the log comes. */
async function joined(log: string | Buffer, stderr: string | Buffer, size = 4096): Promise<string> {
  const bytes = Buffer.from(log as string);
  const messages = messagesIn(Buffer.from(stderr as string));
  const inPlaces = await placed(messages, blocksOf(bytes, size));
  const chunks: Uint8Array[] = [];
  for await (const chunk of withMessages(inChunks(bytes, size), inPlaces)) {
    chunks.push(Uint8Array.from(chunk));
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** The lines of a log without QEMU's messages, and these. */
function apart(log: string) {
  const lines = log.split(/(?<=\n)/);
  const isMessage = (line: string) => /^(?:\S+Z )?qemu-system-\S+: /.test(line);
  return {
    trace: lines.filter((line) => !isMessage(line)).join(''),
    stderr: lines.filter(isMessage).join(''),
  };
}

const captureOf = (name: string) => bytesOf(`traces/${name}.log.gz`).toString('latin1');

describe('a log of one stream, taken apart and put together,', () => {
  it.each([
    ['qemu-10.0/blocked-aw48-ts', 'by time'],
    ['qemu-10.0/blocked-aw48', 'by order'],
    ['qemu-11.1/blocked-aw48', 'by order'],
    ['qemu-11.1/amd-dirtyrate', 'by time'],
    ['qemu-11.1/amd-dirtyrate-block', 'by order'],
    ['qemu-11.1/amd-dirtyrate-reset', 'by time'],
    ['qemu-11.1/migrate-legacy-aw48', 'by order'],
    ['qemu-11.1/amd-switch-abort', 'by order'],
  ])('%s is the same, %s', async (name) => {
    const log = captureOf(name);
    const { stderr, trace } = apart(log);
    expect(stderr).not.toBe('');
    const together = await joined(Buffer.from(trace, 'latin1'), Buffer.from(stderr, 'latin1'));
    // Where the warnings of a device's options stand among its events is not told.
    const rest = (text: string) => text.replace(/^\S+ -device .*\n/gm, '');
    expect(rest(together) === rest(log)).toBe(true);
    expect(together.length).toBe(log.length);
  });
});

const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff\n';
const FAILS = [
  'qemu: UNMAP: Size of bitmap too big 0x20000000\n',
  'qemu: vfio_container_dma_unmap(0x1, 0x100000000000, 0x100000000000) = -7 (Argument list too long)\n',
].join('');
const at = (micro: number, line: string) =>
  `2026-11-22T07:47:04.${String(micro).padStart(6, '0')}Z ${line}`;

describe('messages with times', () => {
  it.each([1, 7, 4096])(
    'stand behind all events of their time or before, in chunks of %i',
    async (size) => {
      const log = at(10, 'vtd_reset_exit \n') + at(20, UNMAP) + at(30, 'vtd_reset_exit \n');
      const stderr = FAILS.split(/(?<=\n)/)
        .map((line, index) => at(25 + index, line))
        .join('');
      const lines = (await joined(log, stderr, size)).split('\n');
      expect(lines.map((line) => line.slice(20, 26))).toEqual([
        '000010',
        '000020',
        '000025',
        '000026',
        '000030',
        '',
      ]);
    },
  );

  it('of one microsecond with events stand behind that of their range, and before others', async () => {
    const log = at(20, UNMAP) + at(20, 'vtd_reset_exit \n');
    const messages = FAILS.split(/(?<=\n)/)
      .map((line) => at(20, line))
      .join('');
    expect(await joined(log, messages)).toBe(
      at(20, UNMAP) + messages + at(20, 'vtd_reset_exit \n'),
    );
  });

  it('go with events whose stamps are of another form, and keep lines without any', async () => {
    const log = `7@1795333624.000010:${UNMAP}7@1795333624.000030:vtd_reset_exit \n`;
    const stderr = `${at(20, 'qemu: one\n')}and more\n`;
    expect((await joined(log, stderr)).split('\n').map((line) => line.slice(-8))).toEqual([
      'ffffffff',
      'qemu: one'.slice(-8),
      'and more',
      'et_exit ',
      '',
    ]);
  });
});

describe('messages without times', () => {
  it('stand behind an unmap under dirty tracking, if there is one', async () => {
    const log = `${UNMAP}global_dirty_changed bitmask 0x2\n${UNMAP}global_dirty_changed bitmask 0x0\n${UNMAP}`;
    expect(await joined(log, FAILS)).toBe(
      `${UNMAP}global_dirty_changed bitmask 0x2\n${UNMAP}${FAILS}global_dirty_changed bitmask 0x0\n${UNMAP}`,
    );
  });

  it('about a MAP stand behind one over what is mapped, if there is one', async () => {
    const map = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff\n';
    const unmap = 'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0xffff\n';
    const message =
      'qemu: vfio_container_dma_map(0x1, 0x1000, 0x1000, 0x7f00) = -17 (File exists)\n';
    expect(await joined(map + unmap + map + map, message)).toBe(map + unmap + map + map + message);
    expect(await joined(map + unmap, message)).toBe(map + message + unmap);
  });

  it('of which the place is open stand behind the log', async () => {
    const other = 'qemu: vfio_container_dma_unmap(0x1, 0x5000, 0x1000) = -22 (Invalid argument)\n';
    const log = `global_dirty_changed bitmask 0x2\n${UNMAP}vtd_reset_exit \n`;
    expect(await joined(log, `${other}${FAILS}qemu: over\n`)).toBe(
      `global_dirty_changed bitmask 0x2\n${UNMAP}${FAILS}vtd_reset_exit \n${other}qemu: over\n`,
    );
    // Which of two failed, nothing tells.
    const two = `${UNMAP}vtd_reset_exit \n${UNMAP}vtd_reset_exit \n`;
    expect(await joined(two, FAILS)).toBe(two + FAILS);
    expect(await joined(two, FAILS + FAILS)).toBe(
      `${UNMAP}${FAILS}vtd_reset_exit \n${UNMAP}${FAILS}vtd_reset_exit \n`,
    );
  });

  it('never make a line of one without its end', async () => {
    expect(await joined(`vtd_reset_exit \n${UNMAP.trimEnd()}`, 'qemu: a\n')).toBe(
      `vtd_reset_exit \nqemu: a\n${UNMAP.trimEnd()}`,
    );
    expect(messagesIn(Buffer.from('qemu: a\nqemu: cut'))).toHaveLength(1);
  });

  it('to an empty log are all there is', async () => {
    expect(await joined('', FAILS)).toBe(FAILS);
    expect(await joined(UNMAP, '')).toBe(UNMAP);
  });
});

import { describe, expect, it } from 'vitest';
import { writeMessage } from '../../src/decoding/messages.ts';
import { messageTopics } from '../../src/events/catalogue/notes.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { decodedOf } from '../helpers/decoded.ts';

const PLACE = { byteOffset: 0, seconds: 0, nanoseconds: 0, thread: 0 };

function notesOf(text: string, trusted = false) {
  const writer = new BatchWriter();
  writeMessage(text, writer, PLACE, trusted);
  return decodedOf([writer.finish(new Uint8Array(0), 0, 1)]).events.map(({ name, args }) => {
    const { topic } = args;
    return typeof topic === 'number' ? [name, messageTopics[topic]] : [name, args];
  });
}

const QEMU = 'qemu-system-x86_64: ';

describe('a message', () => {
  it.each([
    ['UNMAP: Size of bitmap too big 0x80000000', 'message:bitmap-too-big', { bytes: '0x80000000' }],
    [
      'vfio_dma_unmap(0x55d0c0ffee00, 0xfe000000, 0x1000) = -22 (Invalid argument)',
      'message:dma-unmap-failed',
      {
        container: '0x55d0c0ffee00',
        iova: '0xfe000000',
        size: '0x1000',
        errno: -22,
        text: 'Invalid argument',
        era: 1,
      },
    ],
    [
      'vfio_container_dma_unmap(0x55d0c0ffee00, 0x0, 0x8000000000000000) = -7',
      'message:dma-unmap-failed',
      {
        container: '0x55d0c0ffee00',
        iova: '0x0',
        size: '0x8000000000000000',
        errno: -7,
        text: '',
        era: 2,
      },
    ],
    [
      'vfio_dma_map((nil), 0x1000, 0x2000, 0x7f00) = -17 (File exists)',
      'message:dma-map-failed',
      { container: '0x0', iova: '0x1000', size: '0x2000', errno: -17, text: 'File exists', era: 1 },
    ],
    [
      'vfio_container_dma_map(0x1, 0x1000, 0x2000, 0x7f00) = -28 (No space left on device)',
      'message:dma-map-failed',
      {
        container: '0x1',
        iova: '0x1000',
        size: '0x2000',
        errno: -28,
        text: 'No space left on device',
        era: 2,
      },
    ],
  ])('"%s" keeps its numbers', (text, name, args) => {
    expect(notesOf(text)).toEqual([[name, args]]);
  });

  it.each([
    ['VFIO_UNMAP_DMA failed: Invalid argument', 'unmap-ioctl'],
    ['Failed to allocate dirty tracking bitmap', 'bitmap-allocation'],
    ['Failed to set dirty tracking flag 0x2 errno: 22', 'tracking-start'],
    ['Failed to set dirty tracking flag 0x4 errno: 22', 'tracking-stop'],
    ['iommu map to non memory area 0', 'map-dropped'],
    ['Wrong target AS "x", only system memory is allowed', 'wrong-address-space'],
    ['warning: VFIO dma-buf not supported in kernel', 'dmabuf-fallback'],
  ])('"%s" is about %s, whoever says it', (text, topic) => {
    expect(notesOf(text)).toEqual([['message:other', topic]]);
  });

  it.each([
    ['migration has been blocked', 'migration-failed'],
    ['vfio 0000:00:05.0: something has failed', 'backend'],
    ['vfio_listener: error 5', 'backend'],
    ['vtd_iommu_replay: Assertion `x` failed.', 'backend'],
  ])('"%s" counts only from QEMU', (text, topic) => {
    expect(notesOf(text)).toEqual([]);
    expect(notesOf(QEMU + text)).toEqual([['message:other', topic]]);
    expect(notesOf(text, true)).toEqual([['message:other', topic]]);
  });

  it('that no rule knows is still proof of messages, if it has the name of QEMU', () => {
    expect(notesOf(`${QEMU}terminating on signal 15`)).toEqual([['message:unknown', {}]]);
    expect(notesOf('terminating on signal 15')).toEqual([]);
  });
});

describe('a long line', () => {
  it.each([
    ['calls', 'vfio_dma_map(0x1, 0x1, 0x1, '],
    ['names of the backend', 'vfio_a '],
    ['names run together', 'vfio_vfio_'],
    ['programs', '/qemu-'],
  ])('of %s is read in proportion to its length', (_, piece) => {
    // Were it not, the longer ones would take hours.
    expect(notesOf(QEMU + piece.repeat(Math.floor(256_000 / piece.length)))).toHaveLength(1);
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { messageTextOf, writeMessage } from '../../src/decoding/messages.ts';
import { eventNames, offsetsOf } from '../../src/events/catalogue/index.ts';
import { BatchCursor } from '../../src/events/cursor.ts';
import { messageTexts } from '../../src/events/messages/index.ts';
import { BatchWriter } from '../../src/events/writer.ts';

const file = new URL('./messages.examples.json', import.meta.url);
const examples = JSON.parse(readFileSync(file, 'utf8')) as Readonly<
  Record<string, readonly string[]>
>;

/** The event that a line becomes; null where it is no message. */
function eventOf(line: string, trusted = false) {
  const writer = new BatchWriter();
  const place = { byteOffset: 0, seconds: 0, nanoseconds: 0, thread: 0 };
  writer.line = 0;
  if (!writeMessage(line, writer, place, trusted)) return null;
  const bytes = Buffer.from(line);
  const cursor = new BatchCursor(writer.finish(bytes, 0, 1), 0);
  cursor.next();
  return { name: eventNames[cursor.kind], cursor };
}

describe('the table of texts', () => {
  it('has an example of each, and no two of one name', () => {
    const ids = messageTexts.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(examples).sort()).toEqual([...ids].sort());
    expect(ids.length).toBeGreaterThan(170);
  });

  it('names the function that prints it, or says that it is as posted', () => {
    for (const { source } of messageTexts) expect(source.length).toBeGreaterThan(8);
  });

  it.each(
    Object.entries(examples).flatMap(([id, lines]) => lines.map((line) => [id, line] as const)),
  )('%s: %s', (id, line) => {
    expect(messageTextOf(line, true)?.about.id).toBe(id);
  });
});

describe('a failing call', () => {
  const unmap = offsetsOf('message:dma-unmap-failed');
  it.each([
    'qemu-kvm: vfio_container_dma_unmap(0x55d5, 0x100000000000, 0x200000000000) = -7 (Argument list too long)',
    'Status: failed (vfio_container_dma_unmap(0x55d5, 0x100000000000, 0x200000000000) = -7 (Argument list too long))',
    '> vfio_container_dma_unmap(0x55d5, 0x100000000000, 0x200000000000) =3D -7 (Argument',
    '{"error-desc": "vfio_container_dma_unmap(0x55d5, 0x100000000000, 0x200000000000) = -7 (x)"}',
    'vfio_dma_unmap(0x55d5,0x100000000000,0x200000000000)=-7(Die Argumentliste ist zu lang)',
    // The second half of a line that a mailer has wrapped; only an unmap returns -7.
    '>> 0x100000000000, 0x200000000000) = -7 (Argument list too long))',
    '> c1f4d0a0, 0x100000000000, 0x200000000000) = -7 (Argument list too long)',
    'p(0x5594c1f4d0a0, 0x100000000000, 0x200000000000) = -7 (Argument list too long)',
    '_container_dma_unmap(0x5594, 0x100000000000, 0x200000000000) = -7 (Argument list too long)',
    // What browsers and word processors make of blanks and of a minus.
    'qemu-kvm:\u00c2\u00a0vfio_dma_unmap(0x55d5,\u00c2\u00a00x100000000000, 0x200000000000) = \u00e2\u0088\u00927 (x)',
    'qemu-kvm: vfio_dma_unmap(0x55d5, 0x100000000000, 0x200000000000) = \u00e2\u0080\u00937 (x)',
  ])('is read whoever quotes it: %s', (line) => {
    const event = eventOf(line);
    expect(event?.name).toBe('message:dma-unmap-failed');
    expect(event?.cursor.u64(unmap.iova)).toBe(0x1000_0000_0000n);
    expect(event?.cursor.u64(unmap.size)).toBe(0x2000_0000_0000n);
    expect(event?.cursor.i32(unmap.errno)).toBe(-7);
  });

  it.each([
    'qemu-kvm: vfio_container_dma_unmap(0x561bbbd92d90,',
    '> Status: failed (vfio_container_dma_unmap(0x561bbbd92d90, 0x1000',
    'vfio_dma_map(0x55855c75bf00, 0x40000000, 0x100000000, 0x7f5197e00000)',
  ])('is torn where a mail was wrapped: %s', (line) => {
    expect(eventOf(line)?.name).toBe('trace:loss');
  });

  it.each([
    'vhost_vdpa_dma_unmap(0x55d5, 0xfffff000, 0x1000) = -22 (Invalid argument)',
    'vhost_vdpa_dma_unmap(0x55d5, 0xfffff000, 0x1000) = -7 (Argument list too long)',
    'error_report("vfio_container_dma_unmap(%p, 0x%" PRIx64 ") = %d (%s)", bcontainer, iova, ret);',
    '#1  0x0000555555 in vfio_dma_map (container=0x55d5, iova=0, size=4096) at common.c:1',
    'EAL: VFIO group is not viable! Not all devices in IOMMU group bound to VFIO or unbound',
    'hw_error("vfio: DMA mapping failed, unable to continue");',
    '+    error_setg(&err, "%s: Migration is currently not supported with vIOMMU enabled", name);',
    'the quick brown fox',
  ])('is nothing of the kind: %s', (line) => {
    expect(eventOf(line)).toBeNull();
  });
});

describe('an errno', () => {
  const known = offsetsOf('message:known');
  it.each([
    ['qemu-kvm: VFIO_MAP_DMA failed: Cannot allocate memory', -12],
    ['qemu-kvm: VFIO_MAP_DMA failed: Out of memory', -12],
    ['qemu-kvm: VFIO_MAP_DMA: -22', -22],
    ['qemu-kvm: Failed to set dirty tracking flag 0x1 errno: 22', -22],
    ['qemu-kvm: 0000:b1:00.2: Failed to start DMA logging, err -95 (x)', -95],
    ['qemu-kvm: VFIO_MAP_DMA failed: \u9519\u8bef\u7684\u5730\u5740', 0],
    ['vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded', -12],
  ])('of %s is %i', (line, errno) => {
    const event = eventOf(line);
    expect(event?.name).toBe('message:known');
    expect(event?.cursor.i32(known.errno)).toBe(errno);
  });
});

describe('vague words', () => {
  it('count only behind the name of somebody who is known to use them', () => {
    expect(eventOf('no such host device: it is in the other room')).toBeNull();
    expect(eventOf('qemu-kvm: vfio 0000:03:00.0: no such host device')?.name).toBe('message:known');
    expect(eventOf('no such host device', true)?.name).toBe('message:known');
  });

  it('of QEMU that nobody knows are kept as such', () => {
    expect(eventOf('qemu-kvm: the answer is 42')?.name).toBe('message:unknown');
  });
});

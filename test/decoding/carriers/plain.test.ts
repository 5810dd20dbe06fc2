import { describe, expect, it } from 'vitest';
import { type Decoded, decode } from '../../helpers/decoded.ts';

const log = (text: string | Uint8Array) => decode('qemu-log', text);

const WALK = 'vtd_page_walk_one domain 0x2 iova 0xffff4000 -> gpa 0x3f4000 mask 0xfff perm 3';
const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff';
const TOO_BIG = 'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000';
const THREAD = '1331@1795334254.166216:';
const ISO = '2026-11-22T07:51:14.717309Z ';

const walk = { domain: 2, iova: '0xffff4000', gpa: '0x3f4000', mask: '0xfff', perm: 3 };
const map = { op: 1, start: '0x1000', end: '0x1fff' };
const unmap = { op: 0, start: '0x100000000000', end: '0x1fffffffffff' };

/** What was read, in one word each: events by their name, losses by their kind. */
function kindsOf({ events }: Decoded): readonly string[] {
  const losses = ['dropped', 'overwritten', 'torn', 'unreadable', 'truncated'];
  return events.map(({ name, args: { kind } }) =>
    name === 'trace:loss' ? (losses[Number(kind)] ?? String(kind)) : name,
  );
}

describe('the stamp of a line', () => {
  it.each([
    ['none', '', null, null],
    ['thread and time, to 10.1', THREAD, '1795334254.166216000', 1331],
    ['UTC, from 10.2 on', ISO, '1795333874.717309000', null],
    [
      'UTC without fraction, as glib prints a whole second',
      '2026-11-22T07:51:14Z ',
      '1795333874.000000000',
      null,
    ],
    ['a leap second', '2026-12-31T23:59:60.5Z ', '1798761600.500000000', null],
    [
      'in nanoseconds, of a container runtime',
      '2026-11-22T07:51:14.123456789Z ',
      '1795333874.123456789',
      null,
    ],
    ['before the epoch of a VM whose clock was never set', '0@0.000001:', '0.000001000', null],
  ])('%s', async (_, stamp, time, thread) => {
    const { events } = await log(`${stamp}${WALK}\n`);
    expect(events).toMatchObject([
      { name: 'vtd_page_walk_one', args: walk, line: 1, byteOffset: 0, time, thread },
    ]);
  });

  it.each([
    ['too long', `12345678901@1.000001:${WALK}`],
    ['of another clock', `7329@1795332947845867137 ${WALK}`],
    ['of a month 13', `2026-13-22T07:51:14Z ${WALK}`],
  ])('is none where it is %s', async (_, line) => {
    const { events } = await log(`${line}\n`);
    // The event behind it is found all the same, without a time of its own.
    expect(events.at(-1)).toMatchObject({ name: 'vtd_page_walk_one', time: null, thread: null });
  });

  it('may change from line to line', async () => {
    const { events } = await log(`${WALK}\n${THREAD}${MAP}\n${ISO}${UNMAP}\n${MAP}\n`);
    expect(events.map(({ line, time }) => [line, time])).toEqual([
      [1, null],
      [2, '1795334254.166216000'],
      [3, '1795333874.717309000'],
      [4, null],
    ]);
  });
});

describe('lines', () => {
  it('end with LF or CR LF; the last one may lack it, and is not believed', async () => {
    expect(kindsOf(await log(`${WALK}\r\n${MAP}\n`))).toEqual([
      'vtd_page_walk_one',
      'vfio_iommu_map_notify',
    ]);
    const cut = await log(`${WALK}\n${MAP}`);
    expect(kindsOf(cut)).toEqual(['vtd_page_walk_one', 'torn']);
    // Not the time of the line before it, which may have been decoded elsewhere.
    const stamped = await log(`${ISO}${MAP}\n${ISO.slice(0, -3)}`);
    expect(stamped.events.map(({ time }) => time !== null)).toEqual([true, false]);
    expect(cut.lines).toBe(2);
  });

  it('are counted by LF alone, with their offsets', async () => {
    const text = `a\rb\n\n\0\0\0${MAP}\nMAP\0\n${THREAD}${MAP}\n`;
    const { events, lines, foreignLines } = await log(text);
    expect(lines).toBe(5);
    expect(foreignLines).toBe(2);
    expect(events.map(({ line, byteOffset }) => [line, byteOffset])).toEqual([
      [3, 5],
      [5, text.indexOf(THREAD)],
    ]);
  });

  it('begin behind runs of NUL and byte order marks', async () => {
    const { events } = await log(
      Buffer.from(`\ufeff${MAP}\n${'\0'.repeat(5000)}${THREAD}${MAP}\n`),
    );
    expect(events.map(({ name, thread }) => [name, thread])).toEqual([
      ['vfio_iommu_map_notify', null],
      ['vfio_iommu_map_notify', 1331],
    ]);
  });

  it('of events without arguments end with a blank, which editors take away', async () => {
    const text = `${ISO}vtd_inv_qi_fetch \n${ISO}vtd_inv_qi_fetch\nvfio_reset_handler \nvfio_reset_handler\n`;
    const { events, skipped } = await log(text);
    expect(skipped).toEqual({ vtd_inv_qi_fetch: 2 });
    expect(events.map(({ name }) => name)).toEqual(['vfio_reset_handler', 'vfio_reset_handler']);
  });

  it('of other events are counted by name, in whatever version', async () => {
    const text = `${ISO}qcow2_writev_start_req co 0x1 offset 0x0\n${THREAD}vtd_new_event a 1\nvtd_new_event a 2\n`;
    expect(await log(text)).toMatchObject({
      events: [],
      skipped: { qcow2_writev_start_req: 1, vtd_new_event: 2 },
    });
  });

  it('of somebody else are counted', async () => {
    const text = [
      '[    1.234567] vfio-pci 0000:00:05.0: enabling device (0000 -> 0002)',
      'vfio_pci: add [8086:10d3[ffffffff:ffffffff]] class 0x000000/00000000',
      '[R +0.092046] writel 0xfed90018 0x40000000',
      '[S +0.092123] OK',
      'Welcome to Debian GNU/Linux 12 (bookworm)!',
      '  size: 0x1000, offset: 0x70000000000, flags: 0x3',
      '\xff\xfe not utf-8 \x80',
      'char device redirected to /dev/pts/3 (label serial0)',
    ];
    const { events, foreignLines } = await log(Buffer.from(`${text.join('\n')}\n`, 'latin1'));
    expect(events).toEqual([]);
    expect(foreignLines).toBe(text.length);
  });

  it('of 70 KB and more are read past', async () => {
    const long = 'A'.repeat(70_000);
    const { events, skipped, lines } = await log(
      `${ISO}vtd_inv_desc_wait_irq ${long}\n${long}\n${WALK}\n`,
    );
    expect(skipped).toEqual({ vtd_inv_desc_wait_irq: 1 });
    expect(events).toMatchObject([{ name: 'vtd_page_walk_one', line: 3 }]);
    expect(lines).toBe(3);
  });

  it('of 7.2 that are two count as one event', async () => {
    const text = `1@1.000001:vfio_populate_device_config Device 0000:00:05.0 config:\n  size: 0x1000, offset: 0x70000000000, flags: 0x3\n1@1.000002:${MAP}\n`;
    expect(await log(text)).toMatchObject({
      skipped: { vfio_populate_device_config: 1 },
      events: [{ name: 'vfio_iommu_map_notify', line: 3 }],
      foreignLines: 1,
    });
  });
});

describe('numbers', () => {
  it('have 64 bits, in digits of either case', async () => {
    const text = [
      'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0xffffffffffffffff',
      'vfio_iommu_map_notify iommu UNMAP @ 0xFFFFF00000000000 - 0xFFFFffffFFFFFFFF',
      'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0x1ffffffffffffffff',
    ];
    const decoded = await log(`${text.join('\n')}\n`);
    expect(decoded.events.map(({ args: { end } }) => end)).toEqual([
      '0xffffffffffffffff',
      '0xffffffffffffffff',
      undefined,
    ]);
    expect(kindsOf(decoded)[2]).toBe('torn');
  });
});

describe('lines that met', () => {
  it.each([
    [
      'a torn line and a stamped one',
      `${THREAD}${WALK.slice(0, 30)}${THREAD}${MAP}`,
      ['torn', 'vfio_iommu_map_notify'],
    ],
    [
      'a whole line and a stamped one',
      `${THREAD}${WALK}${THREAD}${MAP}`,
      ['torn', 'vfio_iommu_map_notify'],
    ],
    [
      'torn in its stamp',
      `1331@17953342${THREAD}${MAP}`,
      ['torn', 'torn', 'vfio_iommu_map_notify'],
    ],
    ['torn in its name', `${ISO}vtd_pag${ISO}${MAP}`, ['torn', 'vfio_iommu_map_notify']],
    ['two lines without stamps', `${WALK.slice(0, 30)}${MAP}`, ['torn', 'vfio_iommu_map_notify']],
    [
      'an event that is not needed and one that is',
      `${ISO}vtd_inv_qi_tail tail 12${ISO}${MAP}`,
      ['vfio_iommu_map_notify'],
    ],
    ['the same without stamps', `vtd_inv_qi_tail tail 12${MAP}`, ['vfio_iommu_map_notify']],
    [
      'a free text and an event',
      `vfio_get_device Device 0000:00:05.0 flags: 2, re${MAP}`,
      ['torn', 'vfio_iommu_map_notify'],
    ],
    [
      'a state and an event that is not needed',
      'migrate_set_state new state activevtd_inv_qi_fetch ',
      ['torn'],
    ],
    [
      'a state and a message',
      `migrate_set_state new state active${TOO_BIG}`,
      ['torn', 'message:bitmap-too-big'],
    ],
    [
      'a torn event and a message',
      `${THREAD}${WALK.slice(0, 30)}${TOO_BIG}`,
      ['torn', 'message:bitmap-too-big'],
    ],
    [
      'a name that is torn and a message',
      `vfio_iommu_m${TOO_BIG}`,
      ['torn', 'message:bitmap-too-big'],
    ],
    ['hardly a name and a message', `${THREAD}vf${TOO_BIG}`, ['torn', 'message:bitmap-too-big']],
    [
      'a message and an event',
      `${TOO_BIG}${THREAD}${MAP}`,
      ['message:bitmap-too-big', 'vfio_iommu_map_notify'],
    ],
    ['a console and an event', `Starting udev...${ISO}${MAP}`, ['vfio_iommu_map_notify']],
    [
      'a coloured console and an event',
      `\x1b[32m[  OK  ]\x1b[0m Started \x1b[0;1mudev\x1b[0m.\x1b[K${THREAD}${MAP}`,
      ['vfio_iommu_map_notify'],
    ],
    [
      'three events',
      `${ISO}${WALK}${ISO}${WALK}${ISO}${MAP}`,
      ['torn', 'torn', 'vfio_iommu_map_notify'],
    ],
    [
      'two events and a CR between',
      `${ISO}${WALK}\r${ISO}${MAP}`,
      ['torn', 'vfio_iommu_map_notify'],
    ],
    [
      'a boot that was killed and the next',
      `${THREAD}${WALK.slice(0, 30)}2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13`,
      ['torn', 'session:start'],
    ],
  ])('%s', async (_, line, kinds) => {
    expect(kindsOf(await log(`${line}\n`))).toEqual(kinds);
  });

  it('share their number and offset', async () => {
    const { events } = await log(`x\n${THREAD}${WALK.slice(0, 30)}${ISO}${MAP}\n`);
    expect(events.map(({ line, byteOffset }) => [line, byteOffset])).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });

  it.each([
    ['a NUL', '\0'],
    ['a byte that is no text', '\xff'],
    ['a letter', 'g'],
  ])('are suspected where %s is inside', async (_, byte) => {
    const line = `${THREAD}${WALK.slice(0, 40)}${byte}${WALK.slice(40)}\n`;
    expect(kindsOf(await log(Buffer.from(line, 'latin1')))).toEqual(['torn']);
  });
});

describe('colours', () => {
  it.each([
    ['around a line', `\x1b[33m${THREAD}${UNMAP}\x1b[0m`],
    [
      'inside it',
      `${THREAD}vfio_iommu_map_notify\x1b[1m iommu UNMAP @ 0x10000\x1b[0m0000000 - 0x1fffffffffff`,
    ],
    ['and the end of a line that is erased', `${THREAD}${UNMAP}\x1b[K`],
  ])('%s are taken off', async (_, line) => {
    const { events } = await log(`${line}\n`);
    expect(events).toMatchObject([{ name: 'vfio_iommu_map_notify', args: unmap, thread: 1331 }]);
  });

  it('count an event that is not needed once', async () => {
    const { skipped } = await log(
      '\x1b[33mvtd_inv_qi_fetch \x1b[0m\nvtd_inv_qi_tail \x1b[1mtail 12\x1b[0m\n',
    );
    expect(skipped).toEqual({ vtd_inv_qi_fetch: 1, vtd_inv_qi_tail: 1 });
  });
});

describe('messages', () => {
  it.each([
    ['bare', TOO_BIG, 'message:bitmap-too-big'],
    ['with a time', `2026-11-22T07:51:14.1Z ${TOO_BIG}`, 'message:bitmap-too-big'],
    ['with a time and the name of the guest', `${ISO}vm-a ${TOO_BIG}`, 'message:bitmap-too-big'],
    [
      'with a guest whose name looks like an event',
      `${ISO}vtd_test ${TOO_BIG}`,
      'message:bitmap-too-big',
    ],
    [
      'with a path',
      '/usr/bin/qemu-system-x86_64: vfio_container_dma_unmap(0x55, 0x1000, 0x1000) = -22 (Invalid argument)',
      'message:dma-unmap-failed',
    ],
    [
      'of no rule',
      'qemu-system-x86_64: warning: host does not support requested feature',
      'message:unknown',
    ],
    [
      'of a signal',
      '2026-11-22T07:51:14.1Z qemu-system-x86_64: terminating on signal 15 from pid 1 (systemd)',
      'session:end',
    ],
  ])('%s', async (_, line, kind) => {
    expect(kindsOf(await log(`${line}\n`))).toContain(kind);
  });

  it('name what failed', async () => {
    const line =
      'qemu-system-x86_64: vfio_container_dma_unmap(0x559396f7c430, 0x100000000000, 0x100000000000) = -7 (Argument list too long)';
    const { events } = await log(`${line}\n`);
    expect(events).toMatchObject([
      {
        name: 'message:dma-unmap-failed',
        args: {
          iova: '0x100000000000',
          size: '0x100000000000',
          errno: -7,
          text: 'Argument list too long',
        },
      },
    ]);
  });

  it('of a journal about lines it threw away are losses', async () => {
    const { events } = await log('Suppressed 1234 messages from qemu.service\n');
    expect(events).toMatchObject([{ name: 'trace:loss', args: { count: '0x4d2' } }]);
  });
});

describe('what the kernel says of its buffer', () => {
  it.each([
    ['CPU:0 [LOST 8166 EVENTS]', 'dropped', '0x1fe6'],
    ['CPU:1 [12 EVENTS DROPPED]', 'dropped', '0xc'],
    ['# entries-in-buffer/entries-written: 3195/11361   #P:2', 'overwritten', '0x1fe6'],
  ])('%s', async (line, kind, count) => {
    const decoded = await log(`${line}\n`);
    expect(kindsOf(decoded)).toEqual([kind]);
    expect(decoded.events).toMatchObject([{ args: { count } }]);
  });

  it('is nothing where nothing is lost', async () => {
    const text = '# entries-in-buffer/entries-written: 12/12   #P:2\n';
    expect(await log(text)).toMatchObject({ events: [], foreignLines: 0 });
  });
});

describe('a log of libvirt', () => {
  it('tells boots, versions, names, arguments and ends', async () => {
    const text = [
      '2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, package: 3 (Debian), qemu version: 10.0.13Debian 1:10.0.13, kernel: 6.1.0, hostname: host-a',
      'LC_ALL=C \\',
      '/usr/bin/qemu-system-x86_64 \\',
      '-name guest=vm-a,debug-threads=on \\',
      '-device \'{"driver":"intel-iommu","caching-mode":true}\' \\',
      '-msg timestamp=on',
      `2942@1795332829.619052:${MAP}`,
      '2026-11-22 07:33:20.000+0000: Domain id=1 is tainted: custom-argv',
      '2026-11-22T07:34:00.000000Z qemu-system-x86_64: terminating on signal 15 from pid 1 (libvirtd)',
      '2026-11-22 07:34:01.000+0000: shutting down, reason=destroyed',
      '2026-11-22 08:00:00.000+0000: starting up libvirt version: 11.3.0, qemu version: 10.2.2, kernel: 6.1.0',
      `${ISO}${MAP}`,
    ];
    const { events } = await log(`${text.join('\n')}\n`);
    expect(events.map(({ name, line }) => [name, line])).toEqual([
      ['session:start', 1],
      ['session:name', 4],
      ['session:argument', 4],
      ['session:argument', 5],
      ['vfio_iommu_map_notify', 7],
      ['message:unknown', 9],
      ['session:end', 9],
      ['session:end', 10],
      ['session:start', 11],
      ['vfio_iommu_map_notify', 12],
    ]);
    expect(events[0]?.args).toEqual({ qemu: '10.0.13Debian 1:10.0.13' });
    expect(events[1]?.args).toEqual({ name: 'vm-a' });
    expect(events[8]?.args).toEqual({ qemu: '10.2.2' });
  });
});

describe('a decoder', () => {
  it('does not run away on long lines of what it looks for', async () => {
    // Milliseconds where it is linear; where it is not, longer than a test may take.
    for (const piece of [
      'vtd_',
      '1@1.000001:',
      '2026-11-22T07:51:14Z ',
      '\x1b[0m',
      '_',
      'Z ',
      '@',
      'vfio_iommu_map_notify ',
      '"',
      'qemu: ',
    ]) {
      await log(
        `${piece.repeat(200_000 / piece.length)}\n${piece}vfio_get_device ${piece.repeat(200_000 / piece.length)}\n${MAP}\n`,
      );
    }
  });
});

describe('events that are glued on', () => {
  it('have the arguments of their own line', async () => {
    const { events } = await log(`${TOO_BIG}${THREAD}${MAP}\n`);
    expect(events.at(-1)).toMatchObject({ args: map, thread: 1331, time: '1795334254.166216000' });
  });
});

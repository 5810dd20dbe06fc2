import { describe, expect, it } from 'vitest';
import { syslog as format } from '../../../src/decoding/carriers/syslog.ts';
import { decode } from '../../helpers/decoded.ts';

const syslog = (text: string) => decode('syslog', text);

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const TIME = '1795332947.845867000';

describe('a header', () => {
  it.each([
    ['of RFC 3164, without a year', 'Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ', null],
    ['of rsyslog', '2026-11-22T07:35:47.845867+00:00 host-a qemu-system-x86_64[7329]: ', TIME],
    [
      'of another time zone',
      '2026-11-22T09:05:47.845867+01:30 host-a qemu-system-x86_64[7329]: ',
      TIME,
    ],
    [
      'of journalctl -o short-iso-precise',
      '2026-11-22T08:35:47.845867+0100 host-a qemu-system-x86_64[7329]: ',
      TIME,
    ],
    ['of RFC 5424', '<30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 - - ', TIME],
    [
      'of RFC 5424 with a mark',
      '<30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 ID47 [x y="z"] \ufeff',
      TIME,
    ],
    [
      'of RFC 5424, counted and with two elements',
      '96 <30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 ID47 [x y="z"][a b="c"] ',
      TIME,
    ],
    [
      'of journalctl -o short-full',
      'Sun 2026-11-22 07:35:47 UTC host-a qemu-system-x86_64[7329]: ',
      '1795332947.000000000',
    ],
    [
      'of journalctl -o short-full elsewhere',
      'Sun 2026-11-22 08:35:47 CET host-a qemu-system-x86_64[7329]: ',
      null,
    ],
    [
      'of journalctl -o short-precise',
      'Nov 22 07:35:47.845867 host-a qemu-system-x86_64[7329]: ',
      null,
    ],
    ['of journalctl -o short-unix', '1795332947.845867 host-a qemu-system-x86_64[7329]: ', TIME],
    ['of journalctl -o short-monotonic', '[ 1915.246562] host-a qemu-system-x86_64[7329]: ', null],
  ])('%s', async (_, header, time) => {
    for (const end of ['\n', '\r\n']) {
      const { events, foreignLines } = await syslog(`${header}${MAP}${end}`);
      expect(events).toMatchObject([
        {
          name: 'vfio_iommu_map_notify',
          args: { op: 1, start: '0x1000', end: '0x1fff' },
          time,
          source: 'host-a qemu-system-x86_64[7329]',
        },
      ]);
      expect(foreignLines).toBe(0);
    }
    expect(format.recognises(Buffer.from(`${header}${MAP}\n`))).toBe(true);
    // Without its end it may be the front of another event: of `0x1ffff`, say.
    const { events } = await syslog(`${header}${MAP}`);
    expect(events).toMatchObject([{ name: 'trace:loss', args: { detail: MAP }, time }]);
  });

  it('may lack the host', async () => {
    const { events } = await syslog(`Nov 22 07:35:47 qemu-system-x86_64[7329]: ${MAP}\n`);
    expect(events).toMatchObject([{ source: 'qemu-system-x86_64[7329]' }]);
  });

  it('is no closer to the truth than the stamp of the line', async () => {
    const { events } = await syslog(
      `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: 1331@1795334254.166216:${MAP}\n`,
    );
    expect(events).toMatchObject([{ time: '1795334254.166216000', thread: 1331 }]);
  });
});

describe('lines', () => {
  it('of other programs are counted', async () => {
    const { events, foreignLines } = await syslog(
      [
        'Nov 22 07:35:46 host-a sshd[12]: Accepted publickey for root',
        'Nov 22 07:35:46 host-a kernel: vfio-pci 0000:00:05.0: enabling device',
        `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${MAP}`,
        'no header at all',
        '',
      ].join('\n'),
    );
    expect(events.map(({ line }) => line)).toEqual([3]);
    expect(foreignLines).toBe(3);
  });

  it('say whose they are; what a journal threw away is of everybody', async () => {
    const { events } = await syslog(
      [
        `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${MAP}`,
        `Nov 22 07:35:47 host-a qemu-system-x86_64[7400]: ${MAP}`,
        'Nov 22 07:35:48 host-a systemd-journald[300]: Suppressed 1234 messages from libvirtd.service',
        '',
      ].join('\n'),
    );
    expect(events.map(({ name, source }) => [name, source])).toEqual([
      ['vfio_iommu_map_notify', 'host-a qemu-system-x86_64[7329]'],
      ['vfio_iommu_map_notify', 'host-a qemu-system-x86_64[7400]'],
      ['trace:loss', null],
    ]);
  });

  it.each([
    ['systemd-journald[300]: Suppressed 1234 messages from /system.slice/libvirtd.service', 1234],
    ['systemd-journald[300]: Forwarding to syslog missed 12 messages.', 12],
    [
      'rsyslogd: imjournal: 34 messages lost due to rate-limiting (20000 allowed within 600 seconds)',
      34,
    ],
    ['rsyslogd: imjournal: begin to drop messages due to rate-limiting', 1],
    ['rsyslogd-2177: imuxsock lost 34 messages from pid 7329 due to rate-limiting', 34],
    ['rsyslogd[812]: imuxsock[pid 7329]: 34 messages lost due to rate-limiting', 34],
    ['last message repeated 3 times', 3],
  ])('tell what is lost: %s', async (line, count) => {
    for (const host of ['host-a ', '']) {
      const { events } = await syslog(`Nov 22 07:35:48 ${host}${line}\n`);
      expect(events).toMatchObject([
        { name: 'trace:loss', args: { kind: 7, count: `0x${count.toString(16)}` }, source: null },
      ]);
    }
  });

  it('that were said again are lost, and known whose they were', async () => {
    const header = 'Nov 22 07:35:48 host-a qemu-system-x86_64[7329]: ';
    const { events } = await syslog(`${header}message repeated 3 times: [ ${MAP}]\n`);
    expect(events).toMatchObject([
      { name: 'trace:loss', args: { count: '0x3' }, source: 'host-a qemu-system-x86_64[7329]' },
    ]);
  });

  it('that are torn are a loss', async () => {
    const { events } = await syslog(
      'Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: vfio_iommu_map_notify iommu MA\n',
    );
    expect(events.map(({ name }) => name)).toEqual(['trace:loss']);
  });
});

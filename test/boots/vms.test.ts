import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MOST_PROCESSES, MOST_VMS } from '../../src/boots/vms.ts';
import type { Session, UnmapRecord } from '../../src/result/types.ts';
import { analyzeLines } from '../helpers/analyze.ts';
import { root } from '../helpers/ground-truth.ts';

/** Several boots and several VMs in one file: each session must be as if its lines stood alone. */

function linesOf(name: string): readonly string[] {
  const bytes = readFileSync(join(root, 'traces', name));
  const text = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return text.toString('latin1').trimEnd().split('\n');
}

/** A log as it would be with other numbers of threads. */
function withThreads(lines: readonly string[], added: number): readonly string[] {
  return lines.map((line) => line.replace(/^\d+(?=@)/, (thread) => `${Number(thread) + added}`));
}

/** What places a thing in its file, and so differs; the steps of `activity` are of so many lines. */
const PLACES = new Set([
  'firstLine',
  'lastLine',
  'line',
  'lines',
  'byteOffset',
  'excerpt',
  'id',
  'activity',
]);

/** A session without the places of its lines. */
function essenceOf(session: Session): unknown {
  const text = JSON.stringify(session, (key, part: unknown) => {
    if (PLACES.has(key)) return undefined;
    return typeof part === 'string' ? part.replace(/\blines? [\d, and.-]+/g, 'line') : part;
  });
  return JSON.parse(text);
}

const bySession = (unmaps: readonly UnmapRecord[], session: number) =>
  unmaps
    .filter((unmap) => unmap.session === session)
    .map(({ line: _line, session: _session, ...rest }) => rest);

async function apart(logs: readonly (readonly string[])[]) {
  const alone = [];
  for (const lines of logs) alone.push(await analyzeLines(lines));
  return alone;
}

/** The sessions and unmaps of `lines` are those of `logs` alone, in their order. */
async function expectSame(lines: readonly string[], logs: readonly (readonly string[])[]) {
  const together = await analyzeLines(lines);
  const alone = await apart(logs);
  expect(together.trace.sessions.length).toBe(logs.length);
  for (const [index, { session, unmaps }] of alone.entries()) {
    expect(essenceOf(together.trace.sessions[index] as Session)).toEqual(essenceOf(session));
    expect(bySession(together.unmaps, index)).toEqual(bySession(unmaps, 0));
  }
}

/** Line by line, as processes that write into one file. */
function interleaved(...logs: readonly (readonly string[])[]): readonly string[] {
  const longest = Math.max(...logs.map(({ length }) => length));
  const lines: string[] = [];
  for (let index = 0; index < longest; index += 1) {
    for (const { [index]: line } of logs) if (line !== undefined) lines.push(line);
  }
  return lines;
}

describe('boots one after the other', () => {
  it.each([
    [
      'qemu-10.0/blocked-aw48.log.gz',
      'qemu-10.0/blocked-aw48.log.gz',
      'qemu-10.0/stale-aw48.log.gz',
    ],
    ['qemu-7.2/blocked-aw48.log.gz', 'qemu-10.0/twodev-aw48.log.gz', 'qemu-11.1/stale-aw48.log.gz'],
    [
      'qemu-11.1/iommufd-blocked-aw48.log.gz',
      'qemu-10.0/iommufd-blocked-aw48.log.gz',
      'qemu-11.1/iommufd-blocked-aw48.log.gz',
    ],
    ['qemu-10.0/segv-aw48.log.gz', 'qemu-11.1/blocked-aw48.log.gz', 'qemu-10.0/segv-aw48.log.gz'],
  ])('%s, %s, %s', async (...names) => {
    const logs = names.map(linesOf);
    await expectSame(logs.flat(), logs);
  });
});

describe('VMs line by line', () => {
  it.each([
    ['qemu-10.0/blocked-aw48-ts.log.gz', 'qemu-10.0/linux-nvme-aw48.log.gz'],
    ['qemu-10.0/linux-nvme-aw48.log.gz', 'qemu-10.0/linux-nvme-aw48.log.gz'],
    ['qemu-10.0/blocked-aw48-sepfile.log.gz', 'qemu-10.0/blocked-aw48-ts.log.gz'],
    ['qemu-10.0/blocked-aw48-vfio-only.log', 'qemu-10.0/blocked-aw48-ts.log.gz'],
  ])('%s and %s', async (first, second) => {
    const logs = [linesOf(first), withThreads(linesOf(second), 100_000)] as const;
    await expectSame(interleaved(...logs), logs);
  });
});

it('takes a VM whose log has only lines of VFIO for another than the one that runs already', async () => {
  const running = linesOf('qemu-10.0/blocked-aw48-ts.log.gz');
  const started = withThreads(linesOf('qemu-10.0/blocked-aw48-vfio-only.log'), 100_000);
  const lines = [...running.slice(0, 300), ...interleaved(running.slice(300), started)];
  await expectSame(lines, [running, started]);
});

/** As a syslog daemon writes what the process prints. */
function inSyslog(lines: readonly string[], pid: number): readonly string[] {
  return lines.map(
    (line) => `2026-11-22T07:35:47.845867+00:00 host-a qemu-system-x86_64[${pid}]: ${line}`,
  );
}

/** As `journalctl -o json` prints it. */
function inJournal(lines: readonly string[], pid: number): readonly string[] {
  return lines.map((line) =>
    JSON.stringify({
      __REALTIME_TIMESTAMP: '1795332947845867',
      SYSLOG_IDENTIFIER: 'qemu-system-x86_64',
      _PID: `${pid}`,
      MESSAGE: line,
    }),
  );
}

describe.each([
  ['a syslog', inSyslog],
  ['a journal', inJournal],
])('processes in %s', (_name, wrap) => {
  it('are VMs of their own, without threads or times', async () => {
    const logs = [
      wrap(linesOf('qemu-10.0/blocked-aw48-minimal.log'), 7001),
      wrap(linesOf('qemu-10.0/segv-aw48.log.gz'), 7002),
      wrap(linesOf('qemu-11.1/high-iova-aw48.log.gz'), 7003),
    ] as const;
    await expectSame(interleaved(...logs), logs);
  });

  it('give the sessions of the log that is in it', async () => {
    const lines = linesOf('qemu-10.0/twodev-aw48.log.gz');
    const { session, unmaps } = await analyzeLines(wrap(lines, 7001));
    const bare = await analyzeLines(lines);
    const times = /"(?:first|last|time|since|from|to)":"?\d{19}"?/g;
    const untimed = (value: unknown) => JSON.stringify(value).replace(times, '');
    expect(session.verdict).toBe(bare.session.verdict);
    expect(session.totals).toEqual(bare.session.totals);
    expect(unmaps.map(({ time: _time, ...unmap }) => untimed(unmap))).toEqual(
      bare.unmaps.map(({ time: _time, ...unmap }) => untimed(unmap)),
    );
    expect(session.vm).toContain('qemu-system-x86_64[7001]');
  });

  it('lose lines together where the journal says only that it dropped some', async () => {
    const lines = [
      ...wrap(linesOf('qemu-10.0/segv-aw48.log.gz').slice(0, 400), 7001),
      ...wrap(linesOf('qemu-10.0/segv-aw48.log.gz').slice(0, 400), 7002),
      ...wrap(['Suppressed 1234 messages from user.slice'], 1).map((line) =>
        line.replaceAll('qemu-system-x86_64', 'systemd-journald'),
      ),
    ];
    const { trace } = await analyzeLines(lines);
    expect(trace.losses.find(({ kind }) => kind === 'rate-limited')?.count).toBe(1234);
    expect(trace.sessions.map(({ verdict }) => verdict)).toEqual(['inconclusive', 'inconclusive']);
  });
});

describe('what cannot be told apart', () => {
  it('is said, and believed of neither VM', async () => {
    const first = linesOf('qemu-10.0/linux-nvme-aw48.log.gz');
    const second = withThreads(first, 100_000);
    const stray = first.find((line) => line.includes('vfio_iommu_map_notify')) ?? '';
    const { trace } = await analyzeLines([
      ...interleaved(first, second),
      // A thread of neither's: far from both.
      stray.replace(/^\d+(?=@)/, '50000'),
    ]);
    expect(trace.sessions.length).toBe(2);
    for (const session of trace.sessions) {
      expect(session.reasons.join()).toContain('thread 50000');
    }
  });
});

describe('made-up processes and threads', () => {
  const reset = ['vtd_reset_exit '];

  it('are two also where their names have the same hash', async () => {
    // Of 31 bits of FNV-1a, by which processes were told apart once.
    const lines = [...inSyslog(reset, 99_149), ...inSyslog(reset, 513_856)];
    const { trace } = await analyzeLines(lines);
    expect(trace.sessions.map(({ vm }) => vm)).toEqual([
      'host-a qemu-system-x86_64[99149]',
      'host-a qemu-system-x86_64[513856]',
    ]);
  });

  it('are held side by side up to a bound; the one that is silent longest is over', async () => {
    const others = Array.from({ length: MOST_PROCESSES }, (_, pid) => inSyslog(reset, pid + 1));
    const log = inSyslog(linesOf('qemu-10.0/blocked-aw48-minimal.log'), 70_001);
    const alone = await analyzeLines(log);
    const among = await analyzeLines([...log, ...others.flat(), ...inSyslog(reset, 70_001)]);
    const { sessions } = among.trace;
    expect(sessions.length).toBe(MOST_PROCESSES + 2);
    expect(essenceOf(sessions[0] as Session)).toEqual(essenceOf(alone.session));
    // What it says later is of a boot whose beginning is not known.
    expect(sessions.at(-1)?.vm).toBe(sessions[0]?.vm);
    expect(sessions.at(-1)?.verdict).not.toBe('clean');
  });

  it('are taken for no more VMs than a bound, and the rest is said to be unknown', async () => {
    const count = MOST_VMS + 100;
    const lines = Array.from(
      { length: count },
      (_, thread) =>
        `${(thread + 1) * 2000}@1795333589.213354:vfio_attach_device  (0000:00:05.0) group 3`,
    );
    const { trace } = await analyzeLines(lines);
    expect(trace.sessions.length).toBe(MOST_VMS);
    const told = `can be of any of ${MOST_VMS} VMs`;
    for (const { reasons } of trace.sessions) {
      expect(reasons.filter((reason) => reason.includes(told)).length).toBeGreaterThan(1);
      expect(reasons.length).toBeLessThan(100);
    }
  });
});

describe('what nobody of the VMs says', () => {
  const at = (second: number) => `Feb 02 21:08:${second} host-a `;
  const kernel = (second: number) =>
    `${at(second)}kernel: vfio_pin_pages_remote: RLIMIT_MEMLOCK (8388608) exceeded`;
  const refused = (second: number, process: number) =>
    `${at(second)}QEMU[${process}]: kvm: VFIO_MAP_DMA failed: Cannot allocate memory`;
  const told = async (...lines: readonly string[]) => {
    const { trace } = await analyzeLines(lines);
    return trace.sessions.map(({ vm, findings }) => [
      vm,
      findings.map(({ count, first }) => `x${count} at ${first.line}`),
    ]);
  };

  it('is of the process that speaks next, while none has spoken', async () => {
    expect(await told(kernel(10), refused(11, 7))).toEqual([['host-a QEMU[7]', ['x1 at 1']]]);
  });

  it('is of the process that spoke last', async () => {
    expect(await told(refused(10, 7), refused(11, 8), kernel(12))).toEqual([
      ['host-a QEMU[7]', ['x1 at 1']],
      ['host-a QEMU[8]', ['x1 at 2']],
    ]);
  });

  it('is told where no process speaks at all, however much it is', async () => {
    const fault = `${at(10)}kernel: DMAR: [DMA Write] Request device [41:00.0] fault addr 1000`;
    const many = Array.from({ length: 100 }, () => fault);
    expect(await told(...many)).toEqual([[null, ['x100 at 1']]]);
  });
});

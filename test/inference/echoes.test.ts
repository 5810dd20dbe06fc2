import { describe, expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';

const QEMU = 'qemu-system-x86_64: ';
const MAP =
  'vfio_container_dma_map(0x55d5c0ffee00, 0x380000000000, 0x8000, 0x7f1234567000) = -22 (Invalid argument)';
const UNMAP =
  'vfio_container_dma_unmap(0x55d5c0ffee00, 0x100000000000, 0x100000000000) = -7 (Argument list too long)';
const TOO_BIG = 'UNMAP: Size of bitmap too big 0x20000000';
const PINNED = 'IOMMU_IOAS_MAP failed: Bad address, PCI BAR?';

const plain = (text: string) => QEMU + text;
const logfmt = (text: string) =>
  `time="2026-01-21T14:57:32.000705Z" level=error msg="${QEMU}${text}" name=containerd-shim-v2 pid=812 qemuPid=830 sandbox=abc source=virtcontainers/hypervisor subsystem=qemu`;
const json = (text: string) =>
  `{"level":"error","msg":"${QEMU}${text}","time":"2026-01-21T14:57:32.000715Z"}`;

async function told(...lines: readonly string[]) {
  const { session } = await analyzeLines(lines);
  return session.findings.map(({ rule, count, errno }) => `${rule} ${errno} x${count}`);
}

describe('a failure that two programs pass on', () => {
  it.each([
    ['logfmt and plain', logfmt, plain],
    ['plain and logfmt', plain, logfmt],
    ['logfmt and JSON', logfmt, json],
    ['plain and JSON', plain, json],
  ])('is one: %s', async (_, one, other) => {
    expect(await told(one(MAP), other(MAP))).toEqual(['VTD015 -22 x1']);
    expect(await told(one(PINNED), other(PINNED))).toEqual(['VTD015 -14 x1']);
    const both = [TOO_BIG, UNMAP].flatMap((text) => [one(text), other(text)]);
    expect(await told(...both)).toEqual(['VTD001 -7 x1']);
    const apart = [one, other].flatMap((carrier) => [carrier(TOO_BIG), carrier(UNMAP)]);
    expect(await told(...apart)).toEqual(['VTD001 -7 x1']);
  });

  it('is one that the end of a traceback says again, and several that a shell says', async () => {
    const why =
      "internal error: unable to execute QEMU command 'migrate': VFIO device doesn't support migration";
    const vdsm = `2025-03-01 09:33:01,442+0100 ERROR (migsrc/4c1f) [virt.vm] ${why} (migration:331)`;
    const traceback = ['Traceback (most recent call last):', `libvirt.libvirtError: ${why}`];
    expect(await told(vdsm, ...traceback)).toEqual(['VTD013 null x1']);
    expect(await told(traceback[1] ?? '')).toEqual(['VTD013 null x1']);
    expect(await told(...Array<string>(3).fill(`error: ${why}`))).toEqual(['VTD013 null x3']);
  });

  it('happened twice where both tell it twice', async () => {
    const later = logfmt(MAP).replace('.000705Z', '.000911Z');
    expect(await told(logfmt(MAP), plain(MAP), later, plain(MAP))).toEqual(['VTD015 -22 x2']);
  });

  it('happened twice where one of them tells it twice', async () => {
    const later = logfmt(MAP).replace('.000705Z', '.000911Z');
    expect(await told(logfmt(MAP), later)).toEqual(['VTD015 -22 x2']);
    expect(await told(plain(MAP), plain(MAP))).toEqual(['VTD015 -22 x2']);
  });

  it('is another with other numbers, or far away', async () => {
    expect(await told(logfmt(MAP), plain(MAP.replace('0x8000', '0x4000')))).toEqual([
      'VTD015 -22 x2',
    ]);
    const between = Array.from({ length: 20 }, (_, index) => `something else ${index}`);
    expect(await told(logfmt(MAP), ...between, plain(MAP))).toEqual(['VTD015 -22 x2']);
  });
});

describe('what stands in one file as well', () => {
  it('a call that a mail broke inside a number is torn', async () => {
    const broken = [`> ${QEMU}${MAP.slice(0, 45)}`, `> ${MAP.slice(45)}`];
    const { trace } = await analyzeLines(broken);
    expect(trace.losses.map(({ kind, count }) => `${kind} x${count}`)).toEqual(['torn x1']);
    expect(trace.totals.observed.failures).toBe(0);
  });

  it('the three lines of a window that sPAPR cannot make are one failure', async () => {
    const lines = [
      'qemu-system-ppc64: Failed to create a window, ret = -1 (Input/output error)',
      'qemu-system-ppc64: vfio: spapr_tce_create failed',
      'qemu-system-ppc64: hw/vfio: DMA mapping failed, unable to continue',
    ];
    const { session } = await analyzeLines(lines);
    expect(session.findings).toHaveLength(1);
  });
});

describe('a failure that is quoted with its time', () => {
  const REFUSED = 'vfio 0000:41:00.0: group 7 is not viable';
  const stamped = (time: string) => `2026-01-21T14:57:${time}Z ${QEMU}${REFUSED}`;
  const quoted = (time: string) =>
    `internal error: qemu unexpectedly closed the monitor: ${stamped(time)}`;

  it.each([
    ['the log and libvirt', [stamped('32.000705'), quoted('32.000705')], 1],
    ['libvirt twice', [quoted('32.000705'), '', quoted('32.000705')], 1],
    ['another microsecond', [quoted('32.000705'), quoted('32.000706')], 2],
    ['whole seconds, which tell nothing apart', [quoted('32'), quoted('32')], 2],
  ])('%s', async (_, lines, count) => {
    expect(await told(...lines)).toEqual([`VTD015 null x${count}`]);
  });
});

describe('an error that is handed up in logfmt', () => {
  const passed = (doing: string, error: string) =>
    `time="2026-01-21T14:57:32.000705Z" level=error msg="${doing}" error="${error}" name=containerd-shim-v2 pid=812 sandbox=abc`;
  const REFUSED = 'QMP command failed: vfio 0000:41:00.1: group 7 is not viable';

  it('is one failure', async () => {
    const [first, second] = [passed('hotplug failed', REFUSED), passed('create failed', REFUSED)];
    expect(await told(first, second)).toEqual(['VTD015 null x1']);
  });

  it('is another where the same part says it again, or with another error', async () => {
    const at = (time: string, line: string) => line.replace('.000705', time);
    const [again, other] = [
      passed('a', REFUSED),
      passed('b', REFUSED.replace('41:00.1', '42:00.1')),
    ];
    expect(await told(at('.1', again), at('.2', again))).toEqual(['VTD015 null x2']);
    expect(await told(at('.1', again), at('.2', other))).toEqual(['VTD015 null x2']);
  });
});

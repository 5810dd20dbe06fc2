import { expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';

const START =
  '2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13, kernel: 6.1';
const MACHINE = '-machine pc-q35-10.0 \\';
const TRACE = "-trace 'vfio_*' \\";
const ON = 'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=1)';
const OFF = ON.replace('enabled=1', 'enabled=0');
const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff';
const WARNING = 'qemu-system-x86_64: warning: a machine type that is on its way out';
const DMABUF =
  'qemu-system-x86_64: -device vfio-pci,host=0000:00:05.0: warning: VFIO dma-buf not supported in kernel, using mmap fallback, P2P DMA will not work';
const FAILED =
  'qemu-system-x86_64: vfio_container_dma_unmap(0x55d0c0ffee00, 0x1000, 0x1000) = -22 (Invalid argument)';
const ATTACH = 'vfio_device_attach  (0000:00:05.0) group 3';
const ISO = '2026-01-21T14:57:32.000705Z';

it.each([
  ['behind a header whose command asks for a trace', [START, MACHINE, TRACE, ON, UNMAP], true],
  ['behind a header without its command', [START, ON, UNMAP], true],
  ['behind a message of a machine that is being made', [START, MACHINE, WARNING, OFF, UNMAP], true],
  ['with an address space that is disabled', [OFF, UNMAP], true],
  ['with a warning ahead of it', [WARNING, OFF, UNMAP], true],
  ['with the attach of a device behind two warnings', [WARNING, DMABUF, ATTACH, UNMAP], true],
  ['with a stamped warning and lines of a thread', [`${ISO} ${WARNING}`, `77@1.5:${OFF}`], true],
  ['with a warning ahead of another line', [WARNING, ON, UNMAP], false],
  ['with an unmap that failed before', [FAILED, OFF, UNMAP], false],
  ['with another line', [ON, UNMAP], false],
  ['behind a header whose command asks for none', [START, MACHINE, ON, UNMAP], false],
  ['behind such a header and a message', [START, MACHINE, WARNING, ON, UNMAP], false],
] as const)('a trace that begins %s', async (_, lines, isAtBoot) => {
  const { trace } = await analyzeLines(lines);
  const isLate = trace.reasons.some((reason) => reason.includes('in the middle of the VM'));
  expect(isLate).toBe(!isAtBoot);
});

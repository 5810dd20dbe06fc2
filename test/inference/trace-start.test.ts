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

it.each([
  ['behind a header whose command asks for a trace', [START, MACHINE, TRACE, ON, UNMAP], true],
  ['behind a header without its command', [START, ON, UNMAP], true],
  ['behind a message of a machine that is being made', [START, MACHINE, WARNING, OFF, UNMAP], true],
  ['with an address space that is disabled', [OFF, UNMAP], true],
  ['with another line', [ON, UNMAP], false],
  ['behind a header whose command asks for none', [START, MACHINE, ON, UNMAP], false],
  ['behind such a header and a message', [START, MACHINE, WARNING, ON, UNMAP], false],
] as const)('a trace that begins %s', async (_, lines, isAtBoot) => {
  const { trace } = await analyzeLines(lines);
  const isLate = trace.reasons.some((reason) => reason.includes('in the middle of the VM'));
  expect(isLate).toBe(!isAtBoot);
});

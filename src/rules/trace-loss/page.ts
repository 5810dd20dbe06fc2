import type { Explanation } from '../page.ts';

export const traceLoss: Explanation = {
  id: 'VTD014',
  slug: 'trace-loss',
  title: 'Parts of the trace are lost',
  whatHappens: `
Part of the trace is missing: lines were dropped, overwritten, torn or cut
off, or what is there shows that others must have come before. From there on
vtdscope is not sure of mappings and tracking, until the next whole unmap or
replay of the device makes them known again.`,
  why: `
A trace is judged by what it holds; a line that is missing proves nothing.
Where the gap touches a verdict, the verdict is "inconclusive" and never
"clean". Failures that are in the trace stay failures.`,
  example: `
vfio_iommu_map_notify iommu UNMAP @ 0x100000 - 0x1fffff`,
  exampleNote: `
without any MAP of these addresses before it; or [11 dropped] in a binary
trace; or a last line that ends in the middle.`,
  versions: `
All. Usual causes: a log on standard error that something else writes to as
well; journald or syslog, which limit the rate; virtlogd, which rotates at 2
MiB and keeps three old files; a ring buffer of ftrace or LTTng that was too
small.`,
  whatToDo: `
Trace to a file of its own (-D), from the start of the VM, and keep standard
error as well: QEMU's failures are only there. Trace no more events than
needed: "vtdscope record" prints the options. Give rotated files together.`,
  load: async () => (await import('./index.ts')).traceLoss,
};

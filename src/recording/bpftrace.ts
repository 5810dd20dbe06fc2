import { eventsFor, numberOf, type Question, type RecordedEvent } from './events.ts';

/*
 * Scripts for bpftrace. One prints the static probes of a QEMU that was built with the dtrace backend
 * alone, in the very lines that the log backend of its version writes. The other is a witness: it
 * watches the functions themselves.
 */

/** From this version on, lines begin with an ISO time, and before it with thread and seconds. */
const ISO_SINCE = numberOf('10.2');
/** From this version on, the function that sets dirty bits is exported. */
const MARKS_SINCE = numberOf('11.0');

/** A place in the text of an event. */
const PLACE = /\{(\w+):([^}]+)\}/g;
/** What stands for all the rest of a line, and is not kept. */
const REST = /\{_:s\}$/;

/** Arguments that bpftrace passes on x86-64. */
const MOST_ARGUMENTS = 6;

/** How bpftrace prints an argument of each form; `|` separates words, which are text. */
function printed(form: string, argument: string): readonly [text: string, value: string] {
  if (form === 'x') return ['%llx', argument];
  if (form === 'p') return ['0x%llx', argument];
  if (form === 'd') return ['%d', `(int32)${argument}`];
  return ['%s', `str(${argument})`];
}

function argumentsOf(shape: string): number {
  return [...shape.replace(REST, '').matchAll(PLACE)].length;
}

/** The statement that prints an event: the line, and the values in it. */
export function printfOf(name: string, shape: string, isIso: boolean): string {
  const values: string[] = [];
  const text = shape.replace(REST, '').replace(PLACE, (_place, _name: string, form: string) => {
    const [format, value] = printed(form, `arg${values.length}`);
    values.push(value);
    return format;
  });
  const [prefix, stamp] = isIso
    ? ['%s ', ['strftime("%Y-%m-%dT%H:%M:%S.%fZ", nsecs)']]
    : ['%d@%s:', ['tid', 'strftime("%s.%f", nsecs)']];
  const line = `${prefix}${name} ${text}`.replaceAll('"', '\\"');
  return `printf("${line}\\n", ${[...stamp, ...values].join(', ')});`;
}

/** The static probes of `program`, printed as the log backend of this version of QEMU prints its events. */
export function probesScript(question: Question, version: string, program: string): string {
  const isIso = numberOf(version) >= ISO_SINCE;
  const events = eventsFor(question, version);
  const isPassed = ({ shape }: RecordedEvent) => argumentsOf(shape) <= MOST_ARGUMENTS;
  const left = events.filter((event) => !isPassed(event)).map(({ name }) => name);
  const probes = events
    .filter(isPassed)
    .map(
      ({ name, shape }) =>
        `usdt:${program}:qemu:${name}\n{\n  ${printfOf(name, shape, isIso)}\n}\n`,
    );
  return `#!/usr/bin/env bpftrace
/*
 * The trace events of QEMU ${version}, for builds that have only the dtrace backend.
 *
 *   TZ=UTC BPFTRACE_PERF_RB_PAGES=8192 bpftrace -p PID THIS_FILE -o vm.trace
 *
 * A line "Lost N events" in vm.trace: lines are missing; give it more pages. A probe that this build
 * does not have stops bpftrace: take it out. This lists those that there are:
 *
 *   bpftrace -l 'usdt:${program}:qemu:*'
${left.length === 0 ? '' : ` *\n * Left out, as bpftrace passes ${MOST_ARGUMENTS} arguments; SystemTap has them:\n${left.map((name) => ` *   ${name}\n`).join('')}`} */

${probes.join('\n')}`;
}

/**
 * Uprobes on QEMU's own functions: what each unmap of a container was called with, the address that
 * its notification carried, and what it returned; from 11.0 on also where dirty bits are set.
 */
export function witnessScript(version: string, program: string): string {
  const marks = `
/* The place of the first bit, and how many pages the bitmap covers. */
uprobe:${program}:physical_memory_set_dirty_lebitmap
{
  printf("{\\"marks\\":\\"0x%llx\\",\\"pages\\":%llu}\\n", arg1, arg2);
}
`;
  const hasMarks = numberOf(version) >= MARKS_SINCE;
  const wanted = hasMarks
    ? 'vfio_container_dma_unmap|physical_memory_set_dirty_lebitmap'
    : 'vfio_container_dma_unmap';
  return `#!/usr/bin/env bpftrace
/*
 * A witness of what QEMU ${version} really does: a line of JSON for each unmap of a VFIO container, with
 * the names of 'vtdscope --unmaps'. Record a trace at the same time, and compare.
 *
 *   bpftrace -p PID THIS_FILE -o witness.ndjson
 *
 * It needs these functions to be exported, on x86-64:
 *
 *   nm -D --defined-only ${program} | grep -E '${wanted}'
 *
 * The address is that of the notification, the fourth argument; without one it is null.
 */

struct IOMMUTLBEntry {
  uint64_t target_as;
  uint64_t iova;
  uint64_t translated_addr;
};

uprobe:${program}:vfio_container_dma_unmap
{
  @iova[tid] = arg1;
  @size[tid] = arg2;
  @entry[tid] = arg3;
  @address[tid] = (uint64)0;
  if (arg3 != 0) {
    @address[tid] = ((struct IOMMUTLBEntry *)arg3)->translated_addr;
  }
}

uretprobe:${program}:vfio_container_dma_unmap
/@size[tid]/
{
  printf("{\\"time\\":\\"%llu\\",\\"iova\\":\\"0x%llx\\",\\"size\\":\\"0x%llx\\",", nsecs, @iova[tid], @size[tid]);
  if (@entry[tid] == 0) {
    printf("\\"carriedAddress\\":null,");
  } else {
    printf("\\"carriedAddress\\":\\"0x%llx\\",", @address[tid]);
  }
  printf("\\"errno\\":%d}\\n", (int32)retval);
  delete(@iova[tid]);
  delete(@size[tid]);
  delete(@entry[tid]);
  delete(@address[tid]);
}
${hasMarks ? marks : ''}
END
{
  clear(@iova);
  clear(@size);
  clear(@entry);
  clear(@address);
}
`;
}

import { eventsFor, type Question } from './events.ts';
import { volumeLines } from './volume.ts';

/** What a trace is wanted for, of which QEMU. */
export interface Wanted {
  readonly question: Question;
  /** As `10.0`; null: any. */
  readonly version: string | null;
  /** The path of QEMU's program, for probes in it. */
  readonly program: string;
}

function namesOf({ question, version }: Wanted): readonly string[] {
  return eventsFor(question, version).map(({ name }) => name);
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

/** The file for `-trace events=`. */
export function eventsFile(wanted: Wanted): string {
  const { question, version } = wanted;
  const whose = version === null ? 'any version of QEMU' : `QEMU ${version}`;
  return lines([`# Trace events of ${whose} for vtdscope (${question})`, ...namesOf(wanted)]);
}

/** The same as options of QEMU, which need no file that QEMU may read. */
export function traceOptions(wanted: Wanted): string {
  return lines(['-msg timestamp=on', ...namesOf(wanted).map((name) => `-trace ${name}`)]);
}

/** The options in a domain of libvirt. */
export function libvirtXml(wanted: Wanted): string {
  const argument = (value: string) => `    <qemu:arg value='${value}'/>`;
  return lines([
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>",
    '  <!-- what the domain holds already; the namespace above has to be in its first line -->',
    '  <qemu:commandline>',
    ...namesOf(wanted).flatMap((name) => [argument('-trace'), argument(name)]),
    '  </qemu:commandline>',
    '</domain>',
  ]);
}

/** Commands of QEMU's own monitor that turn the events on. */
export function monitorCommands(wanted: Wanted): string {
  return lines(namesOf(wanted).map((name) => `trace-event ${name} on`));
}

/** The same for QMP, a command a line. */
export function qmpCommands(wanted: Wanted): string {
  return lines(
    namesOf(wanted).map((name) =>
      JSON.stringify({ execute: 'trace-event-set-state', arguments: { name, enable: true } }),
    ),
  );
}

/** The command for builds that have only the dtrace backend: SystemTap by QEMU's own script. */
export function systemTapCommand(wanted: Wanted): string {
  const names = namesOf(wanted).map((name, index, all) => {
    return `  ${name}${index === all.length - 1 ? ' >vm.trace' : ' \\'}`;
  });
  return lines([`qemu-trace-stap run --pid "$PID" '${wanted.program}' \\`, ...names]);
}

/** How to record, from the events to the check of what was recorded. `options`: those of the call. */
export function overview(wanted: Wanted, options: string): string {
  const { question, version } = wanted;
  const record = `vtdscope record${options}`;
  const count = namesOf(wanted).length;
  const any =
    version === null
      ? `
   QEMU warns of a name that its version does not have, and goes on; --qemu 10.0 leaves
   out what 10.0 does not have.`
      : '';
  return `${count} trace events${version === null ? '' : ` of QEMU ${version}`} (${question}).

1. The events, in a file that QEMU reads when it starts:

     ${record} --as events >vtd.events
${any === '' ? '' : `${any}\n`}
2. QEMU's command line; its messages and the trace go to standard error, into one file:

     -msg timestamp=on -trace events=vtd.events 2>>vm.log

   -D FILE would send the trace to a file and leave the messages in standard error; then give both:
   vtdscope FILE --with-stderr vm.log. Without the messages a failure is found by emulation alone
   ("active") and not seen ("observed"). Start with the VM: a trace that begins later shows
   failures, and not that there were none.

3. libvirt: virsh edit VM, with what this prints before </domain>:

     ${record} --as libvirt

   The trace is in /var/log/libvirt/qemu/VM.log, with time stamps. virtlogd keeps four files of
   2 MiB: set max_size and max_backups in /etc/libvirt/virtlogd.conf before a long trace.

4. A VM that runs already:

     ${record} --as qmp | while read -r command; do
       virsh qemu-monitor-command VM "$command" </dev/null
     done

   On a QMP socket of your own, {"execute": "qmp_capabilities"} comes first; --as hmp prints
   commands for the monitor. What happened before is not in the trace.

5. Builds that have only the dtrace backend (RHEL, Fedora: -trace prints nothing there), as root:

     export PID=$(pgrep -f 'guest=VM,')
     ${record} --as systemtap | sh

   It writes vm.trace. Without SystemTap, this makes a script for bpftrace, for QEMU ${version ?? '10.0'}:

     ${record}${version === null ? ' --qemu 10.0' : ''} --as bpftrace >vtd.bt

   perf cannot be used: of a text it prints the address, so that MAP and UNMAP look the same.
   QEMU's messages are not among the probes: failures are found by emulation.

6. How much it is, with time stamps, as measured:

${volumeLines(question)
  .map((line) => `     ${line}\n`)
  .join('')}
7. Whether it is enough:

     vtdscope inspect vm.log

   It says what is in the trace, what is missing and whether a verdict is possible.
`;
}

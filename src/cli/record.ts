import { Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { probesScript, witnessScript } from '../recording/bpftrace.ts';
import { type Question, questions } from '../recording/events.ts';
import {
  eventsFile,
  libvirtXml,
  monitorCommands,
  overview,
  qmpCommands,
  systemTapCommand,
  traceOptions,
  type Wanted,
} from '../recording/recipes.ts';
import { print } from './outputs.ts';
import { hint } from './suggestions.ts';
import type { Terminal } from './terminal.ts';

interface Flags {
  readonly for: string;
  readonly qemu?: string;
  readonly as: Form;
  readonly witness?: string;
  readonly program: string;
}

/** What can be printed, each with what makes it. */
const forms = {
  overview: null,
  events: eventsFile,
  options: traceOptions,
  libvirt: libvirtXml,
  hmp: monitorCommands,
  qmp: qmpCommands,
  systemtap: systemTapCommand,
  bpftrace: (wanted: Wanted) => probesScript(wanted.question, versionOf(wanted), wanted.program),
} as const satisfies Readonly<Record<string, ((wanted: Wanted) => string) | null>>;
type Form = keyof typeof forms;

const EXAMPLES = `
Examples:
  vtdscope record                                   how to record, in seven points
  vtdscope record --qemu 10.0 --as events >vtd.events
  vtdscope record --as libvirt                      for a domain of libvirt
  vtdscope record --for VTD001 --as qmp             for a VM that runs already
  vtdscope record --witness bpftrace --qemu 11.1    what QEMU's functions really get and return`;

/** `record`: how to capture a trace that answers a question. */
export function recordCommand(terminal: Terminal): Command {
  return new Command('record')
    .description('how to capture a trace: options of QEMU, libvirt, QMP, SystemTap, bpftrace')
    .option('--for <what>', `${Object.keys(questions).join(', ')}, or a rule`, 'verdict')
    .option('--qemu <version>', 'the version of QEMU, as 10.0', version)
    .addOption(
      new Option('--as <form>', 'what to print').choices(Object.keys(forms)).default('overview'),
    )
    .addOption(
      new Option('--witness <tool>', "a script that watches QEMU's own functions").choices([
        'bpftrace',
      ]),
    )
    .option('--program <path>', "QEMU's program, for probes in it", '/usr/libexec/qemu-kvm')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const text = await textOf(flags);
      await print([text], terminal.stdout, terminal.signal);
    });
}

function version(text: string): string {
  const [whole] = /^\d{1,2}\.\d{1,2}(?=$|\.\d{1,3}$)/.exec(text) ?? [];
  if (whole === undefined) throw new InvalidArgumentError('Expected a version such as 10.0.');
  return whole;
}

async function textOf(flags: Flags): Promise<string> {
  const { as, program, qemu = null, witness } = flags;
  // A path stands in scripts, where these would end it.
  if (!/^[\w./+-]+$/.test(program)) {
    throw new UsageError(`--program ${program}: letters, digits and ./+-_ only`);
  }
  const wanted: Wanted = { question: await questionOf(flags.for), version: qemu, program };
  if (witness !== undefined) return witnessScript(versionOf(wanted), program);
  const make = forms[as];
  if (make !== null) return make(wanted);
  const options = `${flags.for === 'verdict' ? '' : ` --for ${flags.for}`}${qemu === null ? '' : ` --qemu ${qemu}`}`;
  return overview(wanted, options);
}

/** Probes and functions are those of one version. */
function versionOf({ version }: Wanted): string {
  if (version === null) throw new UsageError('a script for bpftrace needs --qemu, as --qemu 10.0');
  return version;
}

/** The question that an argument means: by its name, or the one that a rule needs. */
async function questionOf(text: string): Promise<Question> {
  const named = Object.keys(questions).find((name) => name === text);
  if (named !== undefined) return named as Question;
  // Loaded here: most have no use for it.
  const { rulePages } = await import('../rules/pages.ts');
  const wanted = text.toLowerCase();
  const page = rulePages.find(({ id, slug }) => id.toLowerCase() === wanted || slug === wanted);
  if (page === undefined) {
    const known = [...Object.keys(questions), ...rulePages.map(({ id }) => id)];
    throw new UsageError(
      `--for ${text}: expected ${Object.keys(questions).join(', ')} or a rule${hint(text, known)}`,
    );
  }
  return RULES_OF_FAILURES.has(page.id) ? 'failures' : 'verdict';
}

/** Rules that need no more than the events that show failures. */
export const RULES_OF_FAILURES: ReadonlySet<string> = new Set([
  'VTD001',
  'VTD007',
  'VTD008',
  'VTD012',
]);

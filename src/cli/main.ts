import { Command, CommanderError, Help, Option } from 'commander';
import { defectOf, messageOf, systemReasonOf, TraceError, UsageError } from '../base/errors.ts';
import { plain } from '../base/plain.ts';
import { toolVersion } from '../result/version.ts';
import { analyzeCommand, examples } from './analyze.ts';
import { compareCommand } from './compare.ts';
import { completionCommand } from './completion.ts';
import { convertCommand } from './convert.ts';
import { exitStatus } from './exit-status.ts';
import { explainCommand } from './explain.ts';
import { folded } from './folded.ts';
import { generateCommand } from './generate.ts';
import { guideCommand } from './guide.ts';
import { inspectCommand } from './inspect.ts';
import { manualCommand } from './manual.ts';
import { mergeCommand } from './merge.ts';
import { queueCommands } from './queue.ts';
import { recordCommand } from './record.ts';
import { redactCommand } from './redact.ts';
import { nearest } from './suggestions.ts';
import {
  type ColorChoice,
  colorChoices,
  columnsOf,
  type Terminal,
  wantsColor,
} from './terminal.ts';
import { whatIfCommand } from './what-if.ts';

interface GlobalFlags {
  readonly color: ColorChoice;
  readonly quiet?: boolean;
  readonly verbose: number;
}

/** Options that every command has; they are read before the command runs. */
function addGlobalOptions(command: Command): Command {
  return command
    .addOption(new Option('--color <when>', 'colours').choices([...colorChoices]).default('auto'))
    .option('-q, --quiet', 'only the verdict')
    .option('-v, --verbose', 'more; may be repeated', (_, before: number) => before + 1, 0);
}

/** Runs the program: parses the command line, runs the command, sets the exit status. */
export async function main(process: NodeJS.Process): Promise<void> {
  const interrupt = new AbortController();
  let status: number = exitStatus.clean;
  let flags: GlobalFlags = { color: 'auto', verbose: 0 };
  const terminal: Terminal = {
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupt.signal,
    get columns() {
      return columnsOf(process.env, process.stdout);
    },
    get color() {
      return wantsColor(flags.color, process.env, process.stdout);
    },
    get verbosity() {
      return flags.quiet === true ? -1 : flags.verbose;
    },
    get commands() {
      return program.commands.map((command) => command.name());
    },
    complain: (message) => process.stderr.write(`vtdscope: ${printable(message)}\n`),
    exitWith: (value) => {
      status = value;
    },
  };
  const output = watchOutput(process);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupt.abort());
  }
  // Where a worker has started it: it ends with the worker.
  process.once('disconnect', () => interrupt.abort());
  // Which may have been before anything listened here.
  if (process.connected === false) interrupt.abort();
  process.channel?.unref();

  // What nobody waits for can fail, too: a thread, for one. What is under way is taken away first.
  let hasFailed = false;
  process.on('uncaughtException', (thrown) => {
    // Others that follow, of the same cause mostly, say no more.
    if (!hasFailed) status = statusOf(thrown, STILL, terminal);
    hasFailed = true;
    interrupt.abort();
  });

  // What does not look whether it is interrupted, as it reads a line of gigabytes, is not waited for.
  interrupt.signal.addEventListener('abort', () => {
    const end = () => process.exit(hasFailed ? status : exitStatus.interrupted);
    setTimeout(end, GRACE_MILLISECONDS).unref();
  });

  const program = addGlobalOptions(new Command('vtdscope'))
    .description(
      "Replays QEMU's VT-d and VFIO trace logs and finds DMA unmaps that fail with E2BIG, or lose dirty pages, during live migration.",
    )
    .version(toolVersion(), '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => terminal.columns,
      outputError: (text, write) =>
        write(printable(text.replace(/^error: /, 'vtdscope: ') + meant(text))),
    });
  const analyze = addGlobalOptions(analyzeCommand(terminal));
  program.addCommand(analyze, { isDefault: true });
  program.addCommand(compareCommand(terminal));
  program.addCommand(whatIfCommand(terminal));
  program.addCommand(redactCommand(terminal));
  program.addCommand(inspectCommand(terminal));
  program.addCommand(convertCommand(terminal));
  program.addCommand(explainCommand(terminal));
  program.addCommand(mergeCommand(terminal));
  for (const command of queueCommands(terminal)) program.addCommand(command);
  program.addCommand(generateCommand(terminal));
  program.addCommand(recordCommand(terminal));
  program.addCommand(guideCommand(terminal));
  program.addCommand(completionCommand(terminal, program));
  program.addCommand(manualCommand(terminal, program));
  for (const command of program.commands) {
    command
      .copyInheritedSettings(program)
      .showHelpAfterError(`(vtdscope ${command.name()} --help shows all options)`);
  }
  program.configureHelp({
    formatHelp: (_, helper) => folded(mainHelp(program, analyze, helper), terminal.columns),
  });
  program.addHelpText('after', () => folded(examples, terminal.columns));
  program.hook('preAction', (_, action) => {
    // The program itself reads them wherever they stand.
    flags = action.optsWithGlobals<GlobalFlags>();
  });
  try {
    await program.parseAsync(process.argv);
  } catch (thrown) {
    if (output.error === null && !hasFailed) status = statusOf(thrown, interrupt.signal, terminal);
  }
  // Nothing that still waits for a pipe may keep an interrupted program alive.
  if (interrupt.signal.aborted) process.exit(status);
  // Where output has failed, or fails from here on, the status is that of it.
  if (output.error === null) process.exitCode = status;
}

/** A message as it may go to a terminal: names of files and arguments can hold anything. */
function printable(message: string): string {
  return message.split('\n').map(plain).join('\n');
}

/** What may have been meant by a value that is none of the allowed ones. */
function meant(complaint: string): string {
  const [, word, allowed] =
    /(?:argument|value) '(.*?)' is invalid(?: for argument '\w+')?\. Allowed choices are (.*)\.$/m.exec(
      complaint,
    ) ?? [];
  const near = word === undefined ? null : nearest(word, allowed?.split(', ') ?? []);
  return near === null ? '' : `(Did you mean ${near}?)\n`;
}

/** The help of the program: that of its main command, with the list of the others. */
function mainHelp(program: Command, main: Command, helper: Help): string {
  const others = helper.visibleCommands(program).filter((command) => command !== main);
  const width = Math.max(...others.map((command) => helper.subcommandTerm(command).length));
  const list = others.map((command) =>
    helper.formatItem(
      helper.subcommandTerm(command),
      width,
      helper.subcommandDescription(command),
      helper,
    ),
  );
  const help = new Help();
  help.prepareContext({ helpWidth: helper.helpWidth ?? 80 });
  help.commandUsage = () => 'vtdscope [analyze] [options] [inputs...]';
  const version = program.options.filter(({ long }) => long === '--version');
  const listed = helper.visibleOptions(main);
  help.visibleOptions = () => [...listed, ...version];
  help.commandDescription = () => helper.commandDescription(program);
  return `${help.formatHelp(main, help)}\nOther commands:\n${list.join('\n')}\n`;
}

/** How long an interrupted program may take to put away what it has begun. */
const GRACE_MILLISECONDS = 8000;
/** A signal that nobody aborts. */
const STILL = new AbortController().signal;

function statusOf(thrown: unknown, signal: AbortSignal, terminal: Terminal): number {
  if (signal.aborted) return exitStatus.interrupted;
  // Commander has said what is wrong, or printed the help that was asked for.
  if (thrown instanceof CommanderError)
    return thrown.exitCode === 0 ? exitStatus.clean : exitStatus.unusable;
  if (thrown instanceof UsageError || thrown instanceof TraceError)
    terminal.complain(thrown.message);
  else {
    const details = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown);
    terminal.complain(defectOf(thrown, details));
  }
  return exitStatus.unusable;
}

/**
 * Sets the status where standard output fails. `| head` closes the pipe when it has enough, which
 * is no error; a full disk is one.
 */
function watchOutput(process: NodeJS.Process): { readonly error: Error | null } {
  const watched: { error: Error | null } = { error: null };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (watched.error !== null) return;
    watched.error = error;
    const isClosed = error.code === 'EPIPE';
    process.exitCode = isClosed ? exitStatus.clean : exitStatus.unusable;
    if (!isClosed) {
      process.stderr.write(
        `vtdscope: standard output cannot be written: ${systemReasonOf(error)}\n`,
      );
    }
  });
  // What cannot be said to anybody is not worth dying for.
  process.stderr.on('error', () => {});
  return watched;
}

import { Command, Option } from 'commander';
import { comparedInput } from '../engine/comparison.ts';
import { redactResult } from '../result/redaction.ts';
import { exitStatus } from './exit-status.ts';
import { type ModelFlags, modelFrom, modelOptions } from './model-options.ts';
import {
  addOutput,
  fileOutputs,
  type Output,
  print,
  reportNamed,
  reportNames,
  writeOutputs,
} from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface RedactFlags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output[];
}

const EXAMPLES = `
Examples:
  vtdscope redact result.json > public.json      a result of '-f json'
  vtdscope redact qemu.log -f html > public.html a trace: what is found in it

Exit status: 0 done; 2 the input or an option cannot be used.`;

/** `redact`: a result, or that of a trace, without addresses, names and paths. */
export function redactCommand(terminal: Terminal): Command {
  const command = new Command('redact')
    .description('a result without addresses of the guest, pointers, names and paths')
    .argument('<input>', "a result of '--format json', or a trace")
    .addOption(
      new Option('-f, --format <name>', 'report on standard output')
        .choices([...reportNames])
        .default('json'),
    )
    .option('-o, --output <format=path>', 'another report to a file; may be repeated', addOutput);
  for (const option of modelOptions()) command.addOption(option);
  command.addHelpText('after', EXAMPLES);
  command.action(async (path: string, flags: RedactFlags) => {
    await redact(path, flags, terminal);
  });
  return command;
}

async function redact(path: string, flags: RedactFlags, terminal: Terminal): Promise<void> {
  const { format, output = [] } = flags;
  const { color, columns, signal, verbosity } = terminal;
  const options = { color, verbosity, width: columns };
  const read = { model: modelFrom(flags), maxDecompressedBytes: null, signal };
  const make = async () => redactResult((await comparedInput(path, read)).result);
  const shown = await writeOutputs(fileOutputs(output, options), [path], make, signal);
  await print(reportNamed(format).render(shown, options), terminal.stdout, signal);
  terminal.exitWith(exitStatus.clean);
}

import { Command, Option } from 'commander';
import { whatIfOf } from '../engine/what-if.ts';
import { type WhatIfReport, whatIfReports } from '../reports/what-if/index.ts';
import { exitStatus } from './exit-status.ts';
import {
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { addReportOptions, type Output, print, wideOutputs, writeOutputs } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface WhatIfFlags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output<WhatIfReport>[];
  readonly iommufdTracks: 'yes' | 'no';
  readonly maxDecompressed?: number;
}

const known = new Map(Object.entries(whatIfReports));
/** What the table itself goes through, or each of its machines has in its own way. */
const OF_MACHINES = new Set(['--qemu', '--backend', '--host-page-size', '--aw-bits']);

const EXAMPLES = `
Examples:
  vtdscope whatif qemu.log                        what each machine would do
  vtdscope whatif qemu.log -f json                the same for programs
  vtdscope whatif qemu.log -o html=machines.html  a page to pass on

Exit status: 0 done; 2 the input or an option cannot be used.`;

/** `whatif`: the same trace under other versions of QEMU, containers, widths and page sizes. */
export function whatIfCommand(terminal: Terminal): Command {
  const command = addReportOptions(new Command('whatif'), known)
    .description('the same trace under each QEMU, container, width and page size')
    .argument('<trace>', "a trace, plain or compressed, or '-' for standard input")
    .addOption(
      new Option(
        '--iommufd-tracks <yes|no>',
        "whether the host's IOMMU tracks dirty pages, if no line tells it",
      )
        .choices(['yes', 'no'])
        .default('yes'),
    )
    .addOption(maxDecompressedOption());
  for (const option of modelOptions()) {
    if (!OF_MACHINES.has(option.long ?? '')) command.addOption(option);
  }
  command.addHelpText('after', EXAMPLES);
  command.action(async (path: string, flags: WhatIfFlags) => {
    await whatIf(path, flags, terminal);
  });
  return command;
}

async function whatIf(path: string, flags: WhatIfFlags, terminal: Terminal): Promise<void> {
  const { format, iommufdTracks, maxDecompressed = null, output = [] } = flags;
  const { signal } = terminal;
  const options = {
    model: modelFrom(flags),
    iommufdTracks: iommufdTracks === 'yes',
    maxDecompressedBytes: maxDecompressed,
    signal,
  };
  const make = async () => (await whatIfOf(path, options)).whatIf;
  const machines = await writeOutputs(wideOutputs(output), [path], make, signal);
  await print(known.get(format)?.(machines, terminal.columns) ?? [], terminal.stdout, signal);
  terminal.exitWith(exitStatus.clean);
}

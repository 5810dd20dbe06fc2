import { Command, Option } from 'commander';
import { findInputs } from '../bytes/inputs.ts';
import { RunFiles } from '../engine/outputs.ts';
import { refuseToOverwrite } from '../engine/overwriting.ts';
import { whatIfOf } from '../engine/what-if.ts';
import { type WhatIfReport, whatIfReports } from '../reports/what-if/index.ts';
import type { WhatIf } from '../result/what-if.ts';
import { exitStatus } from './exit-status.ts';
import {
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { type Output, outputAdder, print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface WhatIfFlags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output<WhatIfReport>[];
  readonly iommufdTracks: 'yes' | 'no';
  readonly maxDecompressed?: number;
}

const known = new Map(Object.entries(whatIfReports));
const NO_TABLES = { unmaps: null, mappings: null };
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
  const command = new Command('whatif')
    .description('the same trace under each QEMU, container, width and page size')
    .argument('<trace>', "a trace, plain or compressed, or '-' for standard input")
    .addOption(
      new Option('-f, --format <name>', 'report on standard output')
        .choices([...known.keys()])
        .default('text'),
    )
    .option(
      '-o, --output <format=path>',
      'another report to a file; may be repeated',
      outputAdder(known),
    )
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
  const outputs = output.map((one) => ({
    path: one.path,
    render: (machines: WhatIf) => one.report(machines, 80),
  }));
  const paths = outputs.map((one) => one.path);
  await refuseToOverwrite(paths, ['/dev/stdout'], await findInputs([path]));
  const files = new RunFiles<WhatIf>(NO_TABLES, outputs);
  let machines: WhatIf;
  try {
    const replay = await whatIfOf(path, {
      model: modelFrom(flags),
      iommufdTracks: iommufdTracks === 'yes',
      maxDecompressedBytes: maxDecompressed,
      signal,
    });
    machines = replay.whatIf;
    await files.write(machines, signal);
  } finally {
    files.discard();
  }
  await print(known.get(format)?.(machines, terminal.columns) ?? [], terminal.stdout, signal);
  terminal.exitWith(exitStatus.clean);
}

import { Command } from 'commander';
import { jsonText } from '../base/json-text.ts';
import { inspectTrace } from '../engine/inspection.ts';
import { inspectionOf } from '../reports/inspection/inspection.ts';
import { textOfInspection } from '../reports/inspection/text.ts';
import { exitStatus } from './exit-status.ts';
import { maxDecompressedOption } from './model-options.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface InspectFlags {
  readonly json?: boolean;
  readonly maxDecompressed?: number;
}

/** `inspect`: what a trace is, what it holds, and whether that is enough for a verdict. */
export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('what a trace is and holds, and what to enable next time')
    .argument('<input>', "a trace, or '-' for standard input")
    .option('--json', 'for programs')
    .addOption(maxDecompressedOption())
    .action(async (input: string, flags: InspectFlags) => {
      const { signal } = terminal;
      const maxDecompressedBytes = flags.maxDecompressed ?? null;
      const { messages, replayed, trace } = await inspectTrace(input, {
        maxDecompressedBytes,
        signal,
      });
      const inspection = inspectionOf(trace, replayed, messages);
      const pieces =
        flags.json === true
          ? [`${jsonText(inspection, 2)}\n`]
          : textOfInspection(inspection, terminal.columns);
      await print(pieces, terminal.stdout, signal);
      terminal.exitWith(exitStatus.clean);
    });
}

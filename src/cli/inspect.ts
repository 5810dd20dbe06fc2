import { Command } from 'commander';
import { parseSize } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { jsonText } from '../base/json-text.ts';
import { inspectTrace } from '../engine/inspection.ts';
import { inspectionOf } from '../reports/inspection/inspection.ts';
import { textOfInspection } from '../reports/inspection/text.ts';
import { exitStatus } from './exit-status.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface InspectFlags {
  readonly json?: boolean;
  readonly maxDecompressed?: string;
}

/** `inspect`: what a trace is, what it holds, and whether that is enough for a verdict. */
export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('what a trace is and holds, and what to enable next time')
    .argument('<input>', "a trace, or '-' for standard input")
    .option('--json', 'for programs')
    .option('--max-decompressed <size>', 'read no more than so much of a compressed trace')
    .action(async (input: string, flags: InspectFlags) => {
      const { signal } = terminal;
      const maxDecompressedBytes = bytesOf(flags.maxDecompressed);
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

function bytesOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = parseSize(text);
  if (value === undefined) throw new UsageError(`--max-decompressed: ${text} is no size`);
  return Number(value);
}

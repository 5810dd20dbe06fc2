import { Command, Option } from 'commander';
import { NewFile } from '../bytes/new-file.ts';
import { convertedTrace, type Notation, notations } from '../engine/conversion.ts';
import { exitStatus } from './exit-status.ts';
import { maxDecompressedOption } from './model-options.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface ConvertFlags {
  readonly to: Notation;
  readonly output?: string;
  readonly redactHost?: boolean;
  readonly join?: boolean;
  readonly maxDecompressed?: number;
  readonly traceEventsAll?: string;
  readonly withStderr?: string;
}

const EXAMPLES = `
Examples:
  vtdscope convert trace.bin > events.ndjson        an event in each line
  vtdscope convert --to log trace.bin -o trace.log  as QEMU's log has them
  vtdscope events.ndjson                            the result is the same

Exit status: 0 done; 2 the input or an option cannot be used.`;

/** `convert`: a trace of any format as one event in each line, of which an analysis says the same. */
export function convertCommand(terminal: Terminal): Command {
  return new Command('convert')
    .description('the events of a trace of any format, in one notation')
    .argument('<input...>', "a trace, or '-' for standard input")
    .addOption(
      new Option('--to <notation>', 'JSON in lines, or a log as of QEMU')
        .choices([...notations])
        .default('ndjson'),
    )
    .option('-o, --output <file>', 'write to a file, and not to standard output')
    .option('--redact-host', "without names, paths, and the host's pointers and devices")
    .option('--with-stderr <file>', "QEMU's messages, where -D sent only the trace to its file")
    .addOption(maxDecompressedOption())
    .option('--join', 'the inputs are pieces of one log: log.2.gz log.1 log')
    .option('--trace-events-all <file>', 'events of the QEMU that wrote a binary trace')
    .addHelpText('after', EXAMPLES)
    .action(async (inputs: readonly string[], flags: ConvertFlags) => {
      await convert(inputs, flags, terminal);
      terminal.exitWith(exitStatus.clean);
    });
}

async function convert(
  inputs: readonly string[],
  flags: ConvertFlags,
  { signal, stdout }: Terminal,
): Promise<void> {
  const { join, maxDecompressed, output, redactHost, to, traceEventsAll, withStderr } = flags;
  const pieces = await convertedTrace({
    inputs,
    hidesHost: redactHost === true,
    isJoined: join === true,
    maxDecompressedBytes: maxDecompressed ?? null,
    notation: to,
    outputs: output === undefined ? [] : [{ path: output }],
    signal,
    stderr: withStderr ?? null,
    traceEvents: traceEventsAll ?? null,
  });
  if (output === undefined) {
    for await (const piece of pieces) await print([piece], stdout, signal);
    return;
  }
  try {
    await writeTo(new NewFile(output), pieces);
  } finally {
    await pieces.return(undefined);
  }
}

async function writeTo(file: NewFile, pieces: AsyncIterable<string>): Promise<void> {
  try {
    for await (const piece of pieces) file.write(piece);
    file.finish();
    file.place();
  } finally {
    file.discard();
  }
}

import { Command, InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { NewFile } from '../bytes/new-file.ts';
import type {
  EventSet,
  Simulation,
  SimulationOptions,
  ViommuKind,
} from '../tools/simulator/index.ts';
import { QEMU_VERSIONS, type QemuVersion } from '../tools/simulator/qemu-profile.ts';
import { count } from './model-options.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface Flags {
  readonly seed: number;
  readonly qemu: QemuVersion;
  readonly viommu: ViommuKind;
  readonly backend: SimulationOptions['backend'];
  readonly awBits?: string;
  readonly hostPageSize: string;
  readonly ramSize: bigint;
  readonly devices: string;
  readonly migratable?: boolean;
  readonly events: EventSet;
  readonly timestamps?: boolean;
  readonly libvirt?: boolean;
  readonly noise: number;
  readonly acts: number;
  readonly bytes?: bigint;
  readonly live: number;
  readonly truth?: string;
}

const EVENT_SETS: readonly EventSet[] = [
  'standard',
  'everything',
  'no-skips',
  'no-walk',
  'vtd-vfio',
  'vfio',
  'minimal',
];

/** Characters gathered before they are written. */
const PIECE_CHARACTERS = 1024 * 1024;
const FOUR_LEVELS = 48;
const THREE_LEVELS = 39;

function size(text: string): bigint {
  const value = parseSize(text);
  if (value === undefined || value === 0n) {
    throw new InvalidArgumentError('Expected a size such as 100k, 1G.');
  }
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError('Expected a number from 0 to below 1.');
  }
  return value;
}

const EXAMPLES = `
Examples:
  vtdscope generate --seed 3 > trace.log     a short log of all that can happen
  vtdscope generate --bytes 1g | vtdscope -  a large one, analysed from a pipe
  vtdscope generate --viommu amd --qemu 11.1 --migratable > trace.log
  vtdscope generate --qemu 11.0 --truth truth.json > trace.log`;

/** `generate`: a coherent trace from a seed, played by the simulator. */
export function generateCommand(terminal: Terminal): Command {
  return new Command('generate')
    .description('write a synthetic, coherent trace, from a seed')
    .option('--seed <n>', 'equal seeds and options give equal bytes', count(0), 1)
    .addOption(
      new Option('--qemu <version>', 'version of QEMU').choices(QEMU_VERSIONS).default('10.0'),
    )
    .addOption(
      new Option('--viommu <kind>', 'the emulated IOMMU: VT-d, AMD-Vi, virtio-iommu')
        .choices(['intel', 'amd', 'virtio'])
        .default('intel'),
    )
    .addOption(
      new Option('--backend <kind>', 'kind of VFIO container')
        .choices(['legacy', 'iommufd', 'vfio-user'])
        .default('legacy'),
    )
    .addOption(
      new Option('--aw-bits <bits>', "the emulated IOMMU's address width")
        .choices(['39', '48'])
        .default('48'),
    )
    .addOption(
      new Option('--host-page-size <size>', "the host's pages")
        .choices(['4k', '16k', '64k'])
        .default('4k'),
    )
    .addOption(
      new Option('--ram-size <size>', "the guest's RAM").argParser(size).default(2n ** 30n, '1g'),
    )
    .addOption(new Option('--devices <n>', 'assigned devices').choices(['1', '2']).default('1'))
    .option('--migratable', 'the device can be migrated: migrations run, and dirty syncs walk')
    .addOption(
      new Option('--events <set>', 'which events are traced')
        .choices(EVENT_SETS)
        .default('standard'),
    )
    .option('--timestamps', 'as with -msg timestamp=on')
    .option('--libvirt', "begin with libvirt's start line and QEMU's command line")
    .option('--noise <share>', 'share of lines that mean nothing', share, 0)
    .option('--acts <n>', 'so many acts of guest and host', count(1), 200)
    .option('--bytes <size>', 'as many acts as make this many bytes, mostly map and unmap', size)
    .option('--live <n>', 'live mappings of a domain at most', count(1), 512)
    .option('--truth <file>', 'write what really happened, as JSON (not with --bytes)')
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => generate(flags, terminal));
}

async function simulationOf(flags: Flags): Promise<Simulation> {
  // Loaded here: analyses have no use for it, and start sooner.
  const { Simulation, simulationOptions } = await import('../tools/simulator/index.ts');
  const { qemu, bytes, viommu } = flags;
  // Not before 10.2 does a trace have a time without a thread.
  const stamp = ['10.2', '11.0', '11.1'].includes(qemu) ? 'iso' : 'tid';
  // The simulator takes the nearest that there was.
  const options = simulationOptions({ qemu, viommu, backend: flags.backend });
  if (options.qemu !== qemu) {
    throw new UsageError(`QEMU ${qemu} has no VFIO behind ${viommu} that is known; take 11.1`);
  }
  if (options.backend !== flags.backend) {
    const where = viommu === 'intel' ? '' : ` behind ${viommu}`;
    throw new UsageError(`QEMU ${qemu} has no ${flags.backend} container${where}`);
  }
  const awBits = Number(flags.awBits) === THREE_LEVELS ? THREE_LEVELS : FOUR_LEVELS;
  return new Simulation({
    seed: flags.seed,
    qemu,
    viommu,
    backend: flags.backend,
    awBits,
    hostPageSize: Number(parseSize(flags.hostPageSize)) as SimulationOptions['hostPageSize'],
    ramSize: flags.ramSize,
    below4g: flags.ramSize < 0xb000_0000n ? flags.ramSize : 0x8000_0000n,
    devices: flags.devices === '2' ? 2 : 1,
    migratable: flags.migratable === true,
    events: flags.events,
    prefix: flags.timestamps === true ? stamp : 'none',
    libvirtHeader: flags.libvirt === true,
    noise: flags.noise,
    liveMappings: flags.live,
    ...(bytes === undefined
      ? { steps: flags.acts }
      : {
          mix: 'bulk',
          sparseTables: false,
          keepRecords: false,
          steps: Number.MAX_SAFE_INTEGER,
          bytes: Number(bytes),
        }),
  });
}

function* textOf(simulation: Simulation, signal: AbortSignal): Generator<string> {
  let piece = '';
  for (let text = simulation.step(); text !== ''; text = simulation.step()) {
    piece += text;
    if (piece.length < PIECE_CHARACTERS) continue;
    signal.throwIfAborted();
    yield piece;
    piece = '';
  }
  yield piece;
}

async function generate(flags: Flags, terminal: Terminal): Promise<void> {
  if (flags.truth !== undefined && flags.bytes !== undefined) {
    throw new UsageError('--truth keeps every unmap in memory, and is not for --bytes; use --acts');
  }
  const truth = flags.truth === undefined ? null : new NewFile(flags.truth);
  try {
    const simulation = await simulationOf(flags);
    await print(textOf(simulation, terminal.signal), terminal.stdout, terminal.signal);
    const text = JSON.stringify(simulation.truth, hexadecimal, 1);
    truth?.write(`${text}\n`);
    truth?.finish();
    truth?.place();
  } finally {
    truth?.discard();
  }
}

/** Addresses as in results. */
function hexadecimal(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}

import { InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { backends } from '../base/vocabulary.ts';
import { profileNamed } from '../emulation/profiles/index.ts';
import type { ModelOptions } from '../inference/machine.ts';

/** The model options as commander hands them over. */
export interface ModelFlags {
  readonly qemu?: string;
  readonly backend?: string;
  readonly hostPageSize?: number;
  readonly maxDirtyBitmap?: number;
  readonly awBits?: string;
  readonly dmaEntryLimit?: number;
  readonly ramSize?: bigint;
  readonly below4g?: bigint;
  readonly tracking?: 'from-trace' | 'on' | 'off';
}

const FOUR_GIB = 1n << 32n;

function size(text: string): bigint {
  const value = parseSize(text);
  if (value === undefined) throw new InvalidArgumentError('Expected a size such as 4096, 16k, 2G.');
  return value;
}

function smallSize(text: string): number {
  const value = size(text);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new InvalidArgumentError('It is too large.');
  return Number(value);
}

function pageSize(text: string): number {
  const value = smallSize(text);
  if (![4096, 16_384, 65_536].includes(value)) {
    throw new InvalidArgumentError('Expected 4k, 16k or 64k.');
  }
  return value;
}

/** A whole number from `least` on. */
export function count(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

function version(text: string): string {
  if (text !== 'auto' && profileNamed(text) === undefined) {
    throw new InvalidArgumentError('Expected auto, a version such as 10.0, v4-patch or v5-patch.');
  }
  return text;
}

/** Options by which the user overrules what the trace tells, or fills in what it does not. */
export function modelOptions(): readonly Option[] {
  return [
    new Option('--qemu <version>', 'behave like this QEMU: auto, x.y, v4-patch, v5-patch')
      .argParser(version)
      .default('auto'),
    new Option('--backend <kind>', 'kind of VFIO container')
      .choices(['auto', ...backends])
      .default('auto'),
    new Option('--host-page-size <size>', "the host's pages: 4k, 16k or 64k").argParser(pageSize),
    new Option(
      '--max-dirty-bitmap <bytes>',
      'largest dirty bitmap the container accepts',
    ).argParser(smallSize),
    new Option('--aw-bits <bits>', "the emulated IOMMU's address width")
      .choices(['auto', '39', '48', '57'])
      .default('auto'),
    new Option('--dma-entry-limit <n>', 'mappings that the container accepts').argParser(count(1)),
    new Option('--ram-size <size>', "the guest's RAM").argParser(size),
    new Option('--below-4g <size>', 'RAM below 4 GiB').argParser(size),
    new Option(
      '--tracking <state>',
      'whether dirty tracking was on, for a trace that does not show it',
    )
      .choices(['from-trace', 'on', 'off'])
      .default('from-trace'),
  ];
}

/** How much of a compressed trace is read at most, in bytes. */
export function maxDecompressedOption(): Option {
  return new Option(
    '--max-decompressed <size>',
    'read no more than so much of a compressed trace',
  ).argParser(smallSize);
}

/** What the flags mean to the model. */
export function modelFrom(flags: ModelFlags): ModelOptions {
  const { qemu = 'auto', backend = 'auto', awBits = 'auto', ramSize, below4g } = flags;
  return {
    qemu: qemu === 'auto' ? null : (profileNamed(qemu) ?? null),
    backend: backends.find((known) => known === backend) ?? null,
    hostPageSize: flags.hostPageSize ?? null,
    bitmapLimit: flags.maxDirtyBitmap ?? null,
    awBits: awBits === 'auto' ? null : Number(awBits),
    entryLimit: flags.dmaEntryLimit ?? null,
    ram: ramFrom(ramSize, below4g),
    tracking: flags.tracking ?? 'from-trace',
  };
}

function ramFrom(total: bigint | undefined, below: bigint | undefined): ModelOptions['ram'] {
  if (total === undefined && below === undefined) return null;
  if (below !== undefined && below > (total ?? below)) {
    throw new UsageError('--below-4g cannot be more than --ram-size');
  }
  if (below !== undefined && below > FOUR_GIB) throw new UsageError('--below-4g: at most 4g');
  const pages = (bytes: bigint) => Number(bytes >> 12n);
  return {
    total: pages(total ?? below ?? 0n),
    below: below === undefined ? -1 : pages(below),
  };
}

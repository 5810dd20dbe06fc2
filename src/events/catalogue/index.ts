import { amdIommu, amdIommuFamilies } from './amd-iommu.ts';
import type { ArgumentType } from './declaration.ts';
import { intelIommu, intelIommuFamilies } from './intel-iommu.ts';
import { iommufd, iommufdFamilies } from './iommufd.ts';
import { migration, migrationFamilies } from './migration.ts';
import { notes } from './notes.ts';
import { vfio, vfioFamilies } from './vfio.ts';
import { virtioIommu, virtioIommuFamilies } from './virtio-iommu.ts';

/**
 * All events, one declaration each, by subject. The order fixes the numbers that batches carry
 * within one run, nothing else.
 */
export const catalogue = {
  ...intelIommu,
  ...amdIommu,
  ...virtioIommu,
  ...vfio,
  ...iommufd,
  ...migration,
  ...notes,
} as const;

/** How the names of trace events begin that this program knows the subject of, without the underscore. */
export const eventFamilies: readonly string[] = [
  ...intelIommuFamilies,
  ...amdIommuFamilies,
  ...virtioIommuFamilies,
  ...vfioFamilies,
  ...iommufdFamilies,
  ...migrationFamilies,
];

export type EventName = keyof typeof catalogue;
/** An event's number in batches of this process and its workers. */
export type EventKind = number;

export const eventNames = Object.keys(catalogue) as readonly EventName[];

const kinds: ReadonlyMap<string, EventKind> = new Map(eventNames.map((name, kind) => [name, kind]));

/** The number of an event by its name, or undefined for one that the replay does not need. */
export function kindOfName(name: string): EventKind | undefined {
  return kinds.get(name);
}

/** The number of a catalogued event. */
export function kindOf(name: EventName): EventKind {
  return kinds.get(name) ?? -1;
}

type Offsets<Name extends EventName> = {
  readonly [Argument in keyof (typeof catalogue)[Name]['args']]: number;
};

const WORDS: Readonly<Record<ArgumentType, number>> = { u32: 1, i32: 1, u64: 2, text: 2 };

/** How many words an argument takes in a record. */
export function wordsOf(type: ArgumentType): number {
  return WORDS[type];
}

/** Where each argument of an event lies in its record, in words after the record's header. */
export function offsetsOf<Name extends EventName>(name: Name): Offsets<Name> {
  const offsets: Record<string, number> = {};
  let next = 0;
  const args: Readonly<Record<string, ArgumentType>> = catalogue[name].args;
  for (const [argument, type] of Object.entries(args)) {
    offsets[argument] = next;
    next += WORDS[type];
  }
  return offsets as Offsets<Name>;
}

/** Where the texts of an event lie in its record, in words after the record's header. */
export function textsOf(name: EventName): readonly number[] {
  const args: Readonly<Record<string, ArgumentType>> = catalogue[name].args;
  const offsets: Readonly<Record<string, number>> = offsetsOf(name);
  return Object.keys(args)
    .filter((argument) => args[argument] === 'text')
    .map((argument) => offsets[argument] ?? 0);
}

/** The words that all arguments of an event take. */
export function argumentWords(name: EventName): number {
  const args: Readonly<Record<string, ArgumentType>> = catalogue[name].args;
  return Object.values(args).reduce((sum, type) => sum + WORDS[type], 0);
}

import { catalogue, type EventName, eventNames } from '../events/catalogue/index.ts';

/** Versions of QEMU whose events were read one by one; what lies between has those of its neighbours. */
const KNOWN_VERSIONS: readonly string[] = ['7.2', '10.0', '10.2', '11.1'];

/** What a trace can be recorded for, and what it will answer. */
export const questions = {
  verdict: 'everything that a verdict and the answer whether to migrate need',
  failures: 'only which unmaps fail, with few lines; the memory at risk has no addresses then',
} as const;
export type Question = keyof typeof questions;

/** The least that shows unmaps, what caused them, and whether dirty pages were tracked. */
const LEAST: readonly EventName[] = [
  'vfio_iommu_map_notify',
  'vtd_as_unmap_whole',
  'vtd_switch_address_space',
  'vtd_inv_desc_cc_device',
  'vtd_inv_desc_cc_devices',
  'vtd_ce_not_present',
  'amdvi_devtab_inval',
  'amdvi_all_inval',
  'global_dirty_changed',
  'migrate_set_state',
];

/** An event that a version of QEMU has, and how it prints it. */
export interface RecordedEvent {
  readonly name: EventName;
  /** The text behind the name, in the notation of the catalogue. */
  readonly shape: string;
}

/**
 * The events to record, in the order of the catalogue.
 *
 * `version`: as `10.0`; of one that lies between two known ones, the events of both. Null: of all
 * versions, as QEMU warns of a name that it does not have, and goes on.
 */
export function eventsFor(question: Question, version: string | null): readonly RecordedEvent[] {
  return eventNames.flatMap((name) => {
    if (question === 'failures' && !LEAST.includes(name)) return [];
    const shape = shapeIn(name, version);
    return shape === null ? [] : [{ name, shape }];
  });
}

/** How an event is printed in a version, or by one of its neighbours; null where it is no event there. */
function shapeIn(name: EventName, version: string | null): string | null {
  const shapes: readonly { readonly text: string; readonly versions?: string }[] =
    catalogue[name].shapes;
  if (version === null) return shapes.at(-1)?.text ?? null;
  const near = neighboursOf(version);
  // The newer neighbour last: what is new comes with it.
  const fitting = near.flatMap(
    (known) => shapes.find(({ versions }) => isPrintedIn(versions, known)) ?? [],
  );
  return fitting.at(-1)?.text ?? null;
}

/** A known version itself; of another one the known ones before and behind it. */
function neighboursOf(version: string): readonly string[] {
  const number = numberOf(version);
  const isKnown = KNOWN_VERSIONS.find((known) => numberOf(known) === number);
  if (isKnown !== undefined) return [isKnown];
  const before = KNOWN_VERSIONS.findLast((known) => numberOf(known) < number);
  const behind = KNOWN_VERSIONS.find((known) => numberOf(known) > number);
  return [before, behind].flatMap((known) => known ?? []);
}

/** `versions` as the catalogue has them: `10.0+`, `7.2, 10.0`; absent: all. */
function isPrintedIn(versions: string | undefined, version: string): boolean {
  if (versions === undefined) return true;
  return versions.split(', ').some((one) => {
    return one.endsWith('+')
      ? numberOf(version) >= numberOf(one.slice(0, -1))
      : numberOf(one) === numberOf(version);
  });
}

const PLACES = 1000;

/** A number by which versions are compared; of `x.y.z` the first two parts. */
export function numberOf(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major * PLACES + minor;
}

import { pageOf } from '../../../../src/base/address.ts';
import { profileNamed } from '../../../../src/emulation/profiles/index.ts';
import type { ModelOptions } from '../../../../src/inference/machine.ts';
import {
  type Act,
  planActs,
  QEMU_VERSIONS,
  randomOptions,
  Simulation,
  type SimulationOptions,
  simulationOptions,
  type Truth,
} from '../../../../src/tools/simulator/index.ts';
import { Random } from '../../../../src/tools/simulator/random.ts';

/** Everything is to be found in the log. */
export const fromTrace: ModelOptions = {
  qemu: null,
  backend: null,
  hostPageSize: null,
  bitmapLimit: null,
  awBits: null,
  entryLimit: null,
  ram: null,
  tracking: 'from-trace',
};

/** What a user tells the analyzer of the machine. */
export type Told =
  /** nothing: all is to be found in the log */
  | 'nothing'
  /** the host and the size of the guest, not the version of QEMU */
  | 'host'
  /** everything */
  | 'all';

/** One run to be compared: plain data, so that it can be shrunk, printed and sent to another thread. */
export interface Case {
  readonly options: Partial<SimulationOptions>;
  /** null: planned from the seed */
  readonly acts: readonly Act[] | null;
  readonly told: Told;
}

export interface Played {
  readonly options: SimulationOptions;
  readonly told: Told;
  readonly log: string;
  readonly truth: Truth;
  /** a guest with two devices moved one to another domain without telling QEMU */
  readonly movesSilently: boolean;
  /** some pages can only be read, and no line says which */
  readonly hidesReadOnly: boolean;
}

/** Plays a case forward. */
export function play(one: Case): Played {
  const simulation = new Simulation(one.options, one.acts ?? undefined);
  const log = simulation.finish();
  const { options, truth } = simulation;
  const mayMove = options.viommu === 'intel' && options.devices > 1;
  const movesSilently = mayMove && silentMoves(actsOf(one)).size > 0;
  const hidesReadOnly = options.viommu === 'amd' && actsOf(one).some(restricts);
  return { options, told: one.told, log, truth, movesSilently, hidesReadOnly };
}

function restricts(act: Act): boolean {
  return act.kind === 'protect' || (act.kind === 'map' && (act.permission & 2) === 0);
}

/** The acts that change a context entry of a guest with translation on without invalidating it. */
function silentMoves(acts: readonly Act[]): ReadonlySet<Act> {
  let isOn = false;
  const silent = new Set<Act>();
  for (const act of acts) {
    if (act.kind === 'translation') isOn = act.on;
    if (act.kind === 'attach' && act.invalidate === 'none' && isOn) silent.add(act);
  }
  return silent;
}

/** The acts of a case as data. */
export function actsOf({ options, acts }: Case): readonly Act[] {
  return acts ?? planActs(options);
}

/** The model options that a user who was asked for them would give. */
export function modelFor({ options, told }: Pick<Played, 'options' | 'told'>): ModelOptions {
  if (told === 'nothing') return fromTrace;
  const host: ModelOptions = {
    ...fromTrace,
    hostPageSize: options.hostPageSize,
    bitmapLimit: Number(options.maxDirtyBitmapBytes),
    entryLimit: options.dmaEntryLimit,
    ram: { total: pageOf(options.ramSize), below: pageOf(options.below4g) },
  };
  if (told === 'host') return host;
  return {
    ...host,
    qemu: profileNamed(options.qemu) ?? null,
    backend: options.backend,
    awBits: options.awBits,
  };
}

/**
 * The case of a seed. Beside the simulator's own spread over every configuration, some seeds are
 * steered: to complete logs, where everything must agree, and to what is rare otherwise.
 */
export function caseOf(seed: number): Case {
  const random = new Random(seed, 11);
  const told = random.weighted({ nothing: 50, host: 15, all: 35 }) as Told;
  const steer = random.weighted({ none: 45, complete: 45, storm: 10 });
  const options = randomOptions(seed);
  const steps = random.pick([10, 25, 60, 120, 250]);
  if (steer === 'none') return { options: { ...options, steps }, acts: null, told };
  const complete: SimulationOptions = {
    ...options,
    steps,
    events: random.weighted({ standard: 20, 'no-skips': 75, everything: 5 }) as 'standard',
    bootLines: true,
  };
  if (steer === 'complete') return { options: complete, acts: toldActs(complete), told };
  // Under QEMU 11.x and with small limits nearly every kind of failure comes up.
  const qemu = random.pick(['11.0', '11.1', '11.1', '10.2', ...QEMU_VERSIONS] as const);
  const rare = simulationOptions({
    ...complete,
    qemu,
    migratable: true,
    ignoreMigrationBlocker: true,
    dmaEntryLimit: random.pick([16, 40, 65535]),
    maxDirtyBitmapBytes: 1n << BigInt(random.between(12, 28)),
    errorsInLog: random.chance(0.7),
  });
  return { options: rare, acts: toldActs(rare), told };
}

/**
 * The acts of a seed in which a guest with two devices never moves one without telling QEMU: which
 * device is walked then shows only afterwards, if at all.
 */
function toldActs(options: SimulationOptions): readonly Act[] | null {
  if (options.devices === 1) return null;
  const acts = planActs(options);
  const silent = silentMoves(acts);
  return acts.map((act) =>
    act.kind === 'attach' && silent.has(act) ? { ...act, invalidate: 'device' } : act,
  );
}

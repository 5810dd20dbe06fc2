import { type Act, type ActPlayer, Stage } from './acts.ts';
import { AmdIommu } from './amd-iommu.ts';
import { AmdStage } from './amd-stage.ts';
import { writeBoot, writeLibvirtEnd, writeLibvirtHeader } from './boot-lines.ts';
import { DirtyTracking } from './dirty-tracking.ts';
import { GuestMemory } from './guest-memory.ts';
import { IommufdContainer } from './iommufd-container.ts';
import { LegacyContainer } from './legacy-container.ts';
import { type Machine, QemuDied } from './machine.ts';
import { Monitor } from './monitor.ts';
import { type SimulationOptions, simulationOptions, type ViommuKind } from './options.ts';
import { Planner } from './planner.ts';
import { qemuProfile } from './qemu-profile.ts';
import { Random } from './random.ts';
import { TraceWriter } from './trace-writer.ts';
import { type DeviceTruth, type Ending, type Truth, TruthRecorder } from './truth.ts';
import { unknowableFrom } from './unknowable.ts';
import type { VfioContainer } from './vfio-container.ts';
import { VfioListener } from './vfio-listener.ts';
import { VfioUserContainer } from './vfio-user-container.ts';
import type { EmulatedIommu } from './viommu.ts';
import { VirtioIommu } from './virtio-iommu.ts';
import { VirtioStage } from './virtio-stage.ts';
import { VtdIommu } from './vtd-iommu.ts';

/**
 * One QEMU process with its guest, its host and its log, played forward. `step()` plays the next act and hands out its lines;
 * the truth is kept beside the log and never read from it.
 */
export class Simulation {
  readonly options: SimulationOptions;
  readonly #machine: Machine;
  readonly #iommu: EmulatedIommu;
  readonly #stage: ActPlayer;
  readonly #acts: Iterator<Act>;
  #ending: Ending | null = null;
  #started = false;

  /** @param changes what differs from the default options
   *  @param acts what to play; without it the acts are planned from the seed */
  constructor(changes: Partial<SimulationOptions> = {}, acts?: Iterable<Act>) {
    this.options = simulationOptions(changes);
    this.#machine = buildMachine(this.options);
    const listeners = containersOf(this.#machine).map(
      (container) => new VfioListener(this.#machine, container),
    );
    for (const { container } of listeners) this.#machine.tracking.addListener(container);
    const { iommu, stage } = BEHIND[this.options.viommu](this.#machine, listeners);
    this.#iommu = iommu;
    this.#stage = stage;
    this.#acts = (acts ?? new Planner(this.options))[Symbol.iterator]();
  }

  get finished(): boolean {
    return this.#ending !== null;
  }

  /** Plays on until there is something to read. @returns lines, each with its line end; '' when the run is over */
  step(): string {
    const { writer } = this.#machine;
    while (this.#ending === null) {
      try {
        this.#advance();
      } catch (error) {
        if (!(error instanceof QemuDied)) throw error;
        this.#die(error);
      }
      const text = writer.take();
      if (text !== '') return text;
    }
    return '';
  }

  /** Plays to the end. @returns everything that was not yet handed out */
  finish(): string {
    const parts: string[] = [];
    for (let text = this.step(); text !== ''; text = this.step()) parts.push(text);
    return parts.join('');
  }

  /** What happened so far. */
  get truth(): Truth {
    const { truth, writer } = this.#machine;
    return {
      unmaps: truth.unmaps,
      groups: truth.groups,
      failedMaps: truth.failedMaps,
      stale: truth.stale,
      pastRam: truth.pastRam,
      unsynced: truth.unsynced,
      windows: truth.windows,
      flagWindows: truth.flagWindows,
      devices: this.#iommu.assigned.map((_, i) => this.#deviceTruth(i)),
      totals: truth.totals,
      lines: writer.line,
      ending: this.#ending ?? { kind: 'finished' },
      unknowable: unknowableFrom(this.options),
    };
  }

  #advance(): void {
    if (!this.#started) {
      this.#start();
      return;
    }
    const { bytes } = this.options;
    const enough = bytes !== null && this.#machine.writer.bytes >= bytes;
    const next = enough ? undefined : this.#acts.next();
    if (next === undefined || next.done === true) this.#end({ kind: 'finished' });
    else this.#stage.play(next.value);
  }

  #start(): void {
    this.#started = true;
    const { writer } = this.#machine;
    if (this.options.libvirtHeader) writeLibvirtHeader(this.#machine);
    writer.muted = !this.options.bootLines;
    writer.thread = 'main';
    writeBoot(this.#machine, this.#iommu);
    writer.muted = false;
  }

  #die({ how }: QemuDied): void {
    const { writer } = this.#machine;
    const { line } = writer;
    if (this.options.libvirtHeader) writeLibvirtEnd(this.#machine, 'crashed');
    this.#end({ kind: how, line });
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#machine.tracking.finish();
    if (this.options.tornEnd && ending.kind === 'finished') {
      this.#machine.writer.tear('vfio_iommu_map_notify iommu UNMAP @ 0x123456000 - 0x123456fff');
    }
  }

  #deviceTruth(index: number): DeviceTruth {
    const space = this.#iommu.assigned[index];
    const container = space?.listener?.container;
    if (space === undefined || container === undefined) throw new RangeError('no such device');
    const shadow = [...space.shadow].map(({ iova, last, gpa, permission }) => {
      return { iova, size: last - iova + 1n, gpa, permission };
    });
    const host = [...container.host].map(({ iova, last, gpa, permission, of }) => {
      return { iova, size: last - iova + 1n, gpa, permission, of };
    });
    return {
      device: space.device,
      container: index,
      shadow,
      host,
      peakHostMappings: container.peak,
      peakShadowNodes: space.peakShadow,
    };
  }
}

interface Parts {
  readonly iommu: EmulatedIommu;
  readonly stage: ActPlayer;
}

/** What a machine of each kind is made of. */
const BEHIND: Readonly<
  Record<ViommuKind, (machine: Machine, listeners: readonly VfioListener[]) => Parts>
> = {
  intel: (machine, listeners) => {
    const iommu = new VtdIommu(machine, listeners);
    return { iommu, stage: new Stage(machine, iommu, new Monitor(machine, iommu)) };
  },
  amd: (machine, listeners) => {
    const iommu = new AmdIommu(machine, listeners);
    return { iommu, stage: new AmdStage(machine, iommu, new Monitor(machine, iommu)) };
  },
  virtio: (machine, listeners) => {
    const iommu = new VirtioIommu(machine, listeners);
    return { iommu, stage: new VirtioStage(machine, iommu, new Monitor(machine, iommu)) };
  },
};

/** Plays explicit acts. */
export function run(
  changes: Partial<SimulationOptions>,
  acts: readonly Act[],
): { log: string; truth: Truth } {
  const simulation = new Simulation(changes, acts);
  const log = simulation.finish();
  return { log, truth: simulation.truth };
}

/** Plays the acts that the seed plans. */
export function simulate(changes: Partial<SimulationOptions>): { log: string; truth: Truth } {
  const simulation = new Simulation(changes);
  const log = simulation.finish();
  return { log, truth: simulation.truth };
}

/** The acts that the seed plans, as data: to be played by `run`, whole or in part. */
export function planActs(changes: Partial<SimulationOptions>): Act[] {
  return [...new Planner(simulationOptions(changes))];
}

function buildMachine(options: SimulationOptions): Machine {
  const profile = qemuProfile(options.qemu);
  const random = new Random(options.seed, 3);
  const writer = new TraceWriter(options);
  const truth = new TruthRecorder(options.keepRecords);
  return {
    options,
    profile,
    writer,
    truth,
    random,
    memory: new GuestMemory(options, random),
    tracking: new DirtyTracking(profile, writer, truth),
  };
}

function containersOf(machine: Machine): VfioContainer[] {
  const { backend, devices, deviceAddresses } = machine.options;
  const Container = {
    legacy: LegacyContainer,
    iommufd: IommufdContainer,
    'vfio-user': VfioUserContainer,
  }[backend];
  return deviceAddresses
    .slice(0, devices)
    .map((address, index) => new Container(machine, index, address));
}

import { PAGE_BYTES } from '../base/address.ts';
import { versionNumber } from '../emulation/profiles/profile.ts';
import { intelIommu } from '../emulation/viommu/intel/index.ts';
import type { Hazards } from '../emulation/what-if/hazards.ts';
import { machineMatrix, type WhatIfMachine } from '../emulation/what-if/matrix.ts';
import { type MachineResult, Worlds } from '../emulation/what-if/worlds.ts';
import type { Boot } from '../inference/boot.ts';
import { GuestReader, hostOf } from '../inference/guest-reader.ts';
import type { Session } from '../result/types.ts';
import type { WhatIfHazards, WhatIfMachineResult, WhatIfSession } from '../result/what-if.ts';
import type { BootObserver } from './session-recorder.ts';
import { adviceFor, type Traced } from './what-if-advice.ts';

/** A boot, and what it would have been in other machines. */
export class WhatIfBoot implements BootObserver {
  readonly boot: Boot;
  readonly worlds: Worlds;
  readonly #reader: GuestReader;

  /** `iommufdTracks`: the host's IOMMU tells iommufd what is dirty, where the trace does not show it. */
  constructor(boot: Boot, iommufdTracks: boolean) {
    this.boot = boot;
    this.worlds = new Worlds(machineMatrix(), hostOf(boot.machine));
    this.#reader = new GuestReader(boot, this.worlds, iommufdTracks);
  }

  applied: BootObserver['applied'] = (cursor, lineBefore) =>
    this.#reader.applied(cursor, lineBefore);
  operation: BootObserver['operation'] = (operation) => this.#reader.operation(operation);
  finish: BootObserver['finish'] = () => this.#reader.finish();

  get areMappingsKnown(): boolean {
    return this.boot.machine.hasWalks;
  }

  /** Why the table may be short of something. */
  get reasons(): readonly string[] {
    return this.#reader.reasons;
  }
}

/** What is told of a boot, whose own result is `session`. */
export function whatIfSession(session: Session, boot: WhatIfBoot): WhatIfSession {
  const { viommu } = boot.boot.machine;
  if (viommu !== intelIommu) return behindAnother(session, viommu.name);
  const traced = tracedOf(session, boot);
  const machines = machineMatrix();
  const results = new Map([...boot.worlds.results()].map((one) => [keyOf(one.machine), one]));
  const listed = machines.map((machine) => {
    const from = numberOf(machine.from) ?? machine.profile.version;
    const isOfTraced =
      machine.profile.known !== 'unmerged' &&
      traced.version >= from &&
      traced.version <= machine.profile.version;
    const isTraced =
      isOfTraced &&
      machine.backend === traced.backend &&
      machine.awBits === traced.awBits &&
      machine.pageSize === traced.hostPageSize;
    const result = results.get(keyOf(machine)) as MachineResult;
    return { result: machineResult(result, isTraced), from, to: machine.profile.version };
  });
  const { firstLine, lastLine, migration, verdict, vm } = session;
  return {
    vm,
    firstLine,
    lastLine,
    verdict,
    migration,
    reasons: [...boot.reasons, ...lossesOf(session)],
    areMappingsKnown: boot.areMappingsKnown,
    machines: listed.map(({ result }) => result),
    advice: adviceFor(listed, traced, boot.areMappingsKnown),
  };
}

/** All machines of the table have VT-d: of a boot behind another IOMMU nothing is worked out. */
function behindAnother(session: Session, name: string): WhatIfSession {
  const { firstLine, lastLine, migration, verdict, vm } = session;
  const reason = `this VM has ${name}, and what the trace would have been on other machines is worked out behind intel-iommu only`;
  return {
    vm,
    firstLine,
    lastLine,
    verdict,
    migration,
    reasons: [reason, ...lossesOf(session)],
    areMappingsKnown: false,
    machines: [],
    advice: [],
  };
}

/** What is missing from the trace is missing from all worlds. */
function lossesOf({ reasons }: Session): readonly string[] {
  return reasons.filter((reason) => /lines are missing|starts in the middle/.test(reason));
}

function tracedOf({ containers, model }: Session, { boot }: WhatIfBoot): Traced {
  const [container] = containers;
  return {
    version: boot.machine.profile.version,
    backend: container?.backend.value ?? 'legacy',
    awBits: model.awBits.value ?? boot.machine.profile.defaultAwBits,
    hostPageSize: model.hostPageSize.value,
  };
}

function keyOf({ awBits, backend, from, pageSize }: WhatIfMachine): string {
  return `${from} ${backend} ${awBits} ${pageSize}`;
}

/** `1002` of 10.2; null of a patch series. */
function numberOf(version: string): number | null {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(version) ?? [];
  return major === undefined || minor === undefined
    ? null
    : versionNumber(Number(major), Number(minor));
}

function machineResult(
  { machine, tracked, untracked }: MachineResult,
  isTraced: boolean,
): WhatIfMachineResult {
  return {
    qemu: { from: machine.from, to: machine.to },
    isReleased: machine.profile.known !== 'unmerged',
    backend: machine.backend,
    awBits: machine.awBits,
    hostPageSize: machine.pageSize,
    isTraced,
    refusesMigration: machine.profile.migration === 'blocked',
    tracked: hazardsOf(tracked),
    untracked: hazardsOf(untracked),
    failedMaps: tracked.failedMaps,
    aborts: tracked.aborts,
  };
}

function hazardsOf(hazards: Hazards): WhatIfHazards {
  const { e2big, failures, losing, pastRam, queries, risk, stale, unmaps } = hazards;
  const { after, before, bitmap, none } = queries;
  return {
    unmaps,
    queries: { bitmap, before, after, none },
    failures,
    e2big,
    losing,
    pastRam,
    atRiskBytes: risk.pages * PAGE_BYTES,
    stale,
  };
}

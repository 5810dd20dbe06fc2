import type { Mutable } from '../base/mutable.ts';
import { unmapAlike } from '../emulation/profiles/index.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { Limits, Scenario } from '../emulation/scenario.ts';
import type { ContainerBackend } from '../emulation/vfio/container-backend.ts';
import type { Machine } from './machine.ts';
import type { VfioContainer } from './vfio-container.ts';

/** In the place of a container that nothing tells: nothing is asked, and nothing fails. */
const unknownBackend: ContainerBackend = {
  query: () => 'none',
  unmapResult: () => 0,
  applyUnmap: () => null,
  mapResult: () => 0,
};

/** The scenarios in which a session's unmaps are evaluated, as far as the trace and the user tell. */
export class Scenarios {
  readonly #machine: Machine;
  readonly #limits: Mutable<Limits> = { bitmapBytes: 0 };
  readonly #scenario: Mutable<Scenario>;
  /** The versions that were emulated so far; most traces show one. */
  readonly #emulated = new Set<Profile>();
  #newest: Profile | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#scenario = {
      profile: machine.profile,
      tracked: false,
      backend: unknownBackend,
      limits: this.#limits,
      pageSize: 0,
      deviceTracking: false,
    };
  }

  /** Unmaps were evaluated for a version that behaves unlike the one that is emulated by now. */
  get wereOfAnother(): boolean {
    return [...this.#emulated].some((profile) => !unmapAlike(profile, this.#machine.profile));
  }

  /** The machine that is emulated, with dirty pages tracked or not. Reused by the next call. */
  of(container: VfioContainer | null, tracked: boolean): Scenario {
    const { parameters } = this.#machine;
    const profile: Profile = this.#machine.profile;
    const scenario = this.#scenario;
    scenario.profile = profile;
    if (profile !== this.#newest) {
      this.#newest = profile;
      this.#emulated.add(profile);
    }
    scenario.tracked = tracked;
    scenario.backend = container === null ? unknownBackend : container.behaviour;
    this.#limits.bitmapBytes = parameters.bitmapLimit.value;
    scenario.pageSize = parameters.hostPageSize.value;
    scenario.deviceTracking = this.#machine.deviceTrackingIn(container);
    return scenario;
  }
}

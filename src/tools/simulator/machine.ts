import type { DirtyTracking } from './dirty-tracking.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { SimulationOptions } from './options.ts';
import type { QemuProfile } from './qemu-profile.ts';
import type { Random } from './random.ts';
import type { TraceWriter } from './trace-writer.ts';
import type { TruthRecorder } from './truth.ts';

/** What every part of one simulated QEMU process shares. */
export interface Machine {
  readonly options: SimulationOptions;
  readonly profile: QemuProfile;
  readonly writer: TraceWriter;
  readonly memory: GuestMemory;
  readonly tracking: DirtyTracking;
  readonly truth: TruthRecorder;
  readonly random: Random;
}

/** Thrown where QEMU would die; unwinds to the simulation, which ends the log. */
export class QemuDied extends Error {
  readonly how: 'sigsegv' | 'abort';

  constructor(how: 'sigsegv' | 'abort', why: string) {
    super(why);
    this.how = how;
  }
}

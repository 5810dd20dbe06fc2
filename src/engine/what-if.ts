import { shownInput } from '../base/url.ts';
import { WhatIfBoot, whatIfSession } from '../findings/what-if.ts';
import type { Boot } from '../inference/boot.ts';
import { toolVersion } from '../result/version.ts';
import { WHAT_IF_SCHEMA, type WhatIf } from '../result/what-if.ts';
import { analyzeNamed } from './named-trace.ts';
import type { MachineOptions } from './trace.ts';

/** How a trace is read for other machines. */
export interface WhatIfOptions {
  /** What the model is told of the machine that wrote the trace, and of the host. */
  readonly model?: Partial<MachineOptions>;
  /** The host's IOMMU tells iommufd which pages are dirty, where the trace does not show it; default: yes. */
  readonly iommufdTracks?: boolean;
  readonly maxDecompressedBytes?: number | null;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytes: number) => void;
}

/** Boots of which the worlds are held until the end. */
const MOST_SESSIONS = 100;

/** What is known of other machines, with what was emulated for them. */
export interface WhatIfReplay {
  readonly whatIf: WhatIf;
  /** The boots that are listed, in their order. */
  readonly boots: readonly WhatIfBoot[];
}

/**
 * Replays a trace once, for the machine that wrote it and for all others.
 *
 * @throws TraceError where it cannot be analysed; the signal's reason where it is aborted.
 */
export async function whatIfOf(path: string, options: WhatIfOptions = {}): Promise<WhatIfReplay> {
  const { iommufdTracks = true, ...reading } = options;
  let boots: WhatIfBoot[] = [];
  let left = 0;
  const newObserve = () => {
    boots = [];
    left = 0;
    return (boot: Boot, index: number) => {
      const observed = new WhatIfBoot(boot, iommufdTracks);
      if (index < MOST_SESSIONS) boots.push(observed);
      else left += 1;
      return observed;
    };
  };
  const { sessions } = await analyzeNamed(path, { ...reading, newObserve });
  const whatIf: WhatIf = {
    schema: WHAT_IF_SCHEMA,
    tool: { name: 'vtdscope', version: toolVersion() },
    path: shownInput(path),
    sessions: boots.flatMap((boot, index) => {
      const session = sessions[index];
      return session === undefined ? [] : [whatIfSession(session, boot)];
    }),
    left,
  };
  return { whatIf, boots };
}

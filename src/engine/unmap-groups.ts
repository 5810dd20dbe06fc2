import { hexOfPages, PAGE_BYTES } from '../base/address.ts';
import type { RecordSink } from '../findings/session-recorder.ts';
import { bdfText } from '../inference/device-space.ts';
import type { Unmap } from '../inference/unmap.ts';
import {
  type UnmapFate,
  type UnmapGroup,
  type UnmapGroups,
  unmapFates,
} from '../result/comparison.ts';
import type { Hex, Mode } from '../result/types.ts';

/** Ranges that are told apart: of a guest that never uses one twice there may be millions. */
const MOST_GROUPS = 200_000;

type Group = { -readonly [Field in keyof UnmapGroup]: UnmapGroup[Field] };

/** Gathers the unmaps of a trace by device, cause and range. */
export class UnmapGrouping implements RecordSink {
  readonly takesMappings = false;
  readonly #groups = new Map<string, Group>();
  #left = 0;

  unmap(unmap: Unmap, _session: number, mode: Mode | null): void {
    const { cause, device, first, last } = unmap;
    const key = `${device} ${cause} ${first} ${last}`;
    const fate = fateOf(unmap, mode);
    const known = this.#groups.get(key);
    if (known !== undefined) {
      add(known, unmap, fate);
      return;
    }
    if (this.#groups.size >= MOST_GROUPS) {
      this.#left += 1;
      return;
    }
    this.#groups.set(key, {
      device: device === null ? null : bdfText(device),
      cause,
      iova: hexOfPages(first) as Hex,
      size: hexOfPages(last - first + 1) as Hex,
      unmaps: 1,
      fate,
      errno: unmap.errno,
      atRiskBytes: bytesAtRisk(unmap),
      line: unmap.place.line,
    });
  }

  /** Whether tracking was off changes nothing here: what is not tracked would do harm in either case. */
  settleLeading(): void {}

  mapping(): void {}

  result(): UnmapGroups {
    return { groups: [...this.#groups.values()], left: this.#left };
  }
}

function add(group: Group, unmap: Unmap, fate: UnmapFate): void {
  group.unmaps += 1;
  group.atRiskBytes = Math.max(group.atRiskBytes, bytesAtRisk(unmap));
  if (unmapFates.indexOf(fate) >= unmapFates.indexOf(group.fate)) return;
  group.fate = fate;
  group.errno = unmap.errno;
  group.line = unmap.place.line;
}

function fateOf({ errno }: Unmap, mode: Mode | null): UnmapFate {
  if (mode === null) return 'harmless';
  if (mode === 'what-if') return errno === 0 ? 'would-lose' : 'would-fail';
  return errno === 0 ? 'loses' : 'fails';
}

function bytesAtRisk({ underTracking }: Unmap): number {
  let pages = 0;
  for (let index = 0; index < underTracking.riskCount; index += 1) {
    pages += underTracking.riskLast(index) - underTracking.riskFirst(index) + 1;
  }
  return pages * PAGE_BYTES;
}

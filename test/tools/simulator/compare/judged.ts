import type { GpaRange } from '../../../../src/tools/simulator/addresses.ts';
import type {
  SimulationOptions,
  UnmapErrno,
  UnmapTruth,
} from '../../../../src/tools/simulator/index.ts';
import { qemuProfile } from '../../../../src/tools/simulator/qemu-profile.ts';
import { riskOf } from './compare-unmaps.ts';
import { isUntoldRom, type Sight } from './sight.ts';

/** Rules about single unmaps. */
export type UnmapRule = 'VTD001' | 'VTD002' | 'VTD003' | 'VTD004' | 'VTD009' | 'VTD010' | 'VTD015';

/** What an unmap does to dirty bits, for real or as what-if, with what it is called in the result. */
export interface Judged {
  readonly unmap: UnmapTruth;
  readonly isTracked: boolean;
  /** Tracked, or QEMU's own message tells of its failure: not what would be. */
  readonly isReal: boolean;
  readonly errno: UnmapErrno;
  /** As far as the log can tell it. */
  readonly atRisk: readonly GpaRange[];
  readonly hazard: UnmapRule | null;
  /** The same for whoever cannot see that a migration has completed; null where none has. */
  readonly ifWanted: Pick<Judged, 'atRisk' | 'hazard'> | null;
}

/** Every unmap that left a line. */
export function judgedUnmaps(sight: Sight): readonly Judged[] {
  const { played } = sight;
  const { unmaps, groups } = played.truth;
  let group: number | null = null;
  return unmaps.flatMap((unmap) => {
    const isFirstOfGroup = unmap.group !== group;
    group = unmap.group;
    if (unmap.line === null) return [];
    const { errno, atRisk: known } = riskOf(unmap, groups, isFirstOfGroup);
    const atRisk = isTakenForRam(played.options, unmap) ? [sectionOf(unmap)] : known;
    const isDrainInstead = !unmap.tracked && unmap.whatIf === null;
    const isUser = played.options.backend === 'vfio-user';
    const drainQuery = isUser ? 'none' : 'bitmap';
    const query = unmap.tracked ? unmap.query : (unmap.whatIf?.query ?? drainQuery);
    const carried = isDrainInstead ? 1n : (unmap.carriedAddress ?? 1n);
    const isAsked = query !== 'none';
    const { backend, hostPageSize } = played.options;
    // Without memory for a bitmap that is too large anyway, the error is another and the cause the same.
    // Whoever does not know the host's pages takes them for those of 4 KiB.
    const pages = sight.knowsPageSizeAt(unmap.line) ? 1n : BigInt(hostPageSize) / 4096n;
    const limit = sight.bitmapLimitAt(unmap.line);
    const isTooBig = errno === -12 && unmap.bitmapBytes * pages > limit;
    const cause = isTooBig && query === 'bitmap' ? -7 : errno;
    const isTold = sight.seesAddresses || unmap.cause === 'region-del';
    const isReal = unmap.tracked || sight.isFailureTold(unmap);
    const lossOf = ({ atRisk: lost, marksRight }: Pick<UnmapTruth, 'atRisk' | 'marksRight'>) => {
      // Whoever is not told where mappings lead cannot know of those that address 0 happens to be right for.
      const isAtRisk = lost.length > 0 || (!isTold && marksRight);
      const hazard = hazardOf(cause, isAsked, carried, isAtRisk, backend);
      return { atRisk: isTold ? lost : [], hazard };
    };
    const loss = lossOf({ atRisk, marksRight: unmap.marksRight });
    const ifWanted = unmap.ifWanted && lossOf(unmap.ifWanted);
    return [{ unmap, isTracked: unmap.tracked, isReal, errno, ...loss, ifWanted }];
  });
}

/** No line says that a section is a ROM. Up to 10.2 nothing asks for the dirty bits of a section. */
function isTakenForRam(options: SimulationOptions, unmap: UnmapTruth): boolean {
  return isUntoldRom(options, unmap) && !qemuProfile(options.qemu).regionDelCarriesAddress;
}

function sectionOf({ iova, size }: UnmapTruth): GpaRange {
  return [iova, size];
}

function hazardOf(
  errno: UnmapErrno,
  isAsked: boolean,
  carried: bigint,
  isAtRisk: boolean,
  backend: string,
): Judged['hazard'] {
  if (errno === -7) return 'VTD001';
  if (errno === -12) return 'VTD015';
  if (errno === -1 || (errno === -22 && backend === 'legacy')) return 'VTD009';
  if (errno === -22) return 'VTD010';
  if (!isAtRisk) return null;
  if (!isAsked) return 'VTD004';
  return carried === 0n ? 'VTD002' : 'VTD003';
}

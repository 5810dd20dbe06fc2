import { ForeignError, TraceError, UsageError } from '../base/errors.ts';
import { keyOf, keyOfPath, statOf } from '../bytes/file-identity.ts';
import type { Inputs } from '../bytes/inputs.ts';
import { isWrittenInPlace } from '../bytes/new-file.ts';
import { isStore } from '../bytes/objects/s3.ts';
import { openSource } from '../bytes/source.ts';
import { recognise } from '../decoding/index.ts';
import { OWN_REPORT } from '../decoding/own-reports.ts';

/** The keys of the files in whose places a run puts its outputs. */
export function keysOfOutputs(paths: readonly string[]): ReadonlySet<string> {
  return new Set(paths.flatMap((path) => keyOfOutput(path) ?? []));
}

/**
 * Refuses to write two things into one file, or over a trace, be it read in this run or not. By
 * which names a file is called, and through which links, does not matter.
 *
 * `paths`: files that outputs go to. `open`: what else is written, as it is (`/dev/stdout`).
 *
 * @throws UsageError
 */
export async function refuseToOverwrite(
  paths: readonly string[],
  open: readonly string[],
  inputs: Pick<Inputs, 'isRead'>,
): Promise<void> {
  /** Whether a file is replaced, which nothing else may be written to then. */
  const taken = new Map<string, boolean>();
  for (const path of [...paths, ...open]) {
    const key = keyOfOutput(path);
    if (key === null) continue;
    if (inputs.isRead(key))
      throw new UsageError(`${path}: an input, which an output would overwrite`);
    const isReplaced = !isWrittenInPlace(path);
    const before = taken.get(key);
    if (before === true || (before === false && isReplaced)) {
      throw new UsageError(`${path}: two outputs would go to this file`);
    }
    taken.set(key, isReplaced);
    const what = isReplaced ? await traceAt(path) : null;
    if (what !== null) throw new UsageError(`${path}: ${what}, which an output would overwrite`);
  }
}

/** The key of the file that an output goes to; null where that is none. */
function keyOfOutput(path: string): string | null {
  const stats = statOf(path);
  if (stats === null) return isWrittenInPlace(path) ? null : keyOfPath(path);
  return stats.isFile() ? keyOf(stats) : null;
}

/** What the file, or the object, holds that no output may take the place of: a trace of any kind. Null: nothing such. */
async function traceAt(path: string): Promise<string | null> {
  const stats = statOf(path);
  const isFile = stats?.isFile() === true && stats.size > 0n;
  if (!isFile && !isStore(path)) return null;
  try {
    const { compression, head, close } = await openSource(path);
    close();
    recognise({ path, compression, head, isFound: true });
    return 'a trace';
  } catch (thrown) {
    if (thrown instanceof ForeignError) return thrown.kind === OWN_REPORT ? null : thrown.kind;
    if (thrown instanceof TraceError) return null;
    throw thrown;
  }
}

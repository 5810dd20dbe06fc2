import { Metered, openAll, together } from '../bytes/joined.ts';
import type { OpenSource, SourceLoss, SourceOptions } from '../bytes/source.ts';
import { MergedLines } from '../decoding/merged-lines.ts';

/** Bytes that are read at a time of all files together, and at least of each. */
const READ_BYTES = 32 * 1024 * 1024;
const LEAST_READ_BYTES = 16 * 1024;

/**
 * Opens the files that QEMU wrote for its threads as one log, their lines by time.
 *
 * @throws as `openSource`
 */
export async function openMerged(
  path: string,
  files: readonly string[],
  options: SourceOptions,
): Promise<OpenSource> {
  const share = Math.floor(READ_BYTES / files.length);
  const readBytes = Math.min(1024 * 1024, Math.max(LEAST_READ_BYTES, share));
  return merged(path, await openAll(files, { ...options, readBytes }));
}

function merged(path: string, sources: readonly OpenSource[]): OpenSource {
  const files = sources.map((source) => new Metered(source));
  const lines = new MergedLines(files.map((file) => file.chunks()));
  const all = together(path, files, () => lines.chunks());
  return {
    ...all,
    again() {
      const anew = sources.map((source) => source.again());
      return anew.every((source) => source !== null) ? merged(path, anew) : null;
    },
    finish(end) {
      const { hasGrown, losses } = all.finish(end);
      return { hasGrown, losses: [...losses, ...lossesOf(sources, lines)] };
    },
  };
}

/** A file's last line without its end is in no place of the log. */
function lossesOf(sources: readonly OpenSource[], lines: MergedLines): readonly SourceLoss[] {
  return sources.flatMap(({ path }, index) =>
    lines.endsInLine[index] === true
      ? { kind: 'truncated' as const, detail: `${path}: ends inside a line` }
      : [],
  );
}

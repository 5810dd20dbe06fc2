import { createReadStream, mkdirSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { behindLinks } from './file-identity.ts';
import { isWrittenInPlace } from './new-file.ts';
import { removeLitter, temporaryName } from './temporary.ts';
import { guarded, TextWriter } from './text-writer.ts';

/** Bytes of a part that are read at a time. */
const READ_BYTES = 256 * 1024;
const PRIVATE_MODE = 0o700;

/** A folder for what is put together at the end, beside the file that it becomes part of. */
export class PartFolder {
  readonly #path: string;

  /**
   * `table`: where there is room for parts as large as it.
   *
   * @throws UsageError if no folder can be made there.
   */
  constructor(table: string) {
    const beside = isWrittenInPlace(table) ? tmpdir() : dirname(behindLinks(table));
    removeLitter(beside);
    this.#path = join(beside, temporaryName());
    guarded(table, () => mkdirSync(this.#path, { mode: PRIVATE_MODE }));
  }

  /** The path of a part. */
  pathOf(name: string): string {
    return join(this.#path, name);
  }

  /** Takes it away, with all that is left in it. */
  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** A part of a table, and the table as the user calls it. Plain data, so that it can cross threads. */
export interface Part {
  readonly path: string;
  readonly table: string;
}

/**
 * Makes a part.
 *
 * @throws UsageError with the name of its table if that cannot be.
 */
export function newPart({ path, table }: Part): TextWriter {
  return guarded(table, () => new TextWriter(openSync(path, 'wx'), table));
}

/** Takes a part away, if it is there. */
export function removePart({ path }: Part): void {
  rmSync(path, { force: true });
}

/** Some whole lines of a part of a table at a time, and where they begin. One can be very long. */
export async function* linesOfPart({
  path,
}: Part): AsyncGenerator<{ readonly text: string; readonly offset: number }> {
  const options = { encoding: 'latin1', highWaterMark: READ_BYTES } as const;
  let pieces: string[] = [];
  let offset = 0;
  for await (const chunk of createReadStream(path, options) as AsyncIterable<string>) {
    const end = chunk.lastIndexOf('\n') + 1;
    if (end === 0) {
      pieces.push(chunk);
      continue;
    }
    const text = pieces.join('') + chunk.slice(0, end);
    yield { text, offset };
    offset += text.length;
    pieces = [chunk.slice(end)];
  }
}

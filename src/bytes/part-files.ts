import { randomUUID } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { isWrittenInPlace, whyNot } from './new-file.ts';

/** Bytes of a part that are read at a time. */
const READ_BYTES = 256 * 1024;

/** A folder for what is put together at the end, beside the file that it becomes part of. */
export class PartFolder {
  readonly #path: string;

  /**
   * `table`: where there is room for parts as large as it.
   *
   * @throws UsageError if no folder can be made there.
   */
  constructor(table: string) {
    const beside = isWrittenInPlace(table) ? tmpdir() : dirname(table);
    try {
      this.#path = mkdtempSync(join(beside, `.vtdscope-${randomUUID().slice(0, 8)}-`));
    } catch (thrown) {
      throw new UsageError(`${table}: cannot be written: ${whyNot(table, thrown)}`);
    }
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

/** Takes a part away, if it is there. */
export function removePart(path: string): void {
  rmSync(path, { force: true });
}

/** Some whole lines of a part of a table at a time, and where they begin. One can be very long. */
export async function* linesOfPart(
  part: string,
): AsyncGenerator<{ readonly text: string; readonly offset: number }> {
  const options = { encoding: 'latin1', highWaterMark: READ_BYTES } as const;
  let pieces: string[] = [];
  let offset = 0;
  for await (const chunk of createReadStream(part, options) as AsyncIterable<string>) {
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

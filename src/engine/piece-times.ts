import { ForeignError, UsageError } from '../base/errors.ts';
import { type OpenSource, openSource, type SourceOptions } from '../bytes/source.ts';
import { readAt } from '../bytes/trace-file.ts';
import type { TraceFormat } from '../decoding/format.ts';
import { recognise } from '../decoding/index.ts';
import { type Span, spanOf } from '../decoding/span.ts';

/** Bytes at both ends of a piece in which a time is looked for. */
const LOOKED_AT = 1024 * 1024;

/**
 * The times in each piece that has some. `fromStart`: that compressed pieces end when they do is not worth
 * reading them for.
 *
 * @throws UsageError where they are not of one kind of log.
 */
export async function spansOf(
  paths: readonly string[],
  options: SourceOptions,
  fromStart: boolean,
): Promise<ReadonlyMap<string, Span>> {
  const spans = new Map<string, Span>();
  const known: { readonly format: TraceFormat; readonly path: string }[] = [];
  for (const path of paths) {
    const source = await openSource(path, options);
    try {
      const format = formatOf(source) ?? known[0]?.format;
      if (format === undefined) continue;
      const other = known.find((one) => one.format.name !== format.name);
      if (other !== undefined) {
        throw new UsageError(
          `--join: ${other.path} is ${other.format.title}, and ${path} ${format.title}`,
        );
      }
      known.push({ format, path });
      const span = await spanIn(source, format, fromStart);
      if (span !== null) spans.set(path, span);
    } finally {
      source.close();
    }
  }
  return spans;
}

/**
 * The format of a piece; null where it is empty, or its start, which may be anywhere in a log, does not show it.
 *
 * @throws UsageError where it is of a kind of which each file is whole.
 */
function formatOf({ path, compression, head }: OpenSource): TraceFormat | null {
  if (head.length === 0) return null;
  let format: TraceFormat;
  try {
    format = recognise({ path, compression, head });
  } catch (thrown) {
    if (thrown instanceof ForeignError) return null;
    throw thrown;
  }
  if (format.kind === 'stream' && format.isWhole === true) {
    throw new UsageError(`--join takes logs, and ${path} is ${format.title}, which is whole`);
  }
  return format;
}

async function spanIn(
  source: OpenSource,
  format: TraceFormat,
  fromStart: boolean,
): Promise<Span | null> {
  const [start, end] = await endsOf(source, fromStart);
  const head = await spanOf(format, start);
  if (head === null) return null;
  const tail = end === null ? null : await spanOf(format, end);
  return { ...head, last: (tail ?? head).last };
}

/** The first and the last bytes of a piece; the last are null where they are not worth it. */
async function endsOf(
  source: OpenSource,
  fromStart: boolean,
): Promise<readonly [Uint8Array, Uint8Array | null]> {
  if (source.ranges !== null) {
    const { bytes, file } = source.ranges;
    const part = (from: number) => {
      const buffer = Buffer.alloc(Math.min(LOOKED_AT, bytes));
      return buffer.subarray(0, readAt(file, buffer, from));
    };
    return [part(0), part(Math.max(0, bytes - LOOKED_AT))];
  }
  let start = Buffer.alloc(0);
  let end = Buffer.alloc(0);
  for await (const chunk of source.chunks()) {
    if (start.length < LOOKED_AT) start = Buffer.concat([start, chunk]);
    else if (fromStart) break;
    end = Buffer.concat([end, chunk]).subarray(-LOOKED_AT);
  }
  return [start.subarray(0, LOOKED_AT), fromStart ? null : end];
}

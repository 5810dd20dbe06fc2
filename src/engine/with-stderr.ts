import { TraceError } from '../base/errors.ts';
import { shownInput } from '../base/url.ts';
import { type OpenSource, openSource, type SourceLoss } from '../bytes/source.ts';
import { plain } from '../decoding/carriers/plain.ts';
import type { TraceFormat } from '../decoding/format.ts';
import {
  messagesIn,
  type PlacedMessage,
  placed,
  withMessages,
} from '../decoding/separate-messages.ts';
import { blocksOf } from './local.ts';

/** Bytes of messages that are held; QEMU writes some hundred for each failure. */
const MOST_BYTES = 64 * 1024 * 1024;

/** What QEMU wrote to its standard error. */
interface Messages {
  readonly placed: readonly PlacedMessage[];
  readonly bytes: number;
  readonly losses: readonly SourceLoss[];
}

/**
 * A log that `-D` sent to a file of its own, with QEMU's messages of another in their places. Lines are
 * counted in both together.
 *
 * @throws TraceError where one of them cannot be used for that.
 */
export async function withStderr(
  log: OpenSource,
  format: TraceFormat,
  messages: string,
): Promise<OpenSource> {
  const path = shownInput(messages);
  if (format.name !== plain.name) {
    throw new TraceError(
      { path },
      `--with-stderr goes with a log of -D, and not with ${format.title}`,
    );
  }
  if (log.runs !== undefined) {
    throw new TraceError({ path }, '--with-stderr needs a log of which no piece is missing');
  }
  const first = log.again();
  if (first === null) {
    throw new TraceError({ path }, '--with-stderr needs a log that can be read twice: name a file');
  }
  return merged(log, await readMessages(messages, first));
}

async function readMessages(named: string, log: OpenSource): Promise<Messages> {
  const source = await openSource(named);
  const { path } = source;
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of source.chunks()) {
      length += chunk.length;
      if (length > MOST_BYTES) {
        throw new TraceError({ path }, `more than ${MOST_BYTES} bytes of messages`);
      }
      chunks.push(Uint8Array.from(chunk));
    }
    const all = messagesIn(Buffer.concat(chunks));
    const messages = await placed(all, blocksOf(log));
    const bytes = all.reduce((sum, message) => sum + message.bytes.length, 0);
    const losses = source.finish(length).losses.map(({ detail, kind }) => ({
      kind,
      detail: `of the messages: ${detail}`,
    }));
    if (chunks.at(-1)?.at(-1) !== 0x0a && length > 0) {
      losses.push({ kind: 'truncated', detail: 'the messages end inside a line' });
    }
    return { placed: messages, bytes, losses };
  } finally {
    source.close();
  }
}

function merged(log: OpenSource, messages: Messages): OpenSource {
  return {
    ...log,
    ranges: null,
    chunks: () => withMessages(log.chunks(), messages.placed),
    again: () => {
      const again = log.again();
      return again === null ? null : merged(again, messages);
    },
    finish: (end) => {
      const { hasGrown, losses } = log.finish(Math.max(0, end - messages.bytes));
      return { hasGrown, losses: [...losses, ...messages.losses] };
    },
  };
}

import { TraceError } from '../base/errors.ts';
import { foreignTrace } from './foreign.ts';
import type { LineFormat, TraceFormat } from './format.ts';
import { jsonArray } from './json/array.ts';
import { jsonLines } from './json/lines.ts';
import { qemuLog } from './qemu-log/index.ts';
import { syslog } from './syslog/index.ts';

/** All formats, in the order in which they are tried: what is sure before what is a guess. */
export const formats: readonly TraceFormat[] = [jsonArray, jsonLines, syslog, qemuLog];

/** A text that is mostly control bytes is no text. */
function isBinary(head: Uint8Array): boolean {
  let control = 0;
  for (const byte of head) if (byte < 9 || (byte > 13 && byte < 32 && byte !== 27)) control += 1;
  // Runs of NUL at the start of a rotated log do not make it binary.
  const nuls = head.findIndex((byte) => byte !== 0);
  return control - Math.max(0, nuls) > head.length / 20;
}

/**
 * The format of a trace, by its first bytes.
 *
 * @throws TraceError where they are of no known kind, saying what was found.
 */
export function recognise(path: string, head: Uint8Array): TraceFormat {
  // An empty trace is one of any kind; that it shows nothing is for the result to say.
  if (head.length === 0) return qemuLog;
  const hint = foreignTrace(Buffer.from(head.buffer, head.byteOffset, head.length));
  if (hint !== undefined) throw new TraceError({ path }, hint);
  const format = formats.find((known) => known.recognises(head));
  if (format !== undefined) return format;
  const found = isBinary(head) ? 'binary data' : 'text without a trace event';
  throw new TraceError(
    { path },
    `found ${found}, expected a QEMU log or JSON events; vtdscope reads what QEMU's -trace writes`,
  );
}

/** True where the bytes are the start of a trace of a known format. */
export function isTrace(head: Uint8Array): boolean {
  return formats.some((format) => format.recognises(head));
}

/** A format of lines by its name. */
export function lineFormatNamed(name: string): LineFormat {
  const format = formats.find((known) => known.name === name);
  if (format?.kind !== 'lines') throw new Error(`${name} is no format of lines`);
  return format;
}

import { TraceError } from '../base/errors.ts';
import type { LineFormat, TraceFormat } from './format.ts';
import { jsonArray } from './json/array.ts';
import { jsonLines } from './json/lines.ts';
import { qemuLog } from './qemu-log/index.ts';

/** All formats, in the order in which they are tried: what is sure before what is a guess. */
export const formats: readonly TraceFormat[] = [jsonArray, jsonLines, qemuLog];

/** Traces of other kinds, which are told what to do instead. */
const FOREIGN: readonly (readonly [test: (head: Buffer) => boolean, hint: string])[] = [
  [
    (head) => head.subarray(0, 8).equals(Buffer.alloc(8, 0xff)) && head.length >= 16,
    "a binary trace of QEMU's simple backend is not supported; run: simpletrace.py trace-events-all FILE, or trace with the log backend",
  ],
  [
    (head) => head.subarray(0, 10).equals(Buffer.from('\x17\x08\x44tracing', 'latin1')),
    'a trace.dat of trace-cmd is not supported; trace with the log backend',
  ],
  [
    (head) => head.subarray(0, 8).toString('latin1') === 'PERFILE2',
    'a perf.data is not supported; trace with the log backend',
  ],
  [
    (head) =>
      [0xc1fc1fc1, 0x75d11d57].some(
        (magic) =>
          head.length >= 4 && (head.readUInt32LE(0) === magic || head.readUInt32BE(0) === magic),
      ),
    'an LTTng trace (CTF) is not supported; trace with the log backend',
  ],
];

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
  const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
  for (const [test, hint] of FOREIGN) if (test(buffer)) throw new TraceError({ path }, hint);
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

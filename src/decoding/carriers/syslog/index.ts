import { NO_TIME } from '../../../base/place.ts';
import { NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { EmbeddedLine } from '../../embedded-line.ts';
import type { LineDecoder, LineFormat } from '../../format.ts';

/*
 * QEMU's `syslog` trace backend, or its stderr in the journal, as syslog daemons and journalctl
 * print it. The ident and the process id tell VMs apart:
 *
 *   Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: vtd_reset_exit            no year: no times
 *   2026-11-22T07:35:47.845867+00:00 host-a qemu-system-x86_64[7329]: vtd_reset_exit
 *   <30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 - - vtd_reset_exit
 */

const LF = 0x0a;
const CR = 0x0d;
/** Longest header that is looked for. */
const HEADER_LENGTH = 512;
/** Lines that are looked at to recognise the format. */
const SAMPLE = 200;

const PRIORITY = String.raw`(?:<\d{1,3}>)?`;
const YEARLESS = String.raw`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?`;
const ISO = String.raw`(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)`;
/**
 * Time, fraction, zone, host, ident, process. QEMU's `openlog` asks for the process id; without it,
 * a line would look like one of QEMU's own messages behind a guest's name.
 */
const HEADERS = [
  new RegExp(
    String.raw`^${PRIORITY}(?:${YEARLESS}|${ISO}) ([^\s:]{1,255}) ([^\s:[\]]{1,128})\[(\d{1,10})\]: `,
  ),
  new RegExp(
    String.raw`^<\d{1,3}>1 ${ISO} (\S{1,255}) (\S{1,128}) (\d{1,10}) \S{1,64} (?:-|\[[^\]]*\]) (?:\xef\xbb\xbf)?`,
  ),
] as const;

class SyslogDecoder implements LineDecoder {
  readonly #line = new EmbeddedLine();

  decode(block: Uint8Array, writer: BatchWriter): number {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    let line = 0;
    for (let at = 0; at < bytes.length; line += 1) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf;
      writer.line = line;
      this.#one(bytes.subarray(at, bytes[end - 1] === CR ? end - 1 : end), at, writer);
      at = end + 1;
    }
    this.#line.takeCounts(writer);
    return line;
  }

  #one(line: Buffer, byteOffset: number, writer: BatchWriter): void {
    const header = headerOf(line);
    writer.source = NO_SOURCE;
    if (header === undefined) {
      if (line.length > 0) writer.foreignLines += 1;
      return;
    }
    const { source, seconds, nanoseconds } = header;
    // What a daemon says of losses is about everybody's lines.
    if (!source.includes('journal') && !source.includes('rsyslog')) {
      writer.source = writer.sourceOf(source);
    }
    const place = { byteOffset, seconds, nanoseconds, thread: NO_THREAD };
    const isOurs = this.#line.write(line.subarray(header.length), writer, place);
    if (!isOurs) writer.foreignLines += 1;
  }
}

interface Header {
  readonly length: number;
  readonly source: string;
  readonly seconds: number;
  readonly nanoseconds: number;
}

function headerOf(line: Buffer): Header | undefined {
  const text = line.toString('latin1', 0, HEADER_LENGTH);
  for (const pattern of HEADERS) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const [header, time, fraction = '', zone = 'Z', host, ident, process] = found;
    return {
      length: header.length,
      source: `${host} ${ident}[${process}]`,
      ...timeOf(time, fraction, zone),
    };
  }
  return undefined;
}

function timeOf(
  time: string | undefined,
  fraction: string,
  zone: string,
): Pick<Header, 'seconds' | 'nanoseconds'> {
  const none = { seconds: 0, nanoseconds: NO_TIME };
  if (time === undefined) return none;
  const hours = zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const seconds = Date.parse(`${time.replace(' ', 'T')}${hours}`) / 1000;
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > 0xffff_ffff) return none;
  return { seconds, nanoseconds: Number((fraction || '0').padEnd(9, '0')) };
}

/** Lines of QEMU behind the header of a syslog daemon or of journalctl. */
export const syslog: LineFormat = {
  kind: 'lines',
  name: 'syslog',
  title: "QEMU's lines in a syslog or in journalctl's text",
  recognises(head) {
    const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
    const text = bytes.toString('latin1');
    const lines = text.split('\n', SAMPLE);
    if (!lines.some((line) => headerOf(Buffer.from(line, 'latin1')) !== undefined)) return false;
    const writer = new BatchWriter();
    const count = new SyslogDecoder().decode(bytes, writer);
    const batch = writer.finish(bytes, 0, count);
    return batch.events > 0;
  },
  decoder: () => new SyslogDecoder(),
};

import { type Command, pipeline } from '../base/commands.ts';
import { headerOf, VERSION } from './records/simple/wire.ts';

/** A trace of a kind that is not read: what it is, and what to do instead. */
interface Foreign {
  readonly what: string;
  readonly advice: Advice;
  isIt(head: Buffer, lines: readonly string[]): boolean;
}

/** What helps with an input of this name, behind what takes the layers around it off. */
type Advice = (path: string, unpack: readonly string[]) => string;

/** What is known of a foreign trace. */
export interface ForeignTrace {
  readonly what: string;
  readonly advice: string;
}

const recordAgain: Advice = () =>
  "record again with QEMU's log backend: -trace 'vtd_*' -trace 'vfio_*' -D FILE";

/** Advice to read what other programs make of the trace. */
function through(...commands: readonly Command[]): Advice {
  return (path, unpack) => `try: ${pipeline(path, unpack, ...commands)}`;
}

/** Lines of a text that are looked at, and those that a heading may be in. */
const SAMPLE = 64;
const FIRST_LINES = 4;

function hasMagic(magic: string): (head: Buffer) => boolean {
  return (head) => head.toString('latin1', 0, magic.length) === magic;
}

/** True where the text begins with such a line, comments and blank lines aside. */
function beginsWith(pattern: RegExp): Foreign['isIt'] {
  return (_, lines) => lines.slice(0, FIRST_LINES).some((line) => pattern.test(line));
}

/**
 * True where many lines are such: one alone may be of a guest, whose console QEMU's log holds as
 * well.
 */
function hasLines(pattern: RegExp): Foreign['isIt'] {
  return (_, lines) => {
    const sample = lines.slice(0, SAMPLE);
    return sample.filter((line) => pattern.test(line)).length * 4 > sample.length;
  };
}

/** trace-cmd reads no standard input. */
const throughTraceCmd: Advice = (path, unpack) => {
  const isFile = path !== '-' && unpack.length === 0;
  const saved = isFile ? '' : 'save it as trace.dat and ';
  const report = { command: 'trace-cmd report -t' };
  return `${saved}${through(report)(isFile ? path : 'trace.dat', [])}`;
};

/** babeltrace2 reads the folder of a trace, with all its streams and their metadata. */
const throughBabeltrace: Advice = (path, unpack) => {
  // A member of an archive has the archive's path before its own.
  const isFile = path !== '-' && unpack.length === 0 && !path.includes('!');
  const saved = isFile ? '' : 'unpack the folder of the trace and ';
  const folder = isFile ? path.replace(/[^/\\]{1,256}$/, '') || '.' : 'FOLDER';
  return `${saved}${through({ command: 'babeltrace2 --clock-gmt --clock-date' })(folder, [])}`;
};

/** As an event begins, behind a stamp where it has one. */
const EVENT = /^(?:\d+@\d+\.\d+:|[\dTZ:.+-]+ )?[a-z]+_\w+ /;

/** A log that an old terminal or a serial console has written down; with an LF anywhere, it is another. */
function endsWithCr(head: Buffer): boolean {
  if (head.includes(0x0a)) return false;
  const lines = head.toString('latin1').split('\r').slice(0, SAMPLE);
  return lines.filter((line) => EVENT.test(line)).length > 1;
}

/** What other tracers and other backends of QEMU write, the surest first. */
const FOREIGN: readonly Foreign[] = [
  ...[0n, 2n, 3n].map(
    (version): Foreign => ({
      what: `a binary trace of QEMU's simple backend, version ${version}, of a QEMU before 2.10,`,
      advice: recordAgain,
      isIt: (head) => headerOf(head)?.version === version,
    }),
  ),
  {
    what: "a binary trace of QEMU's simple backend, of a version that is not known,",
    advice: recordAgain,
    isIt: (head) => (headerOf(head)?.version ?? VERSION) !== VERSION,
  },
  {
    what: 'a log whose lines end with CR, and never with LF,',
    advice: through({ command: "tr '\\r' '\\n' <", filter: "tr '\\r' '\\n'" }),
    isIt: endsWithCr,
  },
  {
    what: 'a trace.dat of trace-cmd',
    advice: throughTraceCmd,
    isIt: hasMagic('\x17\x08\x44tracing'),
  },
  {
    what: 'a perf.data',
    advice: through({ command: 'perf script --ns -i', filter: 'perf script --ns -i -' }),
    isIt: hasMagic('PERFILE2'),
  },
  {
    what: 'an LTTng trace (CTF)',
    advice: throughBabeltrace,
    isIt: (head) =>
      ['\xc1\x1f\xfc\xc1', '\xc1\xfc\x1f\xc1', '\x75\xd1\x1d\x57', '\x57\x1d\xd1\x75'].some(
        (magic) => hasMagic(magic)(head),
      ),
  },
  {
    what: 'the metadata of an LTTng trace (CTF)',
    advice: throughBabeltrace,
    isIt: beginsWith(/^\/\* CTF 1\.8 \*\//),
  },
  {
    what: "the list of QEMU's trace events",
    advice: () => 'a trace is wanted here',
    isIt: hasLines(/^(?:disable )?[a-z]\w*\([\w *,]*\) ".*$/),
  },
];

/** JSON of a kind that is not read, by the keys of its first object. */
const FOREIGN_JSON: readonly (Omit<Foreign, 'isIt'> & { readonly isIt: RegExp })[] = [
  {
    what: 'the JSON of perf, which names neither events nor arguments,',
    advice: () => `make a text of the perf.data: perf script --ns -i perf.data | vtdscope -`,
    isIt: /^\s*\{\s*"linux-perf-json-version"/,
  },
];

/** What a trace of another kind is, and what helps; undefined where it is none known. */
export function foreignTrace(
  path: string,
  unpack: readonly string[],
  head: Buffer,
): ForeignTrace | undefined {
  const text = head.toString('latin1', 0, 16_384);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const found =
    FOREIGN.find(({ isIt }) => isIt(head, lines)) ??
    FOREIGN_JSON.find(({ isIt }) => isIt.test(text));
  if (found === undefined) return undefined;
  return { what: found.what, advice: found.advice(path, unpack) };
}

/** JSON that holds no events where they are looked for may hold them on several lines each. */
export const adviceForJson: Advice = (path, unpack) =>
  `expected one array of events or one event per line, such as {"event": "vtd_page_walk_one", "args": {...}}; if each is on several lines, ${through({ command: 'jq -c .' })(path, unpack)}`;

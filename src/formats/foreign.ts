/** A trace of a kind that is not read: what it is, and what to do instead. */
interface Foreign {
  readonly what: string;
  readonly advice: string;
  isIt(head: Buffer, text: string): boolean;
}

const RECORD_AGAIN = "record again with QEMU's log backend: -trace 'vtd_*' -trace 'vfio_*' -D FILE";
/** Takes the lines that QEMU wrote out of the kernel's. */
const FROM_KERNEL = "sed -n 's/.*tracing_mark_write: //p'";

function hasMagic(magic: string): (head: Buffer) => boolean {
  return (head) => head.toString('latin1', 0, magic.length) === magic;
}

function hasLine(pattern: RegExp): (head: Buffer, text: string) => boolean {
  return (_, text) => pattern.test(text);
}

/** What other tracers and other backends of QEMU write, the surest first. */
const FOREIGN: readonly Foreign[] = [
  {
    what: "a binary trace of QEMU's simple backend",
    advice: RECORD_AGAIN,
    isIt: (head) => head.length >= 16 && hasMagic('\xff'.repeat(8))(head),
  },
  {
    what: 'a trace.dat of trace-cmd',
    advice: `try: trace-cmd report FILE | ${FROM_KERNEL} | vtdscope -`,
    isIt: hasMagic('\x17\x08\x44tracing'),
  },
  { what: 'a perf.data', advice: RECORD_AGAIN, isIt: hasMagic('PERFILE2') },
  {
    what: 'an LTTng trace (CTF)',
    advice: RECORD_AGAIN,
    isIt: (head) =>
      ['\xc1\x1f\xfc\xc1', '\xc1\xfc\x1f\xc1', '\x75\xd1\x1d\x57', '\x57\x1d\xd1\x75'].some(
        (magic) => hasMagic(magic)(head),
      ),
  },
  {
    what: 'the metadata of an LTTng trace (CTF)',
    advice: RECORD_AGAIN,
    isIt: hasLine(/^\/\* CTF 1\.8 \*\/|^(?:Trace|Stream) class:$/m),
  },
  {
    what: 'the text of babeltrace',
    advice: RECORD_AGAIN,
    isIt: hasLine(/^(?:\[[\d :.-]+\] .*|timestamp = .*name = )qemu:\w+[:,] /m),
  },
  {
    what: 'the text of perf script',
    advice: RECORD_AGAIN,
    isIt: hasLine(/^ *\S.* \[\d+\] +\d+\.\d+: +sdt_qemu:\w+: /m),
  },
  {
    what: "the text of the kernel's ftrace",
    advice: `try: ${FROM_KERNEL} FILE | vtdscope -`,
    isIt: hasLine(/^# tracer: |^ *\S.*-\d+ .*\[\d+\] .*: tracing_mark_write: /m),
  },
  {
    what: 'the text of trace-cmd',
    advice: `try: ${FROM_KERNEL} FILE | vtdscope -`,
    isIt: hasLine(/^ *\S.*-\d+ .*\[\d+\] .*: print: +\S/m),
  },
  {
    what: 'the text of simpletrace.py',
    advice: RECORD_AGAIN,
    isIt: hasLine(/^[a-z]\w* -?\d+\.\d{3} pid=\d+ /m),
  },
  {
    what: 'the text of a bpftrace script',
    advice: RECORD_AGAIN,
    isIt: hasLine(/^\d+ \d+ [a-z]\w* \w+=/m),
  },
  {
    what: "the list of QEMU's trace events",
    advice: 'a trace is wanted here',
    isIt: hasLine(/^(?:disable )?[a-z]\w*\([\w *,]*\) ".*$/m),
  },
];

/** JSON of a kind that is not read, by the keys of its first object. */
function foreignJson(text: string): string | undefined {
  const start = text.search(/\S/);
  if (text[start] !== '{') return undefined;
  if (/^\s*\{\s*"linux-perf-json-version"/.test(text)) {
    return `JSON of perf names neither events nor arguments; ${RECORD_AGAIN}`;
  }
  if (/"values"\s*:\s*\[\s*\[\s*"\d{16,}"/.test(text)) {
    return "the answer to a query of Loki is not supported; try: jq -r '.data.result[].values[][1]' FILE | vtdscope -";
  }
  if (/^\s*\{\s*"type"\s*:\s*"(?:attached_probes|printf)"/.test(text)) {
    return `the JSON of a bpftrace script is not supported; ${RECORD_AGAIN}`;
  }
  return undefined;
}

/** What is wrong with a trace of another kind, and what helps; undefined where it is none known. */
export function foreignTrace(head: Buffer): string | undefined {
  const text = head.toString('latin1', 0, 16_384);
  const found = FOREIGN.find(({ isIt }) => isIt(head, text));
  if (found !== undefined) return `${found.what} is not supported; ${found.advice}`;
  return foreignJson(text);
}

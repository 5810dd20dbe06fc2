import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ForeignError } from '../../src/base/errors.ts';
import { openSource } from '../../src/bytes/source.ts';
import { formats, recognise } from '../../src/decoding/index.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { simpleBytes } from '../helpers/simple-trace.ts';

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const ISO = '2026-11-22T07:51:14.717309Z ';

/** Several lines of a kind. */
const many = (line: string, count = 12) => `${line}\n`.repeat(count);

const formatOf = (head: string | Uint8Array, path = 'trace', compression = 'none') =>
  recognise({ path, compression, head: Buffer.from(head as Uint8Array) }).name;

/** What is said of a trace that is refused. */
function refusal(head: string | Uint8Array, path = 'trace', compression = 'none'): ForeignError {
  try {
    formatOf(head, path, compression);
  } catch (thrown) {
    if (thrown instanceof ForeignError) return thrown;
    throw thrown;
  }
  throw new Error('it is not refused');
}

describe('a trace is recognised', () => {
  it.each([
    ['qemu-log', 'without stamps', many(MAP)],
    ['qemu-log', 'with threads', many(`1331@1795334254.166216:${MAP}`)],
    ['qemu-log', 'with times', many(ISO + MAP)],
    ['qemu-log', 'whose events are not needed', many(`${ISO}vtd_inv_qi_fetch `)],
    ['qemu-log', 'with one event behind a long start of somebody else', many('booting', 500) + MAP],
    ['qemu-log', 'with messages only', 'qemu-system-x86_64: warning: something\n'],
    [
      'qemu-log',
      'of libvirt',
      '2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0\n',
    ],
    ['qemu-log', 'behind NUL', '\0'.repeat(60_000) + many(MAP)],
    ['qemu-log', 'behind a byte order mark', `\ufeff${many(MAP)}`],
    [
      'qemu-log',
      'with the output of a guest that reads its own traces',
      `# x\n${many(ISO + MAP, 40)}# tracer: nop\n bash-12 [000] 1.000000: tracing_mark_write: x\n12 34 foo bar=1\n`,
    ],
    ['qemu-log', 'of nothing', ''],
    ['syslog', 'of a syslog', many(`Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${MAP}`)],
    [
      'ftrace',
      'of the kernel, whose events are not needed',
      `# tracer: nop\n#\n${many('           <...>-7329    [000] ...1.  1915.246562: tracing_mark_write: vtd_inv_qi_fetch ')}`,
    ],
    [
      'babeltrace',
      'of LTTng',
      many('[07:35:47.845526000] (+0.000000001) host-a qemu:vtd_reset_exit: { cpu_id = 0 }, { }'),
    ],
    [
      'perf-script',
      'of perf script',
      many(' qemu-system-x86  7329 [000]  1915.246562: sdt_qemu:vtd_reset_exit: (55d5)'),
    ],
    ['bpftrace', 'of bpftrace', many('1795332947 7329 vtd_page_walk_one domain=0x2')],
    [
      'bpftrace-json',
      'of bpftrace -f json',
      `{"type": "attached_probes", "data": {"probes": 1}}\n${many('{"type":"printf","data":"1 2 vtd_page_walk_one"}')}`,
    ],
    ['systemtap', 'of SystemTap', many(`7329@1795332947845867137 ${MAP}`)],
    ['cri', 'of a container runtime', many(`2026-11-22T07:35:47.845867Z stderr F ${ISO}${MAP}`)],
    ['container', 'of kubectl logs', many(`2026-11-22T07:35:47.845867000Z ${ISO}${MAP}`)],
    ['container', 'of docker compose', many(`vm-a-1  | ${ISO}${MAP}`)],
    ['json-lines', 'of events', many('{"event":"global_dirty_changed","args":{"mask":1}}')],
    ['json-lines', 'of events that are not known', many('{"event":"qcow2_writev","args":{}}')],
    ['json-lines', 'of lines', many(JSON.stringify({ message: MAP }))],
    [
      'json-array',
      'of events',
      `[${'{"event":"global_dirty_changed","args":{"mask":1}},'.repeat(5)}`,
    ],
    [
      'json-array',
      'of lines, the first of somebody else',
      `[{"log":"hello"},${JSON.stringify({ log: MAP })}]`,
    ],
    ['json-array', 'without any', '[]'],
    ['simple', 'of records', simpleBytes().header()],
    ['simple', 'of a big machine', simpleBytes('big').header()],
    ['simpletrace-text', 'of simpletrace.py', many('vtd_page_walk_one 0.123 pid=7329 domain=0x2')],
  ])('as %s %s', (name, _, head) => {
    expect(formatOf(head)).toBe(name);
  });
});

it('a log with an LF anywhere is read, whatever a guest has written with CRs', () => {
  const bar = 'vfio_a b\rvfio_a c\rvfio_a d\r';
  expect(formatOf(`global_dirty_changed bitmask 0x1\n${bar}`)).toBe('qemu-log');
  expect(formatOf(`${'global_dirty_changed bitmask 0x1\r\n'.repeat(3)}`)).toBe('qemu-log');
});

describe('refused is', () => {
  it.each([0, 2, 3])('a binary trace of version %d', (version) => {
    const head = Buffer.from(`ffffffffffffffffb429a40acb77b1f20${version}00000000000000`, 'hex');
    expect(refusal(head).message).toBe(
      `trace: a binary trace of QEMU's simple backend, version ${version}, of a QEMU before 2.10, is not supported; record again with QEMU's log backend: -trace 'vtd_*' -trace 'vfio_*' -D FILE`,
    );
  });

  it.each([
    ['a photograph', Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'), 'binary data'],
    ['a letter', 'Dear Sir or Madam,\nthis is no trace.\n', 'text without a trace event'],
    [
      'the log of a web server',
      '127.0.0.1 - - [22/Nov/2026:07:35:47 +0000] "GET / HTTP/1.1" 200 45\n',
      'text without',
    ],
    [
      'a syslog without QEMU',
      'Nov 22 07:35:46 host-a sshd[12]: Accepted publickey for root\n',
      'text without',
    ],
    ['JSON of a logger', many('{"name":"my_app","msg":"hello"}'), 'JSON without a trace event'],
    [
      'JSON of many lines',
      '{\n  "event": "global_dirty_changed",\n  "args": {}\n}\n',
      'jq -c . trace | vtdscope -',
    ],
    ['an array of other things', '[{"name":"x","text":"y"}]', 'JSON without a trace event'],
    [
      'a binary trace of a version to come, written on a big machine',
      Buffer.from('fffffffffffffffff2b177cb0aa429b40000000000000005', 'hex'),
      'of a version that is not known',
    ],
    [
      'events without a header',
      simpleBytes().event(3, [1n]),
      'give the trace-events-all of that QEMU: --trace-events-all FILE',
    ],
    [
      'a log with a CR behind each line, and no LF',
      'global_dirty_changed bitmask 0x1\rglobal_dirty_changed bitmask 0x0\r',
      "a log whose lines end with CR, and never with LF, is not supported; try: tr '\\r' '\\n' < trace | vtdscope -",
    ],
    [
      'a trace.dat',
      `\x17\x08\x44tracing6\0${'\0'.repeat(50)}`,
      'try: trace-cmd report -t trace | vtdscope -',
    ],
    ['a perf.data', `PERFILE2${'\0'.repeat(50)}`, 'try: perf script --ns -i trace | vtdscope -'],
    [
      'a stream of LTTng',
      Buffer.from(`c11ffcc1${'00'.repeat(40)}`, 'hex'),
      'babeltrace2 --clock-gmt --clock-date . | vtdscope -',
    ],
    [
      'metadata of LTTng',
      '/* CTF 1.8 */\n\ntypealias integer { size = 5; } := uint5_t;\n',
      'try: babeltrace2 --clock-gmt --clock-date . | vtdscope -',
    ],
    [
      'a list of trace events',
      many('vtd_inv_qi_head(uint16_t head) "read head %d"'),
      "list of QEMU's trace events",
    ],
    [
      'JSON of perf',
      '{"linux-perf-json-version":1,"headers":{}}',
      'perf script --ns -i perf.data | vtdscope -',
    ],
    [
      'a JSON array with its newest line first',
      `[${[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        .map((second) => `{"line":"${MAP}","timestamp":"179533294${second}000000000"}`)
        .join(',')}]`,
      'jq reverse trace | vtdscope -',
    ],
    [
      'a log with its newest line first',
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        .map((second) => `2026-11-22T07:51:0${second}Z ${MAP}\n`)
        .join(''),
      'tac trace | vtdscope -',
    ],
  ])('%s, with what was found', (_, head, words) => {
    const { message } = refusal(head);
    expect(message).toMatch(/^trace: /);
    expect(message).toContain(words);
  });

  it('but not a log whose threads race, or whose clock was set back once', () => {
    const lines = [1, 3, 2, 5, 4, 7, 6, 9, 8, 0, 1, 2, 3].map(
      (second) => `1@${second}.000001:${MAP}\n`,
    );
    expect(formatOf(lines.join(''))).toBe('qemu-log');
  });
});

describe('the command that a refusal names', () => {
  /** What the command prints that the message about a file names, instead of `vtdscope -`. */
  async function outputFor(content: Uint8Array | string, name = 'the trace.log'): Promise<string> {
    const folder = testFolder();
    writeFileSync(join(folder, name), content);
    const message = await openSource(join(folder, name))
      .then((source) => {
        recognise(source);
        return '';
      })
      .catch((thrown: Error) => thrown.message);
    const [, command = ''] = /try: (.*) \| vtdscope -$/.exec(message) ?? [];
    return execFileSync('/bin/sh', ['-c', command], { cwd: folder }).toString();
  }

  it('turns a log around', async () => {
    const lines = Array.from({ length: 10 }, (_, second) => `1@${second}.000001:${MAP}\n`);
    const backwards = [...lines].reverse().join('');
    expect(await outputFor(gzipSync(backwards), 'back.gz')).toBe(lines.join(''));
  });

  it('unpacks', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a.log'), many(MAP));
    const tar = execFileSync('tar', ['-cf', '-', 'a.log'], { cwd: folder });
    expect(await outputFor(tar)).toBe(many(MAP));
    expect(await outputFor(gzipSync(tar))).toBe(many(MAP));
  });

  it('is for a pipe where the trace comes from one', () => {
    const lines = Array.from({ length: 10 }, (_, second) => `1@${second}.000001:${MAP}\n`);
    const backwards = lines.reverse().join('');
    expect(refusal(backwards, '-').message).toMatch(/; try: \.\.\. \| tac \| vtdscope -$/);
    expect(refusal(backwards, '-', 'gzip').message).toMatch(
      /; try: \.\.\. \| gzip -dc \| tac \| vtdscope -$/,
    );
    expect(
      refusal(Buffer.from(`c11ffcc1${'00'.repeat(40)}`, 'hex'), 'a/b c/channel0').message,
    ).toMatch(/; try: babeltrace2 --clock-gmt --clock-date 'a\/b c\/' \| vtdscope -$/);
    expect(refusal(`\x17\x08\x44tracing6\0${'\0'.repeat(50)}`, '-').message).toMatch(
      /save it as trace.dat and try: trace-cmd report -t trace.dat \| vtdscope -$/,
    );
  });
});

describe('README.md', () => {
  it('says of each format how it is captured, what it lacks, and by what it is recognised', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [, table = ''] = readme.split('| format | how to capture it |');
    const rows = table.slice(0, table.indexOf('\n\n')).split('\n').slice(2);
    const named = rows.flatMap((row) => {
      const [, names = '', ...cells] = row.split(/(?<!\\)\|/);
      expect(
        cells.slice(0, 3).filter((cell) => cell.trim() === ''),
        row,
      ).toEqual([]);
      return names.match(/(?<=`)[\w-]+(?=`)/g) ?? [];
    });
    expect(named.sort()).toEqual(formats.map(({ name }) => name).sort());
  });
});

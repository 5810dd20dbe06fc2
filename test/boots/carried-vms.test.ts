import { describe, expect, it } from 'vitest';
import { analyze } from '../helpers/analyze.ts';
import { firstLines, sample } from '../helpers/samples.ts';

/** Lines of two VMs in turn, each behind a header that names one: two sessions like those of one VM alone. */

const lines = firstLines(sample('all-10.2.2.log.gz'), 400).toString().trimEnd().split('\n');
const micro = (line: string) => line.slice(0, 26);
const text = (line: string) => line.slice(line.indexOf(' ') + 1);

const FORMS: readonly (readonly [format: string, (line: string, vm: number) => string])[] = [
  ['syslog', (line, vm) => `${micro(line)}+00:00 host-a qemu-system-x86_64[${vm}]: ${text(line)}`],
  ['container', (line, vm) => `[pod/vm-${vm}/compute] ${line}`],
  ['container', (line, vm) => `vm-${vm}  | ${micro(line)}123Z ${line}`],
  ['systemtap', (line, vm) => `${vm}@1795332947${line.slice(20, 26)}000 ${text(line)}`],
  [
    'ftrace',
    (line, vm) =>
      `  <...>-${vm}  (${vm}) [000] 1915.${line.slice(20, 26)}: tracing_mark_write: ${text(line)}`,
  ],
];

async function sessionsOf(all: readonly string[]) {
  async function* stdin() {
    yield Buffer.from(`${all.join('\n')}\n`);
  }
  const { trace } = await analyze('-', {}, { stdin: stdin() });
  const { format, sessions } = trace;
  const found = sessions.map(({ findings, verdict }) => ({
    verdict,
    findings: findings.map(({ rule, mode, cause, count }) => [rule, mode, cause, count]),
  }));
  return { format, sessions: found };
}

describe('two VMs in one trace are told apart', () => {
  it.each(FORMS)('as %s', async (format, form) => {
    const alone = await sessionsOf(lines.map((line) => form(line, 7329)));
    const both = await sessionsOf(lines.flatMap((line) => [form(line, 7329), form(line, 9329)]));
    expect(alone.format).toBe(format);
    expect(alone.sessions).toHaveLength(1);
    expect(both.sessions).toEqual([...alone.sessions, ...alone.sessions]);
  });
});

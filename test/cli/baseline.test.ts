import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

/** Fails with -7, as QEMU says itself. */
const fails = 'traces/qemu-10.0/blocked-aw48-minimal.log';
const exposed = 'traces/qemu-10.0/iommufd-blocked-aw48.log.gz';

/** A baseline of what there is in a trace, in a folder of its own. */
async function baselineOf(trace: string, ...more: readonly string[]) {
  const path = join(testFolder(), 'accepted.json');
  const made = await runProgram([
    trace,
    '--baseline',
    path,
    '--update-baseline',
    'ticket 12',
    ...more,
  ]);
  return { path, made };
}

interface Baseline {
  readonly accepted: readonly { readonly rule: string; readonly reason: string }[];
}

const contentOf = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Baseline;

describe('--update-baseline', () => {
  it('accepts what counts, with the reason, and the next run passes', async () => {
    const { made, path } = await baselineOf(fails);
    expect(made.status).toBe(0);
    const { accepted } = contentOf(path);
    expect(accepted.length).toBeGreaterThan(0);
    expect(accepted.every(({ reason }) => reason === 'ticket 12')).toBe(true);
    expect(made.stderr).toBe(
      `vtdscope: ${path}: ${accepted.length} findings accepted; ${accepted.length} entries added\n`,
    );

    const again = await runProgram([fails, '--baseline', path]);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('FAILS');
    expect(again.stdout).toContain(`The baseline accepts ${accepted.length} findings (`);
    expect(again.stdout).toContain('accepted: ticket 12');
    expect(again.stderr).toContain(`${accepted.length} findings accepted\n`);
  });

  it('changes nothing the second time', async () => {
    const { path } = await baselineOf(fails);
    const before = readFileSync(path, 'utf8');
    const again = await runProgram([fails, '--baseline', path, '--update-baseline', 'another']);
    expect(again.status).toBe(0);
    expect(again.stderr).toContain('0 entries added');
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it('takes what counts by --fail-on and --strict only', async () => {
    const { path } = await baselineOf(exposed);
    expect(contentOf(path).accepted).toEqual([]);
    const { path: wider } = await baselineOf(exposed, '--fail-on', 'what-if');
    expect(contentOf(wider).accepted.length).toBeGreaterThan(0);
    const status = async (path: string) =>
      (await runProgram([exposed, '--fail-on', 'what-if', '--baseline', path])).status;
    expect(await status(path)).toBe(1);
    expect(await status(wider)).toBe(0);
  });

  it('takes the place of no trace, and of nothing that is no baseline', async () => {
    const path = join(testFolder(), 'other.json');
    writeFileSync(path, '{"name": "something else"}');
    const ended = await runProgram([fails, '--baseline', path, '--update-baseline', 'x']);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain('no baseline: expected');
    expect(readFileSync(path, 'utf8')).toBe('{"name": "something else"}');
  });
});

describe('a baseline', () => {
  it('does not accept what is not in it', async () => {
    const { path } = await baselineOf(fails);
    const { status, stderr } = await runProgram([
      'traces/qemu-10.0/blocked-aw39.log.gz',
      '--baseline',
      path,
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain('0 findings accepted');
    expect(stderr).toContain('no finding here for');
  });

  it('accepts nothing any more once it has expired, and says so', async () => {
    const { path } = await baselineOf(fails, '--accept-until', '2020-01-31');
    const { status, stderr, stdout } = await runProgram([fails, '--baseline', path]);
    expect(status).toBe(1);
    expect(stderr).toContain('was accepted until 2020-01-31 (ticket 12); it counts again');
    expect(stdout).not.toContain('baseline');
  });

  it('opens no gate, and makes nothing conclusive', async () => {
    const { path } = await baselineOf(fails);
    const gated = await runProgram([fails, '--baseline', path, '--gate', 'migrate']);
    expect(gated.status).toBe(1);
    const inconclusive = 'test/cases/01-proxmox-journal-bar-einval.log';
    const { path: other, made } = await baselineOf(inconclusive, '--strict');
    expect(made.status).toBe(3);
    expect((await runProgram([inconclusive, '--strict', '--baseline', other])).status).toBe(3);
  });

  it('shows in every report', async () => {
    // To JUnit a warning is a failure.
    const { path } = await baselineOf(fails, '--strict');
    const folder = testFolder();
    const files = ['json', 'ndjson', 'html', 'markdown', 'sarif', 'junit', 'csv'];
    const outputs = files.flatMap((name) => ['-o', `${name}=${join(folder, name)}`]);
    const quiet = await runProgram([fails, '-q', '--baseline', path, ...outputs]);
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
    expect(quiet.stdout).toContain('The baseline accepts');
    const without = files.filter(
      (name) => !readFileSync(join(folder, name), 'utf8').includes('ticket 12'),
    );
    expect(without).toEqual([]);
    const sarif = JSON.parse(readFileSync(join(folder, 'sarif'), 'utf8'));
    const { results } = sarif.runs[0];
    expect(results.length).toBeGreaterThan(0);
    expect(results.every((result: { suppressions?: unknown }) => result.suppressions)).toBe(true);
    const junit = readFileSync(join(folder, 'junit'), 'utf8');
    expect(junit).toContain('failures="0"');
    expect(junit).toContain('accepted: ticket 12');
  });

  it('is refused where it is not there, or where options do not go together', async () => {
    const missing = join(testFolder(), 'none.json');
    const refused = async (...args: readonly string[]) => {
      const { status, stderr } = await runProgram([fails, ...args]);
      expect(status).toBe(2);
      return stderr;
    };
    expect(await refused('--baseline', missing)).toContain('no such file; --update-baseline');
    expect(existsSync(missing)).toBe(false);
    expect(await refused('--update-baseline', 'x')).toContain('needs --baseline');
    expect(await refused('--baseline', missing, '--update-baseline', '')).toContain('a reason');
    expect(await refused('--accept-until', '2027-01-31')).toContain('needs --update-baseline');
    expect(
      await refused('--baseline', missing, '--update-baseline', 'x', '--accept-until', 'soon'),
    ).toContain('Expected a day');
    expect(await refused('--baseline', missing, '--results', testFolder())).toContain(
      'do not go together',
    );
  });
});

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { type Ended, runProgram } from '../helpers/program.ts';

/** Whole unmaps under tracking, and nothing wrong: QEMU 7.2 before it failed there. */
const clean = 'traces/qemu-7.2/blocked-aw48.log.gz';
const fails = 'traces/qemu-10.0/blocked-aw48-minimal.log';
/** Nothing bad under tracking, but unmaps that would be. */
const exposed = 'traces/qemu-10.0/iommufd-blocked-aw48.log.gz';

const json = async (...args: string[]) => runProgram([...args, '--format', 'json']);
const verdictOf = ({ stdout }: Ended) => (JSON.parse(stdout) as { verdict: string }).verdict;

/** The shipped trace without its last part, so that it is gzip and torn. */
function truncatedGzip(path: string): Buffer {
  const whole = readFileSync(`${root}${path}`);
  return whole.subarray(0, Math.floor(whole.length / 2));
}

describe('exit status 0', () => {
  it('where nothing is found', async () => {
    const ended = await json(clean);
    expect(verdictOf(ended)).toBe('clean');
    expect(ended.status).toBe(0);
  });

  it('where findings are below --fail-on', async () => {
    expect((await json(fails, '--fail-on', 'none')).status).toBe(0);
    expect((await json(exposed, '--fail-on', 'active')).status).toBe(0);
  });

  it('with --exit-zero, whatever is found', async () => {
    expect((await json(fails, '--exit-zero')).status).toBe(0);
    expect((await runProgram(['-', '--exit-zero'], { stdin: '' })).status).toBe(0);
  });

  it('where the reader of its output has had enough', async () => {
    const ended = await runProgram([fails, '--format', 'json'], {
      onStart: (child) => {
        child.stdin.end();
        child.stdout?.destroy();
      },
    });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
  });

  it('for help and version', async () => {
    const help = await runProgram(['--help']);
    expect(help.status).toBe(0);
    expect(help.stdout).toContain('Examples:');
    const version = await runProgram(['--version']);
    expect(version).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('exit status 1', () => {
  it('where unmaps fail', async () => {
    const ended = await json(fails);
    expect(verdictOf(ended)).toBe('fails');
    expect(ended.status).toBe(1);
    expect(ended.stderr).toBe('');
  });

  it('where what would happen counts', async () => {
    expect((await json(exposed, '--fail-on', 'what-if')).status).toBe(1);
  });

  it('for --fail-on observed only where the log itself holds the error', async () => {
    expect((await json(fails, '--fail-on', 'observed')).status).toBe(1);
    const emulated = 'traces/qemu-10.0/blocked-aw39.log.gz';
    expect((await json(emulated, '--fail-on', 'active')).status).toBe(1);
    expect((await json(emulated, '--fail-on', 'observed')).status).toBe(0);
  });

  it('where unmaps fail in a trace that is damaged besides', async () => {
    const folder = testFolder();
    const whole = gzipSync(readFileSync(`${root}${fails}`));
    writeFileSync(join(folder, 'cut.log.gz'), whole.subarray(0, -12));
    const ended = await json(join(folder, 'cut.log.gz'));
    expect(ended.stdout).toContain('"truncated"');
    expect(ended.status).toBe(1);
  });
});

describe('with --strict', () => {
  it('warnings count: a trace that shows too little, and a clean one', async () => {
    const harmless = 'test/cases/01-proxmox-journal-bar-einval.log';
    expect((await json(harmless)).status).toBe(3);
    expect((await json(harmless, '--strict')).status).toBe(1);
    expect((await json(harmless, '--strict', '--fail-on', 'none')).status).toBe(3);
    const warned = 'test/cases/50-clean-iommufd-plus-bar-warning.log.gz';
    expect((await json(warned)).status).toBe(0);
    expect((await json(warned, '--strict')).status).toBe(1);
    expect((await json(exposed, '--strict')).status).toBe(0);
  });
});

describe('with --gate migrate', () => {
  const gated = async (path: string) => (await json(path, '--gate', 'migrate')).status;

  it('all is well where QEMU refuses, or nothing speaks against a migration', async () => {
    expect(await gated(exposed)).toBe(0);
    expect(await gated('test/cases/52-novtd-vfio-realize.log')).toBe(0);
    // Refused, but inconclusive.
    expect(await gated('traces/qemu-10.0/migrate-viommu-refused.log.gz')).toBe(3);
  });

  it('1 where a migration would do harm, though nothing was found', async () => {
    expect(await gated(clean)).toBe(1);
    expect((await json(clean, '--gate', 'migrate', '--fail-on', 'none')).status).toBe(1);
    expect((await json(clean, '--gate', 'migrate', '--exit-zero')).status).toBe(0);
  });

  it('1 where the trace does not show enough', async () => {
    expect(await gated('test/cases/01-proxmox-journal-bar-einval.log')).toBe(1);
  });
});

describe('exit status 2', () => {
  const unusable = async (args: string[], ...words: string[]) => {
    const ended = await runProgram(args);
    expect(ended.status).toBe(2);
    for (const word of words) expect(ended.stderr).toContain(word);
    return ended;
  };

  it('for a usage error, with a suggestion', async () => {
    await unusable([fails, '--fromat', 'json'], "unknown option '--fromat'", '--format');
    await unusable([], 'no trace given');
    await unusable([fails, '--format', 'yaml'], 'yaml', 'json');
    await unusable([fails, '--qemu', 'nine'], 'nine');
    await unusable([fails, '--gate', 'garden'], 'garden', 'migrate');
    await unusable([fails, '--output', 'json'], 'FORMAT=PATH');
  });

  it('for an input that is not there, named with its reason', async () => {
    const ended = await unusable(['no-such.log'], 'no-such.log', 'no such file');
    expect(ended.stderr).not.toContain('    at ');
  });

  it('for an input that cannot be read', async () => {
    // A socket or a device would do; a file without permission does not stop root.
    await unusable(['/proc/self/mem'], '/proc/self/mem');
  });

  it('for a binary file and for text that is no trace', async () => {
    const folder = testFolder();
    const binary = join(folder, 'photo.log');
    writeFileSync(binary, Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'));
    await unusable([binary], binary, 'binary');
    const text = join(folder, 'letter.txt');
    writeFileSync(text, 'Dear Sir or Madam,\nthis is no trace.\n');
    await unusable([text], text);
  });

  it('for a directory without traces', async () => {
    await unusable([testFolder()], 'a directory without traces');
  });

  it('for an output that cannot be written, before any work is done', async () => {
    const path = join(testFolder(), 'no-such-folder', 'out.json');
    await unusable([fails, '--output', `json=${path}`], path, 'cannot be written');
    await unusable([fails, '--unmaps', path], path, 'cannot be written');
    const folder = testFolder();
    await unusable([fails, '--mappings', folder], folder, 'cannot be written');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('for a full disk, whatever was to be written there', async () => {
    const full = ['/dev/full', 'cannot be written', 'no space left on device'];
    await unusable([fails, '--output', 'json=/dev/full'], ...full);
    await unusable([fails, '--unmaps', '/dev/full'], ...full);
    const stdout = await runProgram([fails, '--format', 'json'], { stdoutTo: '/dev/full' });
    expect(stdout.status).toBe(2);
    expect(stdout.stderr).toMatch(
      /^vtdscope: standard output cannot be written: no space left on device\n$/,
    );
  });

  it('for two outputs in one file, or one in the place of a trace', async () => {
    const path = join(testFolder(), 'out');
    await unusable([fails, '-o', `json=${path}`, '--unmaps', path], path, 'two outputs');
    const trace = join(testFolder(), 'trace.log');
    writeFileSync(trace, readFileSync(`${root}${fails}`));
    await unusable([trace, '-o', `json=${trace}`], trace, 'would overwrite');
    expect(readFileSync(trace)).toEqual(readFileSync(`${root}${fails}`));
  });

  it('for an error of the program itself, with where it was', async () => {
    const broken = 'process.stdout.write = () => { throw new Error("a defect"); };';
    const ended = await runProgram([fails, '--format', 'json'], {
      environment: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(broken)}` },
    });
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain('internal error: Error: a defect');
  });
});

describe('exit status 3', () => {
  it('for an empty input', async () => {
    const ended = await runProgram(['-', '--format', 'json'], { stdin: '' });
    expect(verdictOf(ended)).toBe('inconclusive');
    expect(ended.status).toBe(3);
  });

  it('for a trace that does not show enough, also with --fail-on none', async () => {
    const stdin = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff\n'.repeat(3);
    for (const level of ['active', 'none']) {
      const ended = await runProgram(['-', '--format', 'json', '--fail-on', level], { stdin });
      expect(verdictOf(ended)).toBe('inconclusive');
      expect(ended.status).toBe(3);
    }
  });

  it('for a damaged trace without findings', async () => {
    const bytes = readFileSync(`${root}${clean}`);
    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 100);
    const path = join(testFolder(), 'damaged.log.gz');
    writeFileSync(path, bytes);
    const ended = await json(path);
    expect(ended.stdout).toContain('"unreadable"');
    expect(ended.status).toBe(3);
  });

  it('for a truncated trace without findings, also with --fail-on none', async () => {
    const path = join(testFolder(), 'cut.log.gz');
    writeFileSync(path, truncatedGzip(clean));
    const ended = await json(path);
    expect(ended.status).toBe(3);
    expect((await json(path, '--fail-on', 'none')).status).toBe(3);
  });
});

describe('exit status 130', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'after %s, and nothing half-written stays',
    async (signal) => {
      const folder = testFolder();
      const output = join(folder, 'out.json');
      const unmaps = join(folder, 'unmaps.ndjson');
      const head = gunzipSync(readFileSync(`${root}${clean}`));
      const ended = await runProgram(['-', '-o', `json=${output}`, '--unmaps', unmaps], {
        onStart: (child) => {
          child.stdin.write(head);
          // The pipe stays open: the program waits for more.
          const timer = setInterval(() => {
            const isUnderWay = readdirSync(folder).some((name) => name.startsWith('.vtdscope-'));
            if (!isUnderWay) return;
            clearInterval(timer);
            setTimeout(() => child.kill(signal), 300);
          }, 20);
        },
      });
      expect([ended.status, ended.signal, ended.stderr]).toEqual([130, null, '']);
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe('exit status 130, where nothing makes the program wait,', () => {
  it('after SIGINT', async () => {
    const path = join(testFolder(), 'generated.log');
    const ended = await runProgram(['generate', '--bytes', '1g'], {
      stdoutTo: path,
      onStart: (child) => {
        const timer = setInterval(() => {
          if (statSync(path).size === 0) return;
          clearInterval(timer);
          child.kill('SIGINT');
        }, 20);
      },
    });
    expect(ended.status).toBe(130);
    expect(statSync(path).size).toBeLessThan(2 ** 30);
  });
});

describe('in a batch', () => {
  it('2 outweighs 1, 1 outweighs 3, 3 outweighs 0', async () => {
    const folder = testFolder();
    const empty = join(folder, 'empty.log');
    writeFileSync(empty, '');
    expect((await json(clean, empty)).status).toBe(3);
    expect((await json(clean, empty, fails)).status).toBe(1);
    const ended = await json(clean, empty, fails, 'no-such.log');
    expect(ended.status).toBe(2);
    const { traces } = JSON.parse(ended.stdout) as { traces: readonly { path: string }[] };
    expect(traces.map(({ path }) => path)).toEqual([clean, empty, fails, 'no-such.log']);
  });

  it('a bad file among those of a directory is a row, and the others are analysed', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'below'));
    writeFileSync(join(folder, 'a.log'), readFileSync(`${root}${fails}`));
    writeFileSync(join(folder, 'notes.txt'), 'nothing to see\n');
    writeFileSync(join(folder, 'below', 'b.log.gz'), readFileSync(`${root}${clean}`));
    const ended = await json(folder, 'no-such.log');
    const { traces } = JSON.parse(ended.stdout) as {
      traces: readonly { path: string; verdict: string; error?: string }[];
    };
    expect(traces.map(({ path, verdict }) => [path, verdict])).toEqual([
      [join(folder, 'a.log'), 'fails'],
      [join(folder, 'below', 'b.log.gz'), 'clean'],
      ['no-such.log', 'inconclusive'],
    ]);
    expect(traces[2]?.error).toContain('no such file');
  });
});

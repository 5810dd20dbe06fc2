import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { guideNamed } from '../../src/cli/guide.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';

/** The files that the guide's shell commands write, or feed to a program: between `<<'WORD'` and WORD. */
function filesNamed(word: string): readonly string[] {
  const text = guideNamed('fleet');
  const form = new RegExp(`<<'${word}'\n([\\s\\S]*?)^${word}$`, 'gm');
  return [...text.matchAll(form)].map(([, file = '']) => file);
}

/**
 * What the compiler says of an object as a Job of Kubernetes: its types are made from the API's own schema,
 * and a literal may have no field that they lack.
 */
function complaintsOf(job: unknown): string {
  const folder = testFolder();
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const source = join(folder, 'job.ts');
  writeFileSync(
    source,
    `import type { Job } from 'kubernetes-types/batch/v1';\nexport const job: Job = ${JSON.stringify(job)};\n`,
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', '--strict', '--ignoreConfig', '--module', 'preserve', '--types', ''];
  const { stderr, stdout } = spawnSync(process.execPath, [compiler, ...flags, source], {
    cwd: folder,
    encoding: 'utf8',
  });
  return stdout + stderr;
}

interface IndexedJob {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: { readonly completions: number } & Readonly<Record<string, unknown>>;
}

describe('the job for Kubernetes in the guide to a fleet', () => {
  const [text = ''] = filesNamed('YAML');
  const job = parse(text, { strict: true }) as IndexedJob;

  it('is one by the schema of its API', () => {
    expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job' });
    expect(complaintsOf(job)).toBe('');
  });

  it('would not be with a field that is unknown, missing or of another type', () => {
    const { spec } = job;
    const wrong = { ...job, spec: { ...spec, backoffLimitPerIndx: 2 } };
    expect(complaintsOf(wrong)).toMatch(/"backoffLimitPerIndx".* does not exist/);
    expect(complaintsOf({ ...job, spec: { completions: 8 } })).toContain("'template' is missing");
    expect(complaintsOf({ ...job, spec: { ...spec, completions: '8' } })).toContain(
      "'string' is not assignable to type 'number'",
    );
  });

  it('has as many shares as indexes', () => {
    expect(text).toContain(`/${job.spec.completions}"]`);
  });
});

describe.runIf(existsSync('/usr/bin/systemd-analyze'))('the units of systemd in it', () => {
  it('are without fault', () => {
    const folder = testFolder();
    const [service = '', timer = ''] = filesNamed('UNIT');
    const verified = (text: string) => {
      writeFileSync(join(folder, 'vtdscope.service'), text);
      writeFileSync(join(folder, 'vtdscope.timer'), timer);
      const units = ['vtdscope.service', 'vtdscope.timer'].map((name) => join(folder, name));
      const args = ['verify', '--man=no', ...units];
      const { status, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
      return { status, stderr };
    };
    expect(timer).toContain('[Timer]');
    expect(verified(service)).toEqual({ status: 0, stderr: '' });
    const wrong = service.replace('SuccessExitStatus', 'SuccesExitStatus');
    expect(verified(wrong).stderr).toContain("Unknown key 'SuccesExitStatus'");
  });
});

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { findInputs } from '../../src/bytes/inputs.ts';
import { testFolder } from '../helpers/folder.ts';

/** A name as Linux may have it, and UTF-8 not. */
const latin1 = (folder: string, name: string) => Buffer.from(`${folder}/${name}`, 'latin1');

describe('a name that is no UTF-8', () => {
  it('is a row, of a file as of a folder', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a.log'), 'a');
    writeFileSync(latin1(folder, 'caf\xe9.log'), 'b');
    mkdirSync(latin1(folder, 'd\xfcr'));
    writeFileSync(latin1(folder, 'd\xfcr/c.log'), 'c');
    const { traces, bad } = await findInputs([folder]);
    expect(traces.map(({ path }) => path)).toEqual([join(folder, 'a.log')]);
    const named = bad.map(({ path }) => path).sort();
    expect(named).toEqual([join(folder, 'caf\\xe9.log'), join(folder, 'd\\xfcr')]);
    for (const { error } of bad) expect(error).toContain('no UTF-8');
  });

  it('is a row where a pattern or a word stands for it', async () => {
    const folder = testFolder();
    writeFileSync(latin1(folder, 'caf\xe9.log'), 'b');
    for (const word of [`${folder}/*.log`, `${folder}/caf\ufffd.log`]) {
      const { traces, bad } = await findInputs([word]);
      expect(traces).toEqual([]);
      expect(bad).toEqual([
        {
          path: expect.stringMatching(/\/caf\ufffd\.log$/),
          error: expect.stringContaining('no UTF-8'),
        },
      ]);
    }
  });
});

describe('a list of inputs', () => {
  const listed = async (path: string) =>
    (await findInputs([`@${path}`])).traces.map(({ path }) => path);

  it('may be a pipe, into which somebody writes in the end', async () => {
    const pipe = join(testFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const paths = listed(pipe);
    execFileSync('/bin/sh', ['-c', '(echo a.log; echo "# b.log"; echo c.log) > "$0"', pipe]);
    expect(await paths).toEqual(['a.log', 'c.log']);
  });

  it('is not read without end', async () => {
    await expect(listed('/dev/zero')).rejects.toThrow('longer than');
  });

  it.each([
    ['nothing', '# nothing\n\n', 'names no inputs'],
    ['a folder', null, 'cannot be read'],
  ])('is no %s', async (_, content, message) => {
    const folder = testFolder();
    const path = content === null ? folder : join(folder, 'list');
    if (content !== null) writeFileSync(path, content);
    await expect(listed(path)).rejects.toThrow(UsageError);
    await expect(listed(path)).rejects.toThrow(message);
  });
});

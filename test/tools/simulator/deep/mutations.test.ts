import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Mutation, mutated, tryMutation } from './mutate.ts';
import { mutations } from './mutations.ts';

const root = new URL('../../../../', import.meta.url);
const sourceOf = (file: string) => readFileSync(new URL(file, root), 'utf8');
const filesIn = (folder: string) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => folder + name);

describe('the breaks of the model', () => {
  it.each(mutations)('$what: stands in one place of $file, and changes it', (mutation) => {
    const source = sourceOf(mutation.file);
    expect(mutated(source, mutation)).not.toBe(source);
  });

  it('are many, and each is another', () => {
    expect(mutations.length).toBeGreaterThanOrEqual(42);
    expect(new Set(mutations.map(({ what }) => what)).size).toBe(mutations.length);
    const edits = mutations.map(({ file, find, replace }) => `${file}\n${find}\n${replace}`);
    expect(new Set(edits).size).toBe(mutations.length);
  });

  it('are spread over the model: nearly every part of it is broken', () => {
    const broken = new Set(mutations.map(({ file }) => file));
    const does = (name: string) => sourceOf(name).includes('return');
    // Seeds are analysed, and not replayed for other machines: captures that predict each other prove that.
    // Nor does a guest of a seed show the words in which people and programs pass messages on.
    const isOfModel = (name: string) =>
      !/\/(?:what-if\/|guest-reader|broken-calls|echoes|quoted-words|unknown-messages)/.test(name);
    const all = ['src/emulation/', 'src/inference/'].flatMap(filesIn);
    const parts = all.filter(isOfModel).filter(does);
    const spared = parts.filter((name) => !broken.has(name));
    expect(spared.length / parts.length).toBeLessThan(0.2);
    for (const folder of ['src/base/', 'src/rules/', 'src/findings/']) {
      expect([...broken].filter((file) => file.startsWith(folder)).length).toBeGreaterThan(1);
    }
  });

  it('say where they are not to be made', () => {
    const [mutation] = mutations;
    if (mutation === undefined) throw new Error('no breaks are listed');
    expect(() => mutated('nothing of it', mutation)).toThrow('0 places');
    expect(() => mutated(`${mutation.find} ${mutation.find}`, mutation)).toThrow('2 places');
  });
});

describe('what comes of a break', () => {
  const late: Mutation = {
    what: 'the first page past the end of RAM is in it',
    file: 'src/emulation/scenario.ts',
    find: 'marked >= totalPages ?',
    replace: 'marked > totalPages ?',
  };
  const tried = (mutation: Mutation) => tryMutation(fileURLToPath(root), mutation, [0]);

  it('is noticed by the first seed that disagrees, in words', async () => {
    const by = expect.stringMatching(/^\w.* of .*, expected /);
    expect(await tried(late)).toEqual({ kind: 'noticed', seed: 0, by });
  });

  it('is noticed before any seed where a property does not hold', async () => {
    const crop = mutations.find(({ file }) => file === 'src/emulation/memory.ts');
    if (crop === undefined) throw new Error('no break of the crop is listed');
    const by = expect.stringMatching(/^crop of .*, expected /);
    expect(await tried(crop)).toEqual({ kind: 'noticed', seed: null, by });
  });

  it('is another thing where it is no program, or not of what seeds need', async () => {
    const broken = await tried({ ...late, replace: 'marked >= ) ?' });
    expect(broken).toMatchObject({ kind: 'broken' });
    await expect(tried({ ...late, file: 'src/nowhere.ts' })).rejects.toThrow('no seed needs');
  });
});

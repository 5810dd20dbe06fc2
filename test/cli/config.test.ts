import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { analyzeCommand } from '../../src/cli/analyze.ts';
import { NOT_IN_A_FILE } from '../../src/cli/config.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { silentTerminal } from '../helpers/terminal.ts';

interface Property {
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly type?: string;
}

interface Schema {
  readonly properties: Readonly<Record<string, Property>>;
}

const file = new URL('../../src/cli/config-1.0.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(file, 'utf8')) as Schema;
const isValid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);

const fails = `${root}traces/qemu-10.0/blocked-aw48-minimal.log`;

/** Runs the program in a folder with this configuration in it. */
async function runWith(config: unknown, ...args: readonly string[]) {
  const folder = testFolder();
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  writeFileSync(join(folder, 'vtdscope.config.json'), text);
  return runProgram([fails, '-q', ...args], { folder });
}

describe('the schema', () => {
  const options = analyzeCommand(silentTerminal()).options;
  const known = Object.keys(schema.properties).filter((name) => name !== '$schema');

  it('has every option, or the list of those that no file can hold has it', () => {
    // Those of all commands are added by the program.
    const globals = ['color', 'quiet', 'verbose'];
    const names = [...new Set([...options.map((option) => option.attributeName()), ...globals])];
    expect([...known, ...Object.keys(NOT_IN_A_FILE)].sort()).toEqual(names.sort());
  });

  it('has the choices and defaults of the options, and says what each is', () => {
    for (const option of options.filter((one) => known.includes(one.attributeName()))) {
      const property = schema.properties[option.attributeName()];
      expect(property?.description, option.long).toMatch(/\.$/);
      expect(property?.default, option.long).toEqual(option.defaultValue);
      expect(property?.type === 'boolean', option.long).toBe(option.isBoolean());
      if (option.argChoices !== undefined) {
        expect([...new Set(property?.enum?.map(String))], option.long).toEqual(option.argChoices);
      }
    }
  });
});

describe('what a file may hold', () => {
  it.each([
    {},
    { $schema: './vtdscope.schema.json', format: 'json' },
    { failOn: 'what-if', strict: true, gate: 'migrate', exitZero: true, jobs: 1 },
    { qemu: '10.0', backend: 'legacy', awBits: 48, tracking: 'on' },
    { hostPageSize: '4k', maxDirtyBitmap: '256m', ramSize: '0x40000000', below4g: '1GiB' },
    { hostPageSize: 65536, maxDecompressed: '1g', dmaEntryLimit: 100, strict: false },
  ])('%j', async (config) => {
    expect(isValid(config), JSON.stringify(isValid.errors)).toBe(true);
    const { status, stderr } = await runWith(config);
    expect(stderr).toBe('');
    expect(status).not.toBe(2);
  });

  it.each([
    { config: [], says: 'expected an object' },
    { config: 'strict', says: 'no JSON' },
    { config: { failon: 'none' }, says: 'failon: no such option (did you mean failOn?)' },
    { config: { failOn: 'never' }, says: 'failOn: never: Allowed choices are observed, active' },
    { config: { strict: 'yes' }, says: 'strict: expected true or false' },
    { config: { awBits: 40 }, says: 'awBits: 40: Allowed choices' },
    { config: { jobs: 0 }, says: 'jobs: 0: Expected a whole number of at least 1' },
    { config: { ramSize: 'much' }, says: 'ramSize: much: Expected a size' },
    { config: { qemu: 'new' }, says: 'qemu: new: Expected auto' },
    { config: { format: ['json'] }, says: 'format: expected text or a number' },
    { config: { output: 'html=x' }, says: 'output: only on the command line' },
    { config: { __proto__x: 1 }, says: '__proto__x: no such option' },
  ])('and what not: $config', async ({ config, says }) => {
    expect(isValid(config)).toBe(false);
    const { status, stderr } = await runWith(config);
    expect(stderr).toContain(`vtdscope.config.json: ${says}`);
    expect(status).toBe(2);
  });
});

describe('a configuration', () => {
  it('is found upwards, named, and overruled by the command line', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'vtdscope.config.json'), '{"failOn": "none"}');
    const inFolder = (...args: readonly string[]) =>
      runProgram([fails, ...args], { folder: join(folder, 'a/b') });
    const ended = await inFolder();
    expect(ended.status).toBe(0);
    expect(ended.stderr).toBe('vtdscope: with the options of ../../vtdscope.config.json\n');
    expect((await inFolder('--fail-on', 'active')).status).toBe(1);
    const without = await inFolder('--no-config');
    expect(without).toMatchObject({ status: 1, stderr: '' });
  });

  it('is the nearest, and none but the one that is named', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'vtdscope.config.json'), '{"failOn": "none"}');
    writeFileSync(join(folder, 'a/vtdscope.config.json'), '{}');
    writeFileSync(join(folder, 'a/other.json'), '{"exitZero": true}');
    const inFolder = (...args: readonly string[]) =>
      runProgram([fails, '-q', ...args], { folder: join(folder, 'a') });
    expect((await inFolder()).status).toBe(1);
    expect((await inFolder('--config', 'other.json')).status).toBe(0);
    expect((await inFolder('--config', 'none.json')).stderr).toContain('none.json: no such file');
  });

  it('names files relative to its own folder', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'vtdscope.config.json'), '{"baseline": "accepted.json"}');
    writeFileSync(
      join(folder, 'accepted.json'),
      '{"version": 1, "accepted": [{"rule": "VTD001", "reason": "known"}]}',
    );
    const { stdout } = await runProgram([fails, '-q'], { folder: join(folder, 'a') });
    expect(stdout).toContain('The baseline accepts 2 findings (VTD001)');
  });

  it('is printed with where each value comes from', async () => {
    const { status, stdout } = await runWith(
      { failOn: 'none', ramSize: '4g' },
      '--print-config',
      '--strict',
    );
    expect(status).toBe(0);
    const { file, options } = JSON.parse(stdout) as {
      readonly file: string;
      readonly options: Readonly<
        Record<string, { readonly value: unknown; readonly from: string }>
      >;
    };
    expect(file).toBe('vtdscope.config.json');
    expect(options).toMatchObject({
      failOn: { value: 'none', from: 'file' },
      ramSize: { value: '4294967296', from: 'file' },
      strict: { value: true, from: 'command line' },
      format: { value: 'text', from: 'default' },
      gate: { value: null, from: 'not set' },
    });
    expect(Object.keys(options).sort()).toEqual(
      Object.keys(schema.properties)
        .filter((name) => name !== '$schema')
        .sort(),
    );
  });
});

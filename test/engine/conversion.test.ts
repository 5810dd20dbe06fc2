import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isOwnReport } from '../../src/decoding/own-reports.ts';
import { convertedTrace, type Notation, notations } from '../../src/engine/conversion.ts';
import { abridged } from '../helpers/abridged.ts';
import { type Analysis, analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';
import { captures, root, siblingCaptures } from '../helpers/ground-truth.ts';
import { sample, samplesFolder } from '../helpers/samples.ts';
import { tarOf } from '../helpers/tar.ts';

const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff\n';
/** Where Linux shows what a process has open. */
const OPEN_FILES = '/proc/self/fd';

/** What this process has open of archives that came by a pipe. */
function keptFiles(): readonly string[] {
  return readdirSync(OPEN_FILES).flatMap((number) => {
    try {
      const name = readlinkSync(`${OPEN_FILES}/${number}`);
      return name.includes('/.vtdscope-') ? [name] : [];
    } catch {
      // That of the folder itself is closed by now.
      return [];
    }
  });
}

/** The trace in one notation. */
async function convert(input: string, notation: Notation): Promise<string> {
  let text = '';
  for await (const piece of await convertedTrace({ inputs: [input], notation })) text += piece;
  return text;
}

/** A result without what differs where the same is read from another file. */
function said({ mappings, result, unmaps }: Analysis): unknown {
  const traces = result.traces.map(
    ({ bytes: _, compression: __, format: ___, path: ____, ...trace }) => trace,
  );
  const text = JSON.stringify({ ...result, traces, unmaps, mappings }, (name, value) =>
    name === 'byteOffset' || name === 'excerpt' ? undefined : value,
  );
  return JSON.parse(text);
}

/** Fails where a converted trace says something else than the trace, or is converted to something else. */
async function expectTheSame(input: string): Promise<void> {
  const expected = said(await analyze(input));
  const folder = testFolder();
  const texts = new Map<Notation, string>();
  for (const notation of notations) {
    const text = await convert(input, notation);
    const path = join(folder, `events.${notation}`);
    writeFileSync(path, text);
    expect(said(await analyze(path))).toEqual(expected);
    expect((await convert(path, notation)) === text, `${notation} again`).toBe(true);
    expect(isOwnReport(Buffer.from(text.slice(0, 16_384)))).toBe(false);
    texts.set(notation, text);
  }
  const fromLog = await convert(join(folder, 'events.log'), 'ndjson');
  expect(fromLog === texts.get('ndjson'), 'log to ndjson').toBe(true);
}

describe('what is converted says what it was made of', () => {
  it.each([...captures, ...siblingCaptures].map(({ log }) => log))('%s', async (log) => {
    await expectTheSame(abridged(log));
  });

  const cases = readdirSync(`${root}test/cases`).filter((name) => /\.log(?:\.gz)?$/.test(name));
  it.each(cases)('%s', async (name) => {
    await expectTheSame(`${root}test/cases/${name}`);
  });

  const samples = readdirSync(samplesFolder).filter((name) => name !== 'README.md');
  it.each(samples)('%s', async (name) => {
    const path = join(testFolder(), name.replace(/\.gz$/, ''));
    writeFileSync(path, sample(name));
    const { trace } = await analyze(path);
    if (trace.error === undefined) await expectTheSame(path);
    else await expect(convert(path, 'ndjson')).rejects.toThrow(path);
  });
});

describe.runIf(existsSync(OPEN_FILES))('an archive that comes by a pipe', () => {
  it.each([
    ['of two traces', {}],
    ['of two traces, and messages of one', { stderr: `${root}traces/README.md` }],
  ])('%s is refused, and what was kept of it is let go', async (_, more) => {
    const archive = tarOf({ name: 'a.log', content: UNMAP }, { name: 'b.log', content: UNMAP });
    async function* stdin() {
      yield archive;
    }
    const converted = convertedTrace({ inputs: ['-'], notation: 'log', stdin: stdin(), ...more });
    await expect(converted).rejects.toThrow('one trace');
    expect(keptFiles()).toEqual([]);
  });

  it('is let go where nothing of it is read', async () => {
    async function* stdin() {
      yield tarOf({ name: 'a.log', content: UNMAP });
    }
    const pieces = await convertedTrace({ inputs: ['-'], notation: 'log', stdin: stdin() });
    expect(keptFiles()).toHaveLength(1);
    await pieces.return(undefined);
    expect(keptFiles()).toEqual([]);
  });
});

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isOwnReport } from '../../src/decoding/own-reports.ts';
import { convertedTrace, type Notation, notations } from '../../src/engine/conversion.ts';
import { type Analysis, analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';
import { captures, root, siblingCaptures } from '../helpers/ground-truth.ts';
import { sample, samplesFolder } from '../helpers/samples.ts';

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
    await expectTheSame(`${root}${log}`);
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

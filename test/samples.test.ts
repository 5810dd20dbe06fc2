import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Trace } from '../src/result/types.ts';
import { analyze } from './helpers/analyze.ts';
import { testFolder } from './helpers/folder.ts';
import { sample, samplesFolder } from './helpers/samples.ts';

/**
 * Every sample of what tracing tools write, and what can happen to it: it comes in small pieces, under
 * another name, cut off, or with damaged bytes. It is read, or refused with words that help; and what
 * is damaged is never clean.
 */

const names = readdirSync(samplesFolder).filter((name) => name !== 'README.md');

/** Bytes of the head that is analysed again and again. */
const HEAD_BYTES = 16 * 1024;
const CUTS = 50;
const FLIPS = 4;
/** What a refusal says that helps: a command, or another way to trace. */
const HELPS =
  /\| vtdscope -$|record again with|vtdscope reads what|a trace is wanted here|expected one array|--[a-z-]+ FILE/;

/** Mulberry32: the same numbers from 0 to 1 for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function traceOf(bytes: Uint8Array, chunk = 64 * 1024): Promise<Trace> {
  async function* stdin() {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  }
  const { trace } = await analyze('-', {}, { stdin: stdin() });
  return trace;
}

/** The first bytes, or what comes behind the classes of a trace that babeltrace describes first. */
function headOf(bytes: Buffer): Buffer {
  const event = bytes.indexOf('\nEvent `');
  const from = event < 0 ? 0 : bytes.lastIndexOf('\n\n', event) + 2;
  return bytes.subarray(from, from + HEAD_BYTES);
}

/** Not refused, and not clean. */
function isDoubted({ error, verdict }: Trace): boolean {
  return error !== undefined || verdict !== 'clean';
}

function flipped(bytes: Buffer, seed: number): Buffer {
  const random = randomOf(seed);
  const damaged = Buffer.from(bytes);
  for (let count = Math.ceil(bytes.length / 100); count > 0; count -= 1) {
    const at = Math.floor(random() * bytes.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return damaged;
}

describe.each(names.map((name) => [name]))('%s', (name) => {
  const bytes = sample(name);
  const head = headOf(bytes);

  it('is read, or refused with words that help', async () => {
    const { error, events } = await traceOf(bytes);
    if (error === undefined) expect(events).toBeGreaterThan(0);
    else expect(error).toMatch(HELPS);
  });

  it('is the same in small pieces', async () => {
    const expected = await traceOf(head);
    for (const size of [1, 7, 4096]) expect(await traceOf(head, size)).toEqual(expected);
  });

  it('is the same under another name', async () => {
    const folder = testFolder();
    const results: Trace[] = [];
    for (const other of ['trace.dat', 'a.json', 'core.bin']) {
      writeFileSync(join(folder, other), head);
      const { trace } = await analyze(join(folder, other));
      results.push({ ...trace, path: 'x' });
    }
    const words = results.map((trace) =>
      JSON.stringify(trace).replaceAll(/trace\.dat|a\.json|core\.bin/g, 'x'),
    );
    expect(new Set(words).size).toBe(1);
  });

  // Records without lines have tests of their own.
  if (/\.bin\b/.test(name)) return;

  it('is not clean where it is cut off within a line', async () => {
    const random = randomOf(name.length);
    for (let cut = 0; cut < CUTS; cut += 1) {
      const end = 1 + Math.floor(random() * (head.length - 1));
      if (head[end - 1] === 0x0a) continue;
      const trace = await traceOf(head.subarray(0, end));
      expect(isDoubted(trace), `at ${end}`).toBe(true);
    }
  });

  it('is not clean with damaged bytes, and says that something is lost', async () => {
    for (let seed = 1; seed <= FLIPS; seed += 1) {
      const trace = await traceOf(flipped(head, seed));
      expect(isDoubted(trace), `seed ${seed}`).toBe(true);
      // Where the damage hides all events, nothing shows that there were any.
      if ((trace.events ?? 0) > 0) expect(trace.losses.length, `seed ${seed}`).toBeGreaterThan(0);
    }
  });
});

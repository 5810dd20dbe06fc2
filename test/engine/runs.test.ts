import { describe, expect, it } from 'vitest';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { CompiledKernel } from '../../src/decoding/compiled/index.ts';
import type { LineKernel } from '../../src/decoding/kernel.ts';
import { WasmKernel } from '../../src/decoding/wasm/index.ts';
import { TraceReplay } from '../../src/engine/replay.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { loadRules } from '../../src/rules/index.ts';
import { randomOptions, Simulation } from '../../src/tools/simulator/index.ts';
import { bytesOf, captures } from '../helpers/ground-truth.ts';
import { wasmInstance } from '../helpers/kernels.ts';
import { fromTrace } from '../tools/simulator/compare/play.ts';

const rules = await loadRules();

/** What comes of a log that is one batch: the trace, and both tables. */
function outcome(bytes: Uint8Array, kernel: LineKernel): readonly string[] {
  const tables: string[] = [];
  const replay = new TraceReplay(
    { ...fromTrace, stampsTellVersion: true, infersOperations: false },
    rules,
    {
      unmap: ({ first, last, place, asTraced }, ...more) => {
        tables.push(JSON.stringify([first, last, place.mark, asTraced, more]));
      },
      settleLeading: (...told) => tables.push(JSON.stringify(told)),
      takesMappings: true,
      mapping: (record) => tables.push(JSON.stringify(record)),
    },
  );
  const writer = new BatchWriter(bytes.length);
  const lines = kernel.decode(bytes, plain, writer);
  replay.consume(writer.finish(bytes, 0, lines));
  const { clock, name } = plain;
  const trace = replay.finish({ path: 'log', format: name, compression: 'none', clock }, []);
  return [JSON.stringify(trace), ...tables];
}

function expectSame(bytes: Uint8Array): void {
  const withRuns = outcome(bytes, new WasmKernel(wasmInstance(), new CompiledKernel()));
  expect(withRuns).toEqual(outcome(bytes, new CompiledKernel()));
}

/** Every line of a log but some, chosen by a seed: what a walk passes over may then be mapped. */
function thinned(log: string, seed: number): string {
  let state = seed;
  return log
    .split('\n')
    .filter((line) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return state % 40 !== 0 || line === '';
    })
    .join('\n');
}

describe('a run of lines in one record comes to what its lines come to', () => {
  it.each(captures.map(({ name, log }) => [name, log] as const))('in %s', (_, log) => {
    expectSame(bytesOf(log));
  });

  it.each(Array.from({ length: 30 }, (_, index) => 7000 + index))(
    'in a simulated log, seed %i, whole and thinned',
    (seed) => {
      const simulation = new Simulation({ ...randomOptions(seed), steps: 80, events: 'standard' });
      let log = '';
      for (let text = simulation.step(); text !== ''; text = simulation.step()) log += text;
      expectSame(Buffer.from(log, 'latin1'));
      expectSame(Buffer.from(thinned(log, seed), 'latin1'));
    },
  );
});

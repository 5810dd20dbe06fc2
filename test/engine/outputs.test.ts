import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';

const trace = `${root}traces/qemu-10.0/blocked-aw48-minimal.log`;

/** Runs with tables and two outputs, the second of which is interrupted after some pieces. */
async function interrupted(after: number) {
  const folder = testFolder();
  const interrupt = new AbortController();
  const output = (name: string, onPiece: (piece: number) => void) => ({
    path: join(folder, name),
    *render() {
      for (let piece = 0; piece < 3; piece += 1) {
        onPiece(piece);
        yield `${piece}\n`;
      }
    },
  });
  const running = run({
    inputs: [trace],
    jobs: 1,
    unmaps: join(folder, 'unmaps.ndjson'),
    mappings: join(folder, 'mappings.ndjson'),
    outputs: [
      output('first', () => {}),
      output('second', (piece) => {
        if (piece === after) interrupt.abort();
      }),
    ],
    signal: interrupt.signal,
  });
  const ended = await running.then(
    () => 'complete',
    () => 'interrupted',
  );
  return { ended, names: readdirSync(folder).sort() };
}

describe('the files of a run', () => {
  it.each([0, 2])('are none where it is interrupted while they are written', async (after) => {
    expect(await interrupted(after)).toEqual({ ended: 'interrupted', names: [] });
  });

  it('are all where it is not', async () => {
    expect(await interrupted(3)).toEqual({
      ended: 'complete',
      names: ['first', 'mappings.ndjson', 'second', 'unmaps.ndjson'],
    });
  });
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunOptions, run } from '../../src/engine/run.ts';
import type { ModelOptions } from '../../src/inference/machine.ts';
import type { MappingRecord, Result, Session, Trace, UnmapRecord } from '../../src/result/types.ts';

export interface Analysis {
  readonly result: Result;
  readonly trace: Trace;
  /** The first session. */
  readonly session: Session;
  readonly unmaps: readonly UnmapRecord[];
  readonly mappings: readonly MappingRecord[];
}

function linesOf<Line>(path: string): readonly Line[] {
  const text = readFileSync(path, 'utf8');
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
}

/** Analyses one input in this thread, with both tables. */
export async function analyze(
  input: string,
  model: Partial<ModelOptions> = {},
  options: Partial<RunOptions> = {},
): Promise<Analysis> {
  const folder = mkdtempSync(join(tmpdir(), 'vtdscope-test-'));
  try {
    const unmaps = join(folder, 'unmaps.ndjson');
    const mappings = join(folder, 'mappings.ndjson');
    const result = await run({
      inputs: [input],
      model,
      jobs: 1,
      unmaps,
      mappings,
      ...options,
    });
    const [trace] = result.traces;
    if (trace === undefined) throw new Error('no trace in the result');
    return {
      result,
      trace,
      session: trace.sessions[0] as Session,
      unmaps: linesOf<UnmapRecord>(unmaps),
      mappings: linesOf<MappingRecord>(mappings),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Analyses a log given as its lines. */
export async function analyzeLines(
  lines: readonly string[],
  model: Partial<ModelOptions> = {},
): Promise<Analysis> {
  async function* stdin() {
    yield Buffer.from(`${lines.join('\n')}\n`);
  }
  return analyze('-', model, { stdin: stdin() });
}

import { type Verdict, worse } from '../base/vocabulary.ts';
import { about, joinMigrations } from './migration.ts';
import { addTotals, NO_TOTALS } from './totals.ts';
import {
  type Exposed,
  type Migration,
  type Result,
  SCHEMA_VERSION,
  type Trace,
  type Via,
} from './types.ts';
import { toolVersion } from './version.ts';

const NOT_EXPOSED: Exposed = { e2big: false, lostDirtyPages: false, staleMappings: false, via: [] };
const VIA: readonly Via[] = ['migration', 'dirty-rate', 'dirty-limit'];

/** What at least one of several is exposed to. */
export function joinExposed(all: readonly Exposed[]): Exposed {
  return {
    e2big: all.some((exposed) => exposed.e2big),
    lostDirtyPages: all.some((exposed) => exposed.lostDirtyPages),
    staleMappings: all.some((exposed) => exposed.staleMappings),
    via: VIA.filter((via) => all.some((exposed) => exposed.via.includes(via))),
  };
}

/** The worst of several verdicts; `clean` of none. */
export function worstVerdict(all: readonly Verdict[]): Verdict {
  return all.reduce((worst: Verdict, verdict) => worse(worst, verdict), 'clean');
}

/** The result of a run: its traces as they are, and what they come to. */
export function resultOf(traces: readonly Trace[]): Result {
  return {
    schemaVersion: SCHEMA_VERSION,
    tool: { name: 'vtdscope', version: toolVersion() },
    verdict: worstVerdict(traces.map((trace) => trace.verdict)),
    migration: migrationOfRun(traces),
    exposed: joinExposed(traces.map((trace) => trace.exposed)),
    traces,
    totals: traces.map((trace) => trace.totals).reduce(addTotals, NO_TOTALS),
  };
}

/** The answer for the worst of them, which is named where there are several. */
function migrationOfRun(traces: readonly Trace[]): Migration {
  const isAlone = traces.length === 1;
  return joinMigrations(
    traces.map(({ path, migration }) => (isAlone ? migration : about(path, migration))),
  );
}

/** The result of a trace that could not be analysed. */
export function failedTrace(path: string, error: string): Trace {
  return {
    path,
    format: 'unknown',
    compression: 'none',
    bytes: 0,
    lines: 0,
    events: 0,
    skippedEvents: {},
    losses: [],
    time: { clock: 'none', first: null, last: null },
    verdict: 'inconclusive',
    migration: { answer: 'unknown', why: error },
    exposed: NOT_EXPOSED,
    reasons: [error],
    totals: NO_TOTALS,
    sessions: [],
    error,
  };
}

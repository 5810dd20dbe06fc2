import { UsageError } from '../base/errors.ts';
import { migrationAnswers, type Verdict, verdicts } from '../base/vocabulary.ts';
import type { ResultStore } from '../bytes/result-store.ts';
import { failuresOf } from '../reports/verdicts.ts';
import {
  FLEET_SCHEMA,
  type Fleet,
  type FleetCounts,
  type FleetFinding,
  type FleetSession,
  type FleetTrace,
} from '../result/fleet.ts';
import { about, joinMigrations } from '../result/migration.ts';
import { worstVerdict } from '../result/result.ts';
import type { Finding, Migration, Result, Session } from '../result/types.ts';
import { toolVersion } from '../result/version.ts';
import {
  compare,
  isManifestName,
  MANIFEST_SCHEMA,
  type Manifest,
  type ManifestEntry,
  nameOfFailure,
  nameOfResult,
} from './manifest.ts';

/** Results that are read at a time: a store answers many as fast as one. */
const AT_A_TIME = 16;

/** A trace of a manifest as it is in the folder. */
interface Found {
  readonly entry: ManifestEntry;
  /** The name of its result, or of its failure; null: there is neither. */
  readonly name: string | null;
}

/**
 * What all results in a folder come to: of every trace of its manifests one row, the same whatever
 * the shares were, and in which order, and how often they were analysed. Few results at a time are in
 * memory. `run`: which run, where the folder holds results of several; a prefix of its hash.
 *
 * @throws UsageError where the folder holds no manifest, or several runs and none is chosen.
 */
export async function mergeResults(folder: ResultStore, run: string | null = null): Promise<Fleet> {
  const names = await folder.names();
  const chosen = ofOneRun(await manifestsIn(folder, names), run);
  const found = currentOf(chosen, new Set(names));
  const traces: FleetTrace[] = [];
  for (let at = 0; at < found.length; at += AT_A_TIME) {
    const some = found.slice(at, at + AT_A_TIME).map((one) => rowOf(folder, one));
    traces.push(...(await Promise.all(some)).flatMap((row) => row ?? []));
  }
  const listed = traces.map(({ trace, migration }) => about(trace, migration));
  return {
    schema: FLEET_SCHEMA,
    tool: { name: 'vtdscope', version: toolVersion() },
    verdict: worstVerdict(traces.map(({ verdict }) => verdict)),
    migration: joinMigrations(listed),
    counts: countsOf(traces),
    traces,
  };
}

/** What the runs that share a folder were to analyse. `names`: of all that is in it. */
export async function manifestsIn(
  folder: ResultStore,
  names: readonly string[],
): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  for (const name of names.filter(isManifestName).toSorted()) {
    const manifest = await parsed<Manifest>(folder, name);
    if (manifest.schema === MANIFEST_SCHEMA) manifests.push(manifest);
  }
  return manifests;
}

function ofOneRun(manifests: readonly Manifest[], run: string | null): readonly Manifest[] {
  const chosen = manifests.filter((manifest) => run === null || manifest.run.startsWith(run));
  const runs = new Map(chosen.map((manifest) => [manifest.run, manifest]));
  if (runs.size === 0) {
    throw new UsageError(
      run === null ? 'no manifest: no run has left its results here' : `no run is called ${run}`,
    );
  }
  if (runs.size > 1) {
    const all = [...runs.values()].map(
      (one) => `--run ${one.run.slice(0, 8)} (version ${one.tool}, options ${one.options})`,
    );
    throw new UsageError(`results of several runs: choose one: ${all.sort().join('; ')}`);
  }
  return chosen;
}

/** One entry for each trace: where it changed between the shares, the newest that has a result. */
function currentOf(manifests: readonly Manifest[], names: ReadonlySet<string>): readonly Found[] {
  const byUri = new Map<string, Found>();
  for (const entry of manifests.flatMap(({ traces }) => traces)) {
    const found = { entry, name: nameIn(names, entry.key) };
    const known = byUri.get(entry.uri);
    if (known === undefined || isBetter(found, known)) byUri.set(entry.uri, found);
  }
  return [...byUri.values()].sort((one, other) => compare(one.entry.uri, other.entry.uri));
}

function nameIn(names: ReadonlySet<string>, key: string): string | null {
  for (const name of [nameOfResult(key), nameOfFailure(key)]) if (names.has(name)) return name;
  return null;
}

function isBetter(one: Found, other: Found): boolean {
  const rank = ({ entry, name }: Found) =>
    name === null ? 0 : name === nameOfResult(entry.key) ? 2 : 1;
  if (rank(one) !== rank(other)) return rank(one) > rank(other);
  const [time, otherTime] = [one, other].map(({ entry }) => timeOf(entry));
  if (time !== otherTime) return (time as bigint) > (otherTime as bigint);
  return one.entry.key > other.entry.key;
}

/** When a trace was changed, in nanoseconds; 0 where it was not even there. */
function timeOf({ modified, state }: ManifestEntry): bigint {
  return BigInt(modified ?? /-(\d+)$/.exec(state)?.[1] ?? 0);
}

/** The row of a trace; null for a file that turned out to be none. */
async function rowOf(folder: ResultStore, { entry, name }: Found): Promise<FleetTrace | null> {
  const { key, uri } = entry;
  if (name === null) {
    const why = 'no result: it was not analysed, or is still being';
    return { ...UNKNOWN, trace: uri, state: 'missing', key, migration: unknown(why) };
  }
  const [trace] = (await parsed<Result>(folder, name)).traces;
  if (trace === undefined) return null;
  const { error, migration, sessions, verdict } = trace;
  if (error !== undefined) {
    return { ...UNKNOWN, trace: uri, state: 'failed', key, error, migration: unknown(error) };
  }
  const rows = sessions.map(sessionRow);
  return { trace: uri, state: 'analysed', error: null, key, verdict, migration, sessions: rows };
}

const UNKNOWN = { error: null, verdict: 'inconclusive', sessions: [] } as const;

function unknown(why: string): Migration {
  return { answer: 'unknown', why };
}

function sessionRow(session: Session): FleetSession {
  const { exposed, migration, model, totals, verdict, vm } = session;
  return {
    vm,
    qemu: model.qemu.value,
    vIommu: model.vIommu.value,
    verdict,
    migration,
    exposed,
    unmaps: totals.unmaps,
    failures: failuresOf(session),
    atRiskBytes: totals.tracked.atRiskBytes,
    findings: session.findings.map(findingRow),
  };
}

function findingRow(finding: Finding): FleetFinding {
  const { cause, count, device, errno, evidence, first, id, mode, rule, severity, slug } = finding;
  return {
    id,
    rule,
    slug,
    severity,
    mode,
    evidence,
    device,
    cause,
    count,
    errno,
    firstLine: first.line,
    firstTime: first.time,
    atRiskBytes: finding.atRiskBytes,
  };
}

function countsOf(traces: readonly FleetTrace[]): FleetCounts {
  const analysed = traces.filter(({ state }) => state === 'analysed');
  return {
    traces: traces.length,
    missing: traces.filter(({ state }) => state === 'missing').length,
    failed: traces.filter(({ state }) => state === 'failed').length,
    migration: countBy(migrationAnswers, analysed, ({ migration }) => migration.answer),
    verdict: countBy<Verdict>(verdicts, analysed, ({ verdict }) => verdict),
  };
}

function countBy<Name extends string>(
  names: readonly Name[],
  traces: readonly FleetTrace[],
  nameOf: (trace: FleetTrace) => Name,
): Readonly<Record<Name, number>> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  for (const trace of traces) counts[nameOf(trace)] += 1;
  return counts;
}

async function parsed<Value>(folder: ResultStore, name: string): Promise<Value> {
  const text = await folder.read(name);
  if (text === null) throw new UsageError(`${name}: taken away while it was read`);
  try {
    return JSON.parse(text) as Value;
  } catch (thrown) {
    throw new UsageError(`${name}: is no result: ${(thrown as Error).message}`);
  }
}

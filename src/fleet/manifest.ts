import { createHash } from 'node:crypto';
import { UsageError } from '../base/errors.ts';
import { statOf } from '../bytes/file-identity.ts';
import type { Inputs } from '../bytes/inputs.ts';
import type { ObjectState } from '../bytes/objects/object.ts';
import type { MachineOptions } from '../engine/trace.ts';
import { toolVersion } from '../result/version.ts';

export const MANIFEST_SCHEMA = 'vtdscope-manifest-1';

/** What can change the result of a trace, the trace apart. */
export interface FleetOptions {
  readonly model: Partial<MachineOptions>;
  readonly maxDecompressedBytes: number | null;
  /** Path of a list of trace events. */
  readonly traceEvents?: string | null;
}

/** A trace of a run over many machines. */
export interface ManifestEntry {
  readonly uri: string;
  /**
   * What changes when the trace does: size and time of change in nanoseconds, as `SIZE-TIME`, the tag of
   * an object; '' of none.
   */
  readonly state: string;
  /** When an object was changed, in nanoseconds; absent where that is not known, or in `state`. */
  readonly modified?: string;
  /** The name of its result. */
  readonly key: string;
  /** Why it cannot even be looked at; absent elsewhere. */
  readonly error?: string;
}

/** What a run over many machines is to analyse: the same on each of them, whatever its share. */
export interface Manifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  /** Hash of the tool's version and the options: results of one run have it in common. */
  readonly run: string;
  readonly tool: string;
  readonly options: string;
  readonly traces: readonly ManifestEntry[];
}

/**
 * The manifest of these inputs.
 *
 * @throws UsageError where one comes only once: standard input, a pipe.
 */
export function manifestOf(inputs: Inputs, options: FleetOptions): Manifest {
  const tool = toolVersion();
  const described = optionsText(options);
  const run = hash([tool, described]);
  const traces = inputs.traces.map(({ member, object, path }) => {
    const state =
      object === undefined ? stateOf(member?.archive ?? path) : stateOfObject(path, object);
    const modified = object?.modified ?? null;
    return {
      uri: path,
      state,
      ...(modified !== null && { modified: `${Date.parse(modified)}000000` }),
      key: hash([path, state, run]),
    };
  });
  const bad = inputs.bad.map(({ path, error }) => ({
    uri: path,
    state: '',
    key: hash([path, '', run]),
    error: `${path}: ${error}`,
  }));
  const all = [...traces, ...bad].sort((one, other) => compare(one.uri, other.uri));
  return { schema: MANIFEST_SCHEMA, run, tool, options: described, traces: all };
}

/** The name under which a manifest is kept: equal ones share it. */
export function nameOfManifest({ run, traces }: Manifest): string {
  return `manifest-${hash([run, ...traces.map(({ key }) => key)])}.json`;
}

export function isManifestName(name: string): boolean {
  return /^manifest-[0-9a-f]{32}\.json$/.test(name);
}

/** The name of a trace's result. */
export function nameOfResult(key: string): string {
  return `${key}.json`;
}

/** The name under which stands why a trace could not be analysed; a result beside it is the better one. */
export function nameOfFailure(key: string): string {
  return `${key}.failed.json`;
}

/**
 * Nothing of standard input is read where it cannot be an input.
 *
 * @throws UsageError where it is one.
 */
export function refuseStandardInput({ traces }: Inputs): void {
  if (traces.some(({ path }) => path === '-')) throw notAgain('-');
}

function notAgain(path: string): UsageError {
  return new UsageError(`${path}: --results needs traces that can be read again; this is no file`);
}

/** By code units: the same order on every machine. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function stateOf(path: string): string {
  const stats = statOf(path);
  if (stats?.isFile() === false) throw notAgain(path);
  // What is not there, or cannot be looked at, fails when it is read.
  if (stats === null) return '';
  return `${stats.size}-${stats.mtimeNs}`;
}

/** The tag of an object, which changes with it; else its size and time of change, where it has one. */
function stateOfObject(path: string, { bytes, etag, modified }: ObjectState): string {
  if (etag === null && modified === null) {
    throw new UsageError(
      `${path}: --results needs traces that can be told from later ones; this has neither ETag nor time`,
    );
  }
  return etag ?? `${bytes}-${Date.parse(modified ?? '')}000000`;
}

/** The options in a fixed order; what is not given is left out. */
function optionsText({ model, maxDecompressedBytes, traceEvents }: FleetOptions): string {
  const given = Object.entries({ ...model, maxDecompressedBytes, traceEvents })
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, name === 'qemu' ? (value as { id: string }).id : value]);
  return JSON.stringify(given.sort(([one], [other]) => compare(String(one), String(other))));
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

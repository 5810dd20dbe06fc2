import { resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { isUrl } from '../../base/url.ts';
import { findInputs } from '../../bytes/inputs.ts';
import type { ResultStore } from '../../bytes/result-store.ts';
import { withMembers } from '../../engine/archives.ts';
import {
  type FleetOptions,
  manifestOf,
  nameOfManifest,
  nameOfResult,
  refuseStandardInput,
} from '../manifest.ts';
import type { Broker } from './broker.ts';

export interface SubmitOptions extends FleetOptions {
  /** Files, directories, globs, `@list`. */
  readonly inputs: readonly string[];
  /** The same options as on a command line, for the workers. */
  readonly commandLine: readonly string[];
}

export interface SubmitSummary {
  readonly traces: number;
  /** Put into the queue, or there already. */
  readonly queued: number;
  /** Whose results were there already. */
  readonly there: number;
  /** Of those queued: given up before, and now to be tried again. */
  readonly again: number;
}

/**
 * Writes down in the folder what is to be analysed, and puts into the queue what has no result yet.
 *
 * @throws UsageError where an input comes only once, or the folder cannot be written.
 */
export async function submit(
  broker: Broker,
  folder: ResultStore,
  { commandLine, inputs, maxDecompressedBytes, model, traceEvents = null }: SubmitOptions,
): Promise<SubmitSummary> {
  const found = await findInputs(inputs);
  refuseStandardInput(found);
  const signed = found.traces.find(
    ({ object, path }) => object !== undefined && object.url !== path,
  );
  if (signed !== undefined) {
    throw new UsageError(`${signed.path}: a queue takes no URL with a password or a signature`);
  }
  // A worker has another working directory.
  const absolute = <Input extends { readonly path: string }>(input: Input): Input =>
    isUrl(input.path) ? input : { ...input, path: resolve(input.path) };
  const all = await withMembers(
    {
      ...found,
      traces: found.traces.map(absolute),
      bad: found.bad.map(absolute),
      isRead: (key) => found.isRead(key),
    },
    { maxDecompressedBytes },
  );
  const archives = new Map(all.traces.map(({ member, path }) => [path, member?.archive]));
  const manifest = manifestOf(all, { model, maxDecompressedBytes, traceEvents });
  await folder.write(nameOfManifest(manifest), [`${JSON.stringify(manifest)}\n`]);
  const names = new Set(await folder.names());
  const due = manifest.traces.filter(({ key }) => !names.has(nameOfResult(key)));
  const again = await broker.retry(new Set(due.map(({ key }) => key)));
  await broker.add(
    due.map(({ key, uri }) => ({ key, uri: archives.get(uri) ?? uri, options: commandLine })),
  );
  const traces = manifest.traces.length;
  return { traces, queued: due.length, there: traces - due.length, again };
}

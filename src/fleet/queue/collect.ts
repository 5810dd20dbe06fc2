import type { ResultStore } from '../../bytes/result-store.ts';
import { nameOfResult } from '../manifest.ts';
import { manifestsIn } from '../merge.ts';
import type { Broker } from './broker.ts';
import { recordFailure } from './work.ts';

/**
 * Leaves in the folder why traces were given up of which no worker could say so: it died over them
 * each time.
 */
export async function recordGivenUp(broker: Broker, folder: ResultStore): Promise<void> {
  const failed = await broker.failed();
  if (failed.size === 0) return;
  for (const { traces } of await manifestsIn(folder, await folder.names())) {
    for (const { key, uri } of traces) {
      const why = failed.get(key);
      if (why === undefined || (await folder.has(nameOfResult(key)))) continue;
      await recordFailure(folder, key, uri, `${uri}: ${why}`);
    }
  }
}

/** Puts the traces of the folder's runs that were given up back into the queue. */
export async function retryFailed(broker: Broker, folder: ResultStore): Promise<number> {
  const manifests = await manifestsIn(folder, await folder.names());
  const keys = manifests.flatMap(({ traces }) => traces.map(({ key }) => key));
  return broker.retry(new Set(keys));
}

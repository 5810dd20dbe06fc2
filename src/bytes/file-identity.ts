import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Links that are followed one after the other; as many as Linux follows. */
const MOST_LINKS = 40;

/** Facts of a file, its numbers exact. */
export type Stats = NonNullable<ReturnType<typeof statOf>>;

/** What is known of a file, links followed; null where there is none or it cannot be looked up. */
export function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true }) ?? null;
  } catch {
    // A name that the system cannot look up is dealt with where it is opened.
    return null;
  }
}

/** Whether there is something of this name. */
export function isThere(path: string): boolean {
  return statOf(path) !== null;
}

/** What two names of one file have in common, and no others: its device and number. */
export function keyOf({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/**
 * The same for a path: where there is no file yet, the place at which one would be made stands for
 * it.
 */
export function keyOfPath(path: string): string {
  const stats = statOf(path);
  return stats === null ? behindLinks(path) : keyOf(stats);
}

/**
 * Where a file of this name is, or would be made: behind all links, those included that lead
 * nowhere yet.
 */
export function behindLinks(path: string): string {
  let place = withRealFolder(path);
  for (let links = 0; links < MOST_LINKS && isLink(place); links += 1) {
    place = withRealFolder(resolve(dirname(place), readlinkSync(place)));
  }
  return place;
}

function withRealFolder(path: string): string {
  const place = resolve(path);
  try {
    return join(realpathSync(dirname(place)), basename(place));
  } catch {
    // No such folder: nothing can be made there, which shows where it is tried.
    return place;
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

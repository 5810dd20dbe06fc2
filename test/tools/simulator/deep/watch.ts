import { Worker } from 'node:worker_threads';

/** Processor time that no seed needs, in seconds: of the first sixty, 22 takes longest, with 1.7 s for a log of 33 MiB. */
const MOST_SECONDS = 60;

/** Runs on a thread of its own, as the main one of a model that hangs answers nothing. */
const WATCH = `
const { writeSync } = require('node:fs');
const { workerData: { seeds, most } } = require('node:worker_threads');
let seed = null;
let since = 0;
setInterval(() => {
  const { user, system } = process.cpuUsage();
  if (seed !== seeds[0]) [seed, since] = [seeds[0], user + system];
  if (user + system - since < most * 1e6) return;
  writeSync(2, 'seed ' + seed + ' took more than ' + most + ' s of processor time\\n');
  process.kill(process.pid, 'SIGXCPU');
}, 500);
`;

/**
 * Ends this process with SIGXCPU where one seed takes more processor time than any needs. By the clock, a
 * busy machine would make a model that hangs of one that does not.
 *
 * @returns whom to tell that a seed begins
 */
export function watchSeeds(): (seed: number) => void {
  const seeds = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(WATCH, {
    eval: true,
    execArgv: [],
    workerData: { seeds, most: MOST_SECONDS },
  });
  worker.unref();
  return (seed) => {
    seeds[0] = seed;
  };
}

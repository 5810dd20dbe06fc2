import { Command, InvalidArgumentError } from 'commander';
import { type Problem, playRound } from './campaign.ts';
import { damages } from './damages.ts';

/**
 * The hostile campaign: logs of real and random guests, damaged in all ways and made to do harm, are
 * analysed by the built program. Exit status 1 where it crashes, ends in another way than it may,
 * calls clean what is damaged, says different things with one thread and with two, or leaves
 * anything behind. A seed names one round for ever.
 */

interface Flags {
  readonly seed: number;
  readonly seconds: number;
}

function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a number');
  return Number(text);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Plays rounds until the time is over, at least one. */
async function campaign({ seed, seconds }: Flags): Promise<void> {
  const end = Date.now() + seconds * 1000;
  const problems: Problem[] = [];
  let [rounds, traces] = [0, 0];
  do {
    const round = await playRound(seed + rounds);
    rounds += 1;
    traces += round.traces;
    problems.push(...round.problems);
    for (const { seed, trace, what } of round.problems) {
      say(`seed ${seed}${trace === null ? '' : `, ${trace}`}: ${what}`);
    }
  } while (Date.now() < end);
  say(`${rounds} rounds from seed ${seed}, ${damages.length} kinds of damage, ${traces} analyses`);
  say(problems.length === 0 ? 'nothing wrong' : `${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}

await new Command('verify:hostile')
  .option('--seed <n>', 'the first round', count, 1)
  .option('--seconds <n>', 'begin no round after so long', count, 600)
  .action(campaign)
  .parseAsync();

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import pMap from 'p-map';
import { type Mutation, type Outcome, tryMutation } from './mutate.ts';
import { mutations } from './mutations.ts';

/** A shorter list would not be spread over the model. */
const FEWEST_MUTATIONS = 42;
/** Seeds that have noticed breaks before are compared first: so many of them. */
const FIRST_SEEDS = 12;

interface Flags {
  readonly mutations: number;
  readonly jobs: number;
  /** A file to which what came of each break is added; what is in it is not tried again. */
  readonly log?: string;
}

/** What came of a break, as a line of JSON in the log. */
interface Logged {
  readonly what: string;
  readonly outcome: Outcome;
}

/**
 * Breaks the model in some places, spread over the list; true where a seed disagrees with each break. A
 * break with which the model hangs is not noticed: so would one that only makes it slow not be.
 */
export async function proveMutations(
  root: string,
  { mutations: count, jobs, log }: Flags,
  say: (text: string) => void,
): Promise<boolean> {
  const chosen = spread(count);
  const known = new Map(log === undefined ? [] : read(log).map((one) => [one.what, one.outcome]));
  const seeds = new NoticingSeeds();
  const unnoticed: string[] = [];
  const finish = ({ what, viommu }: Mutation, outcome: Outcome) => {
    const line = `${sentenceOf(outcome)}: ${what}`;
    say(`  ${line}`);
    if (outcome.kind !== 'noticed') unnoticed.push(line);
    else if (outcome.seed !== null) seeds.add(viommu, outcome.seed);
  };
  await pMap(
    chosen,
    async (mutation) => {
      const before = known.get(mutation.what);
      const outcome = before ?? (await tryMutation(root, mutation, seeds.first(mutation.viommu)));
      finish(mutation, outcome);
      if (log === undefined || before !== undefined) return;
      const logged: Logged = { what: mutation.what, outcome };
      appendFileSync(log, `${JSON.stringify(logged)}\n`);
    },
    { concurrency: jobs },
  );
  if (count === 0) return true;
  say(`${chosen.length} breaks of the model, ${unnoticed.length} unnoticed`);
  for (const line of unnoticed) say(`  ${line}`);
  const isEnough = mutations.length >= FEWEST_MUTATIONS;
  if (!isEnough) say(`only ${mutations.length} breaks are listed, expected ${FEWEST_MUTATIONS}`);
  return unnoticed.length === 0 && isEnough;
}

function spread(count: number): readonly Mutation[] {
  const chosen = Math.min(count, mutations.length);
  const at = (index: number) => Math.floor((index * mutations.length) / chosen);
  const places = new Set(Array.from({ length: chosen }, (_, index) => at(index)));
  return mutations.filter((_, index) => places.has(index));
}

function read(log: string): readonly Logged[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Logged);
}

function sentenceOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'noticed':
      return `noticed by ${outcome.seed === null ? 'a property' : `seed ${outcome.seed}`} (${shortened(outcome.by)})`;
    case 'survived':
      return 'SURVIVED';
    case 'hung':
      return `HUNG (${shortened(outcome.by)})`;
    case 'broken':
      return `DOES NOT RUN (${shortened(outcome.by)})`;
    default:
      return outcome satisfies never;
  }
}

const MOST_CHARACTERS = 160;

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= MOST_CHARACTERS ? line : `${line.slice(0, MOST_CHARACTERS - 1)}…`;
}

/** How many breaks each seed has noticed: the next one is likely to be noticed by the same. */
class NoticingSeeds {
  readonly #times = new Map<Mutation['viommu'], Map<number, number>>();

  add(viommu: Mutation['viommu'], seed: number): void {
    const times = this.#times.get(viommu) ?? new Map<number, number>();
    this.#times.set(viommu, times.set(seed, (times.get(seed) ?? 0) + 1));
  }

  /** Those that noticed most, the best first. */
  first(viommu: Mutation['viommu']): readonly number[] {
    const times = [...(this.#times.get(viommu) ?? [])].sort(([, a], [, b]) => b - a);
    return times.slice(0, FIRST_SEEDS).map(([seed]) => seed);
  }
}

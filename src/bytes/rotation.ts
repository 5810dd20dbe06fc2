import { UsageError } from '../base/errors.ts';

/** Extensions of compressed pieces, which say nothing of their order. */
const COMPRESSED = /\.(?:gz|zst|xz|bz2)$/;
/** What all names have in common, and the number of the piece. */
const NUMBERED = /^(.*)\.(\d{1,6})$/s;
/**
 * What comes before a date, the date, a time of that day, an extension. logrotate's `dateext` writes
 * `log-20261126`, hourly `log-2026112613`, with `extension` also `name-20261126.log`; kubelet writes
 * `0.log.20261126-134501`.
 */
const DATED =
  /^(.*)[-._](\d{4})-?(\d\d)-?(\d\d)(?:[-_T]?(\d\d)(?:[-:]?(\d\d)(?:[-:]?(\d\d))?)?)?(\.[a-z]\w{0,7})?$/s;
/** The same with seconds since 1970, logrotate's `dateformat -%s`. */
const IN_SECONDS = /^(.*)[-._](1\d{9})(\.[a-z]\w{0,7})?$/s;

const DAY = 86_400;

/** What the name of a piece tells; null in `age` where it has neither number nor date, as the newest has. */
interface Name {
  readonly path: string;
  readonly base: string;
  readonly kind: 'number' | 'date' | null;
  /** The number, or seconds since 1970. */
  readonly value: number;
}

/** A piece of a rotated log. */
export interface NamedPiece {
  readonly path: string;
  /** What is missing right before it, by the names; null where nothing is. */
  readonly missing: string | null;
}

/** The order that the names of pieces tell. */
export interface NamedOrder {
  readonly by: 'number' | 'date';
  /** Oldest first. */
  readonly pieces: readonly NamedPiece[];
}

/**
 * The pieces of a rotated log by their names, oldest first: `log.2.gz`, `log.1`, `log`, as logrotate and
 * virtlogd number them, a higher number being older; or `log-20261125.gz`, `log-20261126`, `log`. Null where
 * the names do not tell.
 *
 * @throws UsageError where two have the same number or date.
 */
export function orderByNames(paths: readonly string[]): NamedOrder | null {
  const names = paths.map(nameOf);
  const kinds = new Set(names.flatMap(({ kind }) => kind ?? []));
  const [by] = kinds;
  const isOneLog = new Set(names.map(({ base }) => base)).size === 1;
  if (by === undefined || kinds.size > 1 || !isOneLog) return null;
  const sign = by === 'number' ? -1 : 1;
  // Without a number or date it is the one that is still written.
  const ageOf = ({ kind, value }: Name) =>
    kind === null ? Number.POSITIVE_INFINITY : sign * value;
  names.sort((one, next) => (ageOf(one) < ageOf(next) ? -1 : 1));
  const twin = names.find((name, index) => {
    const before = names[index - 1];
    return before !== undefined && ageOf(before) === ageOf(name);
  });
  if (twin !== undefined) throw new UsageError(`--join: ${twin.path} is there twice`);
  const missing = by === 'number' ? numbersMissing(names) : daysMissing(names);
  return {
    by,
    pieces: names.map(({ path }, index) => ({ path, missing: missing[index] ?? null })),
  };
}

function nameOf(path: string): Name {
  const name = path.replace(COMPRESSED, '');
  const [, base, number] = NUMBERED.exec(name) ?? [];
  if (base !== undefined && number !== undefined) {
    return { path, base, kind: 'number', value: Number(number) };
  }
  return inSeconds(path, name) ?? dated(path, name) ?? { path, base: name, kind: null, value: 0 };
}

function inSeconds(path: string, name: string): Name | null {
  const [, base, seconds, extension = ''] = IN_SECONDS.exec(name) ?? [];
  if (base === undefined) return null;
  return { path, base: `${base}${extension}`, kind: 'date', value: Number(seconds) };
}

function dated(path: string, name: string): Name | null {
  const [, base, year, month, day, hours = '00', minutes = '00', seconds = '00', extension = ''] =
    DATED.exec(name) ?? [];
  if (base === undefined) return null;
  const value = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`) / 1000;
  return Number.isNaN(value) ? null : { path, base: `${base}${extension}`, kind: 'date', value };
}

/** Of each piece, the numbers that are left out before it; what is rotated has 0 or 1 to begin with. */
function numbersMissing(names: readonly Name[]): readonly (string | null)[] {
  return names.map(({ kind, value }, index) => {
    const before = names[index - 1];
    if (before === undefined) return null;
    const [from, to] = [kind === null ? 1 : value + 1, before.value - 1];
    if (from > to) return null;
    return from === to
      ? `the piece with the number ${from} is missing`
      : `the pieces with the numbers ${from} to ${to} are missing`;
  });
}

/** Of each piece, the days that are left out before it, where the others come one by one in steps of days. */
function daysMissing(names: readonly Name[]): readonly (string | null)[] {
  const steps = names.map(({ kind, value }, index) => {
    const before = names[index - 1];
    return before === undefined || kind === null ? null : (value - before.value) / DAY;
  });
  const known = steps.filter((step) => step !== null);
  const least = Math.min(...known);
  const isRegular = known.length > 1 && known.every(Number.isInteger);
  return names.map((_, index) => {
    const [step, before] = [steps[index] ?? null, names[index - 1]];
    if (!isRegular || step === null || step <= least || before === undefined) return null;
    return `no piece of the ${step} days from ${dayOf(before.value)} on, others come every ${least}`;
  });
}

function dayOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** A file of one thread, by its name. */
export interface ThreadFile {
  readonly path: string;
  readonly thread: number;
}

/**
 * Files whose names differ in one number, as `-D qemu-%d.log` makes them with `-d tid`, by that number; null
 * where they do not.
 */
export function orderByThreads(paths: readonly string[]): readonly ThreadFile[] | null {
  const split = paths.map((path) => path.replace(COMPRESSED, '').split(/(\d+)/));
  const [first = []] = split;
  // Texts and numbers take turns, so that every second part is a number.
  const differing = first.flatMap((part, at) =>
    split.some((parts) => parts[at] !== part) ? at : [],
  );
  const [at] = differing;
  const isOneNumber = split.every(({ length }) => length === first.length);
  if (at === undefined || at % 2 === 0 || differing.length > 1 || !isOneNumber) return null;
  if (first.slice(at + 1).some((part) => part.includes('/'))) return null;
  const files = split.map((parts, index) => ({
    path: paths[index] ?? '',
    thread: Number(parts[at]),
  }));
  files.sort((one, next) => one.thread - next.thread);
  return new Set(files.map(({ thread }) => thread)).size === files.length ? files : null;
}

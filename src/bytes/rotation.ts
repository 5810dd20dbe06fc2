import { UsageError } from '../base/errors.ts';

/** A name as programs that rotate logs make them: what all have in common, and the number of the piece. */
const NUMBERED = /^(.*?)(?:\.(\d{1,6}))?(?:\.(?:gz|zst|xz|bz2))?$/s;

/**
 * The pieces of a rotated log, oldest first: `log.2.gz`, `log.1`, `log`, as logrotate and virtlogd number
 * them, a higher number being older.
 *
 * @throws UsageError where the names are not those of one log, or two have the same number.
 */
export function inRotationOrder(paths: readonly string[]): readonly string[] {
  const pieces = paths.map((path) => {
    const [, base = path, number] = NUMBERED.exec(path) ?? [];
    return { path, base, age: number === undefined ? -1 : Number(number) };
  });
  const [first] = pieces;
  const other = pieces.find(({ base }) => base !== first?.base);
  if (first !== undefined && other !== undefined) {
    throw new UsageError(
      `--join: ${other.path} and ${first.path} are not pieces of one log, such as log.2.gz, log.1 and log`,
    );
  }
  pieces.sort((one, next) => next.age - one.age);
  const twin = pieces.find(({ age }, index) => index > 0 && pieces[index - 1]?.age === age);
  if (twin !== undefined) throw new UsageError(`--join: ${twin.path} is there twice`);
  return pieces.map(({ path }) => path);
}

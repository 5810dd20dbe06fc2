/** Where in an input something is: a byte offset of the decompressed stream, a line, or neither. */
export interface InputPlace {
  readonly path: string;
  readonly byteOffset?: number;
  readonly line?: number;
}

function describe(place: InputPlace): string {
  if (place.line !== undefined) return `${place.path}:${place.line}`;
  if (place.byteOffset !== undefined) return `${place.path}:@${place.byteOffset}`;
  return place.path;
}

/**
 * The input cannot be used: it is missing, unreadable, of another kind, or damaged beyond reading.
 * The message says where, what was found and what was expected.
 */
export class TraceError extends Error {
  override readonly name: string = 'TraceError';
  readonly place: InputPlace;

  constructor(place: InputPlace, problem: string) {
    super(`${describe(place)}: ${problem}`);
    this.place = place;
  }
}

/** The input can be read, and is no trace of a kind that is read. */
export class ForeignError extends TraceError {
  override readonly name = 'ForeignError';
  /** What it is, where it may hold a trace all the same: `lz4-compressed`; otherwise null. */
  readonly kind: string | null;

  constructor(place: InputPlace, kind: string | null, problem: string) {
    super(place, problem);
    this.kind = kind;
  }
}

/** The command line, an environment variable or the configuration is wrong; the user can mend it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The code of an error of the system, such as `ENOENT`. */
export function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}

/** Why an input cannot be read, by what the system said. */
export function reasonOf(thrown: unknown): string {
  const code = codeOf(thrown);
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return `cannot be read: ${systemReasonOf(thrown)}`;
}

/**
 * What to say of what nobody expected. That too many files are open is no defect, and may show
 * anywhere, as an error that has crossed threads and has its message alone. `details`: of a defect.
 */
export function defectOf(thrown: unknown, details: string): string {
  const isOutOfFiles = /^E[MN]FILE: /.test(messageOf(thrown));
  return isOutOfFiles
    ? 'too many files are open; ulimit -n 1024 allows more'
    : `internal error: ${details}`;
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What the system says of a file: `permission denied`, without its code, call and path. */
export function systemReasonOf(thrown: unknown): string {
  const message = messageOf(thrown);
  return /^E[A-Z0-9]+: (.+?), [a-z]+(?: '.*')?$/s.exec(message)?.[1] ?? message;
}

/**
 * The message of a defect with the place in the program where it showed: enough to report it, and
 * without the folders of this machine, since it may stand in a result.
 */
export function placedMessageOf(thrown: unknown): string {
  const message = messageOf(thrown);
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const place = /^ +at .*?([^/\\(]+:\d+):\d+\)?$/m.exec(stack)?.[1];
  return place === undefined ? message : `${message} (${place})`;
}

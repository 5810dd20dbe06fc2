/*
 * The list of trace events that a build of QEMU installs as `trace-events-all`, given by the user:
 *
 *   # comment
 *   vtd_inv_desc_wait_sw(uint64_t addr, uint32_t data) "wait ... addr 0x%"PRIx64" data 0x%"PRIx32
 *   disable some_event(const char *name) " (%s)"
 */

/** A conversion of a `printf` format. */
export interface Conversion {
  readonly form: 'd' | 'p' | 's' | 'x';
  /** Digits at least, with zeros in front. */
  readonly width: number;
}

/** An event as a build declares it. */
export interface DeclaredEvent {
  readonly name: string;
  /** Of each argument: whether it is a string. */
  readonly isText: readonly boolean[];
  /** Literal text and conversions, in turn. */
  readonly format: readonly (string | Conversion)[];
}

const DECLARATION = /^(?:[a-z-]+ +){0,8}(\w{1,256}) *\(([^()]*)\) *(".*)?$/;
/** What tracetool takes for a string (scripts/tracetool: `is_string`). */
const STRING_ARGUMENT = /^(?:const )?char ?\*[^*]*$/;

/** The declarations of a list, in its order; null where a line is none, so that it is no such list. */
export function declaredEvents(list: string): readonly DeclaredEvent[] | null {
  const events: DeclaredEvent[] = [];
  for (const line of list.split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [, name, args = '', format = ''] = DECLARATION.exec(text) ?? [];
    if (name === undefined) return null;
    events.push({ name, isText: kindsOf(args), format: formatOf(format) });
  }
  return events.length === 0 ? null : events;
}

function kindsOf(args: string): readonly boolean[] {
  const trimmed = args.trim();
  if (trimmed === '' || trimmed === 'void') return [];
  return trimmed.split(',').map((argument) => STRING_ARGUMENT.test(argument.trim()));
}

/** A part of a C string literal's source: in quotes, or the name of a macro of inttypes.h. */
const LITERAL = /"((?:[^"\\]|\\.){0,2048})"|\bPRI([diuxX])\w+/g;
const CONVERSION = /%[-+ #]?(0\d{1,2})?\d{0,2}(?:hh|h|ll|l|z|j|t)?([diuxXpcs])/g;

function formatOf(source: string): DeclaredEvent['format'] {
  const text = [...source.matchAll(LITERAL)]
    .map(([, quoted, macro]) => quoted?.replace(/\\(.)/g, '$1') ?? macro ?? '')
    .join('');
  const parts: (string | Conversion)[] = [];
  let at = 0;
  for (const found of text.matchAll(CONVERSION)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    parts.push({ form: formOf(found[2] ?? 'd'), width: Number(found[1] ?? 0) });
    at = found.index + found[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

function formOf(letter: string): Conversion['form'] {
  if (letter === 's' || letter === 'p') return letter;
  return letter === 'x' || letter === 'X' ? 'x' : 'd';
}

import { ForeignError, TraceError } from '../base/errors.ts';
import { Archive, type FoundMember } from '../bytes/archive.ts';
import type { BadInput, Input, Inputs, PassedOver } from '../bytes/inputs.ts';
import { peekSource, type SourceOptions } from '../bytes/source.ts';
import { recognise } from '../decoding/index.ts';

/**
 * The inputs with the traces in archives in the places of these. An archive is read like a folder: what
 * is in it and is no trace is left out, or named where it may hold one.
 */
export async function withMembers(inputs: Inputs, options: SourceOptions): Promise<Inputs> {
  const bad: BadInput[] = [...inputs.bad];
  const passedOver: PassedOver[] = [...inputs.passedOver];
  const places = new Map<Input, readonly Input[]>();
  for (const input of inputs.traces) {
    const isFile = input.bytes !== null && input.object === undefined;
    const archive = isFile ? await openArchive(input.path, options) : null;
    if (archive === null) continue;
    const members: Input[] = [];
    let help: string | null = null;
    for await (const found of archive.members()) {
      const { path, member } = found;
      const kind = await kindOf(found, options);
      if (kind === TRACE) members.push({ path, bytes: member.bytes, isFound: true, member });
      else if (kind instanceof ForeignError) {
        help ??= kind.message;
        passedOver.push({ path, kind: kind.kind ?? 'a file' });
      } else if (kind !== null) passedOver.push({ path, kind });
    }
    places.set(input, members);
    const error = problemOf(archive, members.length === 0 && !input.isFound, help);
    if (error !== null) bad.push({ path: input.path, error });
  }
  if (places.size === 0) return inputs;
  const replaced = (all: readonly Input[]) => all.flatMap((input) => places.get(input) ?? input);
  const directories = [...inputs.directories].map(
    ([directory, found]) => [directory, replaced(found)] as const,
  );
  return {
    traces: replaced(inputs.traces),
    bad,
    passedOver,
    directories: new Map(directories),
    isRead: (key) => inputs.isRead(key),
  };
}

/** What cannot be opened is told where it is analysed. */
async function openArchive(path: string, options: SourceOptions): Promise<Archive | null> {
  try {
    return await Archive.open(path, options);
  } catch (thrown) {
    if (thrown instanceof TraceError) return null;
    throw thrown;
  }
}

/** `help`: what was said of the first member that is a trace of a kind that is not read. */
function problemOf(
  { damage }: Archive,
  isWithoutTraces: boolean,
  help: string | null,
): string | null {
  if (damage !== null)
    return `an archive that is damaged, ${damage}; what it holds behind that is not known`;
  if (!isWithoutTraces) return null;
  return `an archive without traces${help === null ? '' : `; ${help}`}`;
}

const TRACE = Symbol('a trace');

/** What a member is: a trace, nothing that may hold one (null), or what it is instead. */
async function kindOf(
  { head, isSparse, member, path }: FoundMember,
  options: SourceOptions,
): Promise<typeof TRACE | ForeignError | string | null> {
  if (member.bytes === 0) return null;
  if (isSparse) return 'a sparse file in an archive';
  try {
    recognise({ ...(await peekSource(path, head, options)), isFound: true });
    return TRACE;
  } catch (thrown) {
    if (thrown instanceof ForeignError) return thrown.kind === null ? null : thrown;
    // What is wrong with it is told where it is analysed.
    if (thrown instanceof TraceError) return TRACE;
    throw thrown;
  }
}

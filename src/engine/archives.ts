import { ForeignError, TraceError } from '../base/errors.ts';
import { Archive, type FoundMember } from '../bytes/archive.ts';
import type { BadInput, Input, Inputs, PassedOver } from '../bytes/inputs.ts';
import { peekSource, type SourceOptions } from '../bytes/source.ts';
import { lookAtStandardInput, type StandardInput } from '../bytes/standard-input.ts';
import { recognise } from '../decoding/index.ts';

/** Archives in archives are followed this deep; a must-gather holds a sosreport of each node. */
const DEEPEST = 3;

/**
 * The inputs with the traces in archives in the places of these. An archive is read like a folder: what
 * is in it and is no trace is left out, or named where it may hold one. So is an archive in it, and
 * standard input.
 */
export async function withMembers(inputs: Inputs, options: SourceOptions): Promise<Inputs> {
  const found = new FoundInArchives(options);
  const places = new Map<Input, readonly Input[]>();
  let piped: StandardInput | null = null;
  for (const input of inputs.traces) {
    const isFile = input.bytes !== null && input.object === undefined;
    if (input.path === '-') piped = await openedOrNull(lookAtStandardInput(options));
    const path = isFile ? input.path : input.path === '-' ? (piped?.archive ?? null) : null;
    const archive =
      path === null ? null : await openedOrNull(Archive.open(path, options, input.path));
    if (archive !== null) places.set(input, await found.membersOf(archive, !input.isFound));
  }
  const close = () => {
    inputs.close?.();
    piped?.close();
  };
  const chunks = piped?.chunks ?? null;
  if (places.size === 0 && piped === null) return inputs;
  const replaced = (all: readonly Input[]) => all.flatMap((input) => places.get(input) ?? input);
  const directories = [...inputs.directories].map(
    ([directory, inIt]) => [directory, replaced(inIt)] as const,
  );
  return {
    traces: replaced(inputs.traces),
    bad: [...inputs.bad, ...found.bad],
    passedOver: [...inputs.passedOver, ...found.passedOver],
    directories: new Map(directories),
    isRead: (key) => inputs.isRead(key),
    ...(chunks !== null && { stdin: chunks }),
    close,
  };
}

/** What is opened; null where it cannot be: that is told where it is analysed. */
async function openedOrNull<Opened>(opening: Promise<Opened>): Promise<Opened | null> {
  try {
    return await opening;
  } catch (thrown) {
    if (thrown instanceof TraceError) return null;
    throw thrown;
  }
}

/** What archives hold. */
class FoundInArchives {
  readonly bad: BadInput[] = [];
  readonly passedOver: PassedOver[] = [];
  readonly #options: SourceOptions;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** The traces in an archive, those in archives in it included. `isNamed`: somebody asked for it. */
  async membersOf(archive: Archive, isNamed: boolean, depth = 1): Promise<readonly Input[]> {
    const traces: Input[] = [];
    let help: string | null = null;
    for await (const found of archive.members()) {
      const { path, member } = found;
      const inner =
        depth < DEEPEST ? await openedOrNull(Archive.openMember(found, this.#options)) : null;
      if (inner !== null) {
        traces.push(...(await this.membersOf(inner, false, depth + 1)));
        continue;
      }
      const kind = await kindOf(found, this.#options);
      if (kind === TRACE) traces.push({ path, bytes: member.bytes, isFound: true, member });
      else if (kind instanceof ForeignError) {
        help ??= kind.message;
        this.passedOver.push({ path, kind: kind.kind ?? 'a file' });
      } else if (kind !== null) this.passedOver.push({ path, kind });
    }
    const error = problemOf(archive, traces.length === 0 && isNamed, help);
    if (error !== null) this.bad.push({ path: archive.path, error });
    return traces;
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

/*
 * The fields of the JSON result, made of its schema, so that the guide has every field and no other.
 */

/** A part of a JSON Schema, as far as the guide reads it. */
interface Part {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Part[];
  readonly items?: Part;
  readonly prefixItems?: readonly Part[];
  readonly properties?: Readonly<Record<string, Part>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Part;
}

interface Schema extends Part {
  readonly $defs: Readonly<Record<string, Part>>;
}

/** Definitions that have the fields of another one, and some more. */
const SAME_AS: Readonly<Record<string, string>> = {
  FindingRecord:
    'A line of `--format ndjson`: the fields of a Finding behind `trace`, its path, and `session`, its index in the trace.',
};

/**
 * What comes behind the introduction of the guide, in Markdown.
 *
 * `schema`: that of the result, as it is parsed.
 */
export function jsonFields(schema: unknown): string {
  const whole = schema as Schema;
  const parts = Object.entries(whole.$defs);
  const simple = parts.filter(([, part]) => part.properties === undefined);
  const objects = parts.filter(([, part]) => part.properties !== undefined);
  return [
    objectSection('Result', whole, whole),
    ...objects.map(([name, part]) => {
      const same = SAME_AS[name];
      return same === undefined ? objectSection(name, part, whole) : `## ${name}\n\n${same}\n`;
    }),
    `## Values\n\n${simple.map(([name, part]) => `- \`${name}\` (${typeOf(part)}): ${part.description ?? ''}\n`).join('')}`,
  ].join('\n');
}

function objectSection(name: string, part: Part, schema: Schema): string {
  const about = part.description === undefined ? '' : `${part.description}\n\n`;
  return `## ${name}\n\n${about}${fieldsOf(part, '', schema).join('')}`;
}

/** A line for each field, those of objects within behind it. */
function fieldsOf(
  { properties = {}, required = [] }: Part,
  before: string,
  schema: Schema,
): readonly string[] {
  return Object.entries(properties).flatMap(([key, part]) => {
    const name = `${before}${key}`;
    const mark = required.includes(key) ? '' : '?';
    const line = `- \`${name}${mark}\` (${typeOf(part)}): ${aboutOf(part, schema)}\n`;
    const inner = [part, ...(part.anyOf ?? [])].find((one) => one.properties !== undefined);
    if (inner !== undefined) return [line, ...fieldsOf(inner, `${name}.`, schema)];
    const { items } = part;
    return items?.properties === undefined
      ? [line]
      : [line, ...fieldsOf(items, `${name}[].`, schema)];
  });
}

/** Its own description, or the first sentence of what it refers to. */
function aboutOf(part: Part, { $defs }: Schema): string {
  if (part.description !== undefined) return part.description;
  const [name] = [part, ...(part.anyOf ?? [])].flatMap(({ $ref }) => $ref ?? []);
  const description = name === undefined ? '' : ($defs[nameOf(name)]?.description ?? '');
  return /^.*?[.;:](?= |$)/.exec(description)?.[0].replace(/[;:]$/, '.') ?? description;
}

/** `#/$defs/Hex` is Hex. */
function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

/** What a value is, in a few words. */
function typeOf(part: Part): string {
  if (part.$ref !== undefined) return nameOf(part.$ref);
  if (part.const !== undefined) return JSON.stringify(part.const);
  if (part.enum !== undefined) return part.enum.map(wordOf).join(', ');
  if (part.anyOf !== undefined) return part.anyOf.map(typeOf).join(' or ');
  if (part.prefixItems !== undefined)
    return `pair of ${part.prefixItems.map(typeOf).join(' and ')}`;
  if (part.items !== undefined) return `list of ${typeOf(part.items)}`;
  if (typeof part.additionalProperties === 'object') {
    return `object of ${typeOf(part.additionalProperties)}`;
  }
  return [part.type ?? 'any'].flat().join(' or ');
}

function wordOf(value: unknown): string {
  return value === null ? 'null' : `\`${String(value)}\``;
}

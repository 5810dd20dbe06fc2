import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guideNamed } from '../../src/cli/guide.ts';
import { jsonFields } from '../../src/cli/json-guide.ts';

interface Part {
  readonly $ref?: string;
  readonly description?: string;
  readonly anyOf?: readonly Part[];
  readonly items?: Part;
  readonly properties?: Readonly<Record<string, Part>>;
}

const file = new URL('../../src/result/result-1.1.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(file, 'utf8')) as Part & {
  readonly $defs: Readonly<Record<string, Part>>;
};

/** All fields of a part, by their paths, those within objects of their own included. */
function fieldsOf(part: Part, path: string): readonly (readonly [string, Part])[] {
  return Object.entries(part.properties ?? {}).flatMap(([key, field]) => {
    const name = `${path}.${key}`;
    const inner = [field, ...(field.anyOf ?? []), ...(field.items ? [field.items] : [])];
    return [[name, field] as const, ...inner.flatMap((one) => fieldsOf(one, name))];
  });
}

const all = [
  ...fieldsOf(schema, 'Result'),
  ...Object.entries(schema.$defs).flatMap(([name, part]) => fieldsOf(part, name)),
];

describe('the schema of the result', () => {
  it('describes every definition and every field', () => {
    const isDescribed = (part: Part): boolean =>
      part.description !== undefined ||
      part.anyOf?.some(isDescribed) === true ||
      (part.$ref !== undefined &&
        schema.$defs[part.$ref.replace('#/$defs/', '')]?.description !== undefined);
    expect(all.length).toBeGreaterThan(150);
    expect(all.filter(([, part]) => !isDescribed(part)).map(([path]) => path)).toEqual([]);
    const nameless = Object.entries(schema.$defs).filter(([, part]) => !part.description);
    expect(nameless.map(([name]) => name)).toEqual([]);
  });
});

describe('the guide to JSON', () => {
  const guide = guideNamed('json');

  it('is made of the schema', () => {
    expect(guide.endsWith(jsonFields(schema))).toBe(true);
    const headings = [...guide.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(headings[0]).toBe('Result');
    const objects = Object.entries(schema.$defs).filter(([, part]) => part.properties);
    expect(objects.filter(([name]) => !headings.includes(name))).toEqual([]);
  });

  it('has every field, with what it is', () => {
    for (const [path] of all.filter(([name]) => !name.startsWith('FindingRecord.'))) {
      const [, key = ''] = /\.(\w+)$/.exec(path) ?? [];
      expect(guide, path).toMatch(new RegExp(`^- \`(?:[\\w.[\\]]+\\.)?${key}\\??\` \\(`, 'm'));
    }
    expect(guide.match(/^- `\S+` \(.*\): *$/gm) ?? []).toEqual([]);
    expect(guide).toContain('- `answer` (`no`, `unknown`, `refused`, `yes`): ');
    expect(guide).toContain('- `tool.name` (string): ');
    expect(guide).toContain('- `accepted?` (Acceptance)');
    expect(guide).toContain('- `atRisk` (list of pair of Hex and Hex): ');
  });
});

import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { analyze } from '../helpers/analyze.ts';
import { captures, root } from '../helpers/ground-truth.ts';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

interface Schema {
  readonly $id: string;
  readonly $defs: Readonly<
    Record<string, { readonly properties?: Readonly<Record<string, unknown>> }>
  >;
}

const file = new URL('../../src/result/result-1.1.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(file, 'utf8')) as Schema;
const ajv = new Ajv2020({ strict: true, allErrors: true });
ajv.addSchema(schema);

/** What the schema, or one of its definitions, has against a value. */
function problems(value: unknown, definition = ''): readonly string[] {
  const validate = ajv.getSchema(
    definition === '' ? schema.$id : `${schema.$id}#/$defs/${definition}`,
  );
  if (validate === undefined) throw new Error(`no definition ${definition}`);
  // As other programs see it.
  if (validate(JSON.parse(JSON.stringify(value)))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('a result by hand', () => {
  const result = aResult(
    aTrace({
      sessions: [
        aSession({ findings: [aFinding(), aWhatIf(), aFinding({ mode: null, worst: null })] }),
      ],
    }),
    anUnusableTrace(),
  );

  it('is valid', () => {
    expect(problems(result)).toEqual([]);
  });

  const [trace] = result.traces;
  const broken: readonly { readonly name: string; readonly value: unknown }[] = [
    { name: 'no result', value: {} },
    { name: 'another version', value: { ...result, schemaVersion: '2.0' } },
    { name: 'an unknown field', value: { ...result, extra: 1 } },
    { name: 'an unknown field of a trace', value: { ...result, traces: [{ ...trace, extra: 1 }] } },
    { name: 'a missing field', value: { ...result, totals: undefined } },
    { name: 'an unknown verdict', value: { ...result, verdict: 'maybe' } },
    { name: 'a count in text', value: { ...result, traces: [{ ...trace, lines: '40' }] } },
    { name: 'a negative count', value: { ...result, traces: [{ ...trace, lines: -1 }] } },
    { name: 'upper-case digits', value: withFinding({ iova: '0xABC' }) },
    { name: 'an address as a number', value: withFinding({ iova: 4096 }) },
    { name: 'a device of another form', value: withFinding({ device: '0000:00:10.0' }) },
    { name: 'an unknown mode', value: withFinding({ mode: 'seen' }) },
    {
      name: 'a time with a point',
      value: withFinding({ first: { line: 1, byteOffset: 0, time: '1.5' } }),
    },
  ];

  it.each(broken)('is rejected with $name', ({ value }) => {
    expect(problems(value)).not.toEqual([]);
  });
});

function withFinding(given: Readonly<Record<string, unknown>>): unknown {
  const finding = { ...aFinding(), ...given };
  return {
    ...aResult(),
    traces: [{ ...aTrace(), sessions: [{ ...aSession(), findings: [finding] }] }],
  };
}

/** The largest take long, and hold nothing that others do not. */
const small = captures.filter(({ name }) => !/storm|noise/.test(name));

describe.each(small)('the result of $name', ({ log }) => {
  it('is valid, its tables too', async () => {
    const { result, unmaps, mappings } = await analyze(`${root}${log}`);
    expect(problems(result)).toEqual([]);
    expect(unmaps.flatMap((unmap) => problems(unmap, 'UnmapRecord'))).toEqual([]);
    expect(mappings.flatMap((mapping) => problems(mapping, 'MappingRecord'))).toEqual([]);
    const findings = render('ndjson', result)
      .split('\n')
      .filter((line) => line !== '');
    expect(findings.flatMap((line) => problems(JSON.parse(line), 'FindingRecord'))).toEqual([]);
  });
});

describe('the schema', () => {
  const { Finding, FindingRecord } = schema.$defs;

  it('has the fields of a finding in a line of NDJSON too', () => {
    const { trace: _trace, session: _session, ...fields } = FindingRecord?.properties ?? {};
    expect(fields).toEqual(Finding?.properties);
  });

  it('lets no object have fields that it does not name', () => {
    expect(openObjects(schema)).toEqual([]);
  });
});

/** Objects with fields that allow others. */
function openObjects(part: unknown, path = ''): readonly string[] {
  if (part === null || typeof part !== 'object') return [];
  const { properties, additionalProperties } = part as Readonly<Record<string, unknown>>;
  const isOpen =
    typeof properties === 'object' &&
    !path.endsWith('/properties') &&
    additionalProperties !== false;
  const inner = Object.entries(part).flatMap(([key, value]) =>
    openObjects(value, `${path}/${key}`),
  );
  return isOpen ? [path, ...inner] : inner;
}

import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

const file = new URL('../../src/result/result-1.1.schema.json', import.meta.url);
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(
  JSON.parse(readFileSync(file, 'utf8')) as object,
);

/** What the shipped schema has against a result, as text; nothing where it is valid. */
export function validateResult(result: unknown): readonly string[] {
  // As other programs see it.
  if (validate(JSON.parse(JSON.stringify(result)))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
}

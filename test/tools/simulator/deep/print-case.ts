import { DEFAULT_OPTIONS, type SimulationOptions } from '../../../../src/tools/simulator/index.ts';
import type { Case } from '../compare/play.ts';

/** A case as a test that can be put into `test/tools/simulator/regressions/`; options as usual are left out. */
export function printCase(one: Case, title: string): string {
  const options = Object.entries(one.options)
    .filter(([key, value]) => literal(value) !== literal(usual(key)))
    .map(([key, value]) => `      ${key}: ${literal(value)},`);
  const acts = (one.acts ?? []).map((act) => `      ${literal(act)},`);
  return [
    `it(${literal(title)}, () => {`,
    '  const { report } = compare({',
    '    options: {',
    ...options,
    '    },',
    one.acts === null ? '    acts: null,' : `    acts: [\n${acts.join('\n')}\n    ],`,
    `    told: ${literal(one.told)},`,
    '  });',
    '  expect(report.disagreements).toEqual([]);',
    '});',
  ].join('\n');
}

function usual(key: string): unknown {
  return key in DEFAULT_OPTIONS ? DEFAULT_OPTIONS[key as keyof SimulationOptions] : undefined;
}

/** Plain data as source text. */
function literal(value: unknown): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}n`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, part]) => `${key}: ${literal(part)}`);
    return `{ ${fields.join(', ')} }`;
  }
  if (typeof value === 'string')
    return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return String(value);
}

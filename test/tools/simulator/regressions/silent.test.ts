import { describe, expect, it } from 'vitest';
import { compare } from '../compare/compare.ts';

describe('a guest that turns translation on and maps nothing', () => {
  it('leaves a log that looks as if notifications were not traced', () => {
    const { report, seen } = compare({
      options: {
        seed: 524,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 10,
      },
      acts: [{ kind: 'translation', on: true }],
      told: 'all',
    });
    expect(report.disagreements).toEqual([]);
    expect(seen.session?.verdict).toBe('inconclusive');
  });
});

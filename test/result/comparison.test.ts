import { describe, expect, it } from 'vitest';
import {
  type Comparison,
  compareResults,
  type UnmapGroup,
  type UnmapGroups,
} from '../../src/result/comparison.ts';
import type { Finding, Session } from '../../src/result/types.ts';
import { aFinding, aResult, aSession, aTrace, aWhatIf } from '../helpers/report-builders.ts';

function aGroup(given: Partial<UnmapGroup> = {}): UnmapGroup {
  return {
    device: '00:10.0',
    cause: 'whole-unmap',
    iova: '0x100000000000',
    size: '0x100000000000',
    unmaps: 1,
    fate: 'harmless',
    errno: 0,
    atRiskBytes: 0,
    line: 12,
    ...given,
  };
}

interface Side {
  readonly findings?: readonly Finding[];
  readonly session?: Partial<Session>;
  readonly unmaps?: readonly UnmapGroup[] | null;
}

function inputOf(path: string, { findings = [], session = {}, unmaps = [] }: Side) {
  const result = aResult(aTrace({ path, sessions: [aSession({ findings, ...session })] }));
  const groups: UnmapGroups | null = unmaps === null ? null : { groups: unmaps, left: 0 };
  return { path, result, unmaps: groups };
}

const compare = (before: Side, after: Side): Comparison =>
  compareResults(inputOf('a.log', before), inputOf('b.log', after));

const ids = (all: readonly { readonly id: string }[]) => all.map(({ id }) => id);

describe('findings', () => {
  it('are paired by their ids', () => {
    const [one, two, three] = [{ id: '1' }, { id: '2' }, { id: '3' }].map(aFinding) as Finding[];
    const { findings } = compare(
      { findings: [one, two] as Finding[] },
      { findings: [{ ...two, count: 9 }, three] as Finding[] },
    );
    expect(ids(findings.new)).toEqual(['3']);
    expect(ids(findings.gone)).toEqual(['1']);
    expect(findings.unchanged.map(({ after, before }) => [before.count, after.count])).toEqual([
      [4, 9],
    ]);
  });

  it('with one id, as of devices without a name, are paired one by one', () => {
    const alike = aFinding({ device: null });
    const { findings } = compare({ findings: [alike, alike] }, { findings: [alike] });
    expect(findings).toMatchObject({ new: [], gone: [{ id: alike.id }], unchanged: [{}] });
  });

  it('of another boot are others', () => {
    const sessions = [aSession({ findings: [] }), aSession({ findings: [aFinding()] })];
    const after = { path: 'b.log', result: aResult(aTrace({ sessions })), unmaps: null };
    const { findings } = compareResults(inputOf('a.log', { findings: [aFinding()] }), after);
    expect(findings).toMatchObject({ new: [{ session: 1 }], gone: [{ session: 0 }] });
  });

  it('of a batch are those of the trace of the same name', () => {
    const batch = (...paths: readonly string[]) => ({
      path: 'run.json',
      result: aResult(
        ...paths.map((path) => aTrace({ path, sessions: [aSession({ findings: [aFinding()] })] })),
      ),
      unmaps: null,
    });
    const { findings } = compareResults(batch('a', 'b'), batch('b', 'c'));
    expect(findings).toMatchObject({
      new: [{ trace: 'c' }],
      gone: [{ trace: 'a' }],
      unchanged: [{ before: { trace: 'b' } }],
    });
  });
});

describe('what is worse', () => {
  const fails = aFinding();
  const whatIf = aWhatIf({ rule: 'VTD001', cause: 'whole-unmap' });
  const rows: readonly {
    readonly name: string;
    readonly before: Side;
    readonly after: Side;
    readonly worse: readonly (string | RegExp)[];
  }[] = [
    {
      name: 'nothing, of the same',
      before: { findings: [fails] },
      after: { findings: [fails] },
      worse: [],
    },
    {
      name: 'nothing, where a finding is gone',
      before: { findings: [fails] },
      after: {},
      worse: [],
    },
    {
      name: 'a finding that is new',
      before: {},
      after: { findings: [fails] },
      worse: ['new: VTD001 bitmap-too-big of 00:10.0, observed (0123456789abcdef)'],
    },
    {
      name: 'a hazard that would be, where there was none',
      before: {},
      after: { findings: [whatIf] },
      worse: [/^new: VTD001 .*, what-if/],
    },
    {
      name: 'a hazard that happened, where it would only have been',
      before: { findings: [whatIf] },
      after: { findings: [fails] },
      worse: [/^new: VTD001 .*, observed/],
    },
    {
      name: 'nothing, where it only would be and happened before',
      before: { findings: [fails] },
      after: { findings: [whatIf] },
      worse: [],
    },
    {
      name: 'nothing, where it is the same in another window',
      before: { findings: [fails] },
      after: { findings: [fails, { ...fails, id: 'of the second window' }] },
      worse: [],
    },
    {
      name: 'nothing, of a note',
      before: {},
      after: { findings: [{ ...fails, severity: 'note' }] },
      worse: [],
    },
    {
      name: 'the verdict',
      before: { session: { verdict: 'leaves-mappings' } },
      after: { session: { verdict: 'fails' } },
      worse: ['the verdict was leaves-mappings and is fails'],
    },
    {
      name: 'the answer',
      before: { session: { migration: { answer: 'refused', why: 'by version' } } },
      after: { session: { migration: { answer: 'no', why: 'it fails' } } },
      worse: ['the answer whether to migrate was refused and is no'],
    },
    {
      name: 'an unmap that fails and did not',
      before: { unmaps: [aGroup({ fate: 'loses' })] },
      after: { unmaps: [aGroup({ fate: 'fails', errno: -7 })] },
      worse: ['1 range of unmaps with a worse end than before'],
    },
    {
      name: 'nothing, where an unmap fails no more',
      before: { unmaps: [aGroup({ fate: 'fails', errno: -7 })] },
      after: { unmaps: [aGroup({ fate: 'loses' })] },
      worse: [],
    },
  ];

  it.each(rows)('$name', ({ after, before, worse }) => {
    const comparison = compare(before, after);
    expect(comparison.worse).toEqual(
      worse.map((text) => (typeof text === 'string' ? text : expect.stringMatching(text))),
    );
    expect(comparison.isWorse).toBe(worse.length > 0);
  });
});

describe('unmaps', () => {
  it('are paired by device, cause and range', () => {
    const before = [
      aGroup(),
      aGroup({ iova: '0x1000', size: '0x1000', cause: 'page-walk', fate: 'loses' }),
      aGroup({ iova: '0x2000', unmaps: 7 }),
    ];
    const after = [
      aGroup({ fate: 'fails', errno: -7 }),
      aGroup({ iova: '0x1000', size: '0x1000', cause: 'page-walk', fate: 'loses' }),
      aGroup({ iova: '0x2000', cause: 'drain', fate: 'loses' }),
      aGroup({ iova: '0x3000', device: '00:11.0', fate: 'would-lose' }),
      aGroup({ iova: '0x300', device: null, fate: 'fails', errno: -22 }),
    ];
    const { unmaps } = compare({ unmaps: before }, { unmaps: after });
    expect(unmaps).toMatchObject({
      alike: 1,
      changed: [{ isWorse: true, before: { fate: 'harmless' }, after: { errno: -7 } }],
      onlyBefore: { ranges: 1, unmaps: 7, harmful: [] },
      onlyAfter: {
        ranges: 3,
        unmaps: 3,
        harmful: [{ errno: -22 }, { cause: 'drain' }, { fate: 'would-lose' }],
      },
    });
  });

  it('are listed by address', () => {
    const at = (iova: UnmapGroup['iova'], fate: UnmapGroup['fate']) => aGroup({ iova, fate });
    const { unmaps } = compare(
      { unmaps: [at('0x10000', 'loses'), at('0x9000', 'loses')] },
      { unmaps: [at('0x10000', 'harmless'), at('0x9000', 'harmless')] },
    );
    expect(unmaps?.changed.map(({ after }) => after.iova)).toEqual(['0x9000', '0x10000']);
  });

  it('are not compared where one side is a result', () => {
    expect(compare({ unmaps: null }, { unmaps: [aGroup()] }).unmaps).toBeNull();
  });
});

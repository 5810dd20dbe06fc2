import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import type { Log } from 'sarif';
import { describe, expect, it } from 'vitest';
import { MILDER_RULES } from '../../src/reports/sarif.ts';
import type { Result } from '../../src/result/types.ts';
import { pages } from '../../src/rules/pages.ts';
import type { GroupView } from '../../src/rules/rule.ts';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
  manyFindings,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

// OASIS publishes it for draft-04, which differs only in the names of these two.
const file = new URL('../golden/schemas/sarif-schema-2.1.0.json', import.meta.url);
const {
  id: _id,
  $schema: _schema,
  ...schema
} = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
const ajv = new Ajv({ allErrors: true, strict: false, unicodeRegExp: false });
formats.default(ajv);
const validate = ajv.compile(schema);

function sarif(result: Result): Log {
  return JSON.parse(render('sarif', result)) as Log;
}

function problems(log: unknown): unknown {
  return validate(log) ? [] : validate.errors;
}

describe('SARIF', () => {
  it('is valid', () => {
    const trace = aTrace({
      reasons: ['unsure'],
      sessions: [
        aSession({ findings: [aFinding(), aWhatIf(), aFinding({ mode: null, device: null })] }),
      ],
    });
    expect(problems(sarif(aResult(trace, anUnusableTrace())))).toEqual([]);
    expect(problems({ version: '2.1.0', runs: [{}] })).not.toEqual([]);
  });

  it.each(hostileTexts.map((text) => ({ text })))(
    'is valid whatever texts it holds: $text',
    ({ text }) => {
      expect(problems(sarif(hostile(aResult(aTrace(), anUnusableTrace()), text)))).toEqual([]);
    },
  );

  it('names place, device, rule and a stable fingerprint', () => {
    const [run] = sarif(aResult()).runs;
    const [result] = run?.results ?? [];
    expect(result).toMatchObject({
      ruleId: 'VTD001',
      level: 'error',
      occurrenceCount: 4,
      partialFingerprints: { 'findingId/v1': '0123456789abcdef' },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'qemu.log' },
            region: {
              startLine: 12,
              byteOffset: 600,
              snippet: { text: 'vfio_iommu_map_notify iommu UNMAP' },
            },
          },
          logicalLocations: [{ name: '00:10.0' }],
        },
      ],
    });
    expect(run?.tool.driver.rules?.[result?.ruleIndex ?? -1]?.id).toBe('VTD001');
  });

  it('explains each rule in Markdown, with its level and where to read on', async () => {
    const rules = sarif(aResult()).runs[0]?.tool.driver.rules ?? [];
    expect(rules.length).toBeGreaterThan(10);
    for (const { defaultConfiguration, help, helpUri, id } of rules) {
      expect(help?.markdown, id).toContain(`# ${id} `);
      expect(helpUri, id).toMatch(/^https:\/\/(?:gitlab\.com\/qemu-project|www\.qemu\.org)\//);
      expect(defaultConfiguration?.level, id).toBe(MILDER_RULES.get(id) ?? 'error');
    }
    const tooBig = rules.find(({ id }) => id === 'VTD001');
    expect(tooBig?.helpUri).toMatch(/\/commit\/cac33cb5533a$/);
    // As the rules themselves have it, of what happened under tracking.
    const tracked = { mode: 'active', topic: '', endsQemu: false } as unknown as GroupView;
    for (const page of pages.filter(({ id }) => id !== 'VTD015')) {
      const { severity } = await page.load();
      expect(severity(tracked), page.id).toBe(MILDER_RULES.get(page.id) ?? 'error');
    }
  });

  it('tells the sessions of a trace apart', () => {
    const trace = aTrace({ sessions: [aSession(), aSession()] });
    const prints = sarif(aResult(trace)).runs[0]?.results?.map(
      ({ partialFingerprints }) => partialFingerprints,
    );
    expect(new Set(prints?.map((print) => print?.['findingId/v1'])).size).toBe(2);
  });

  it('reports unusable and inconclusive traces as notifications', () => {
    const [run] = sarif(aResult(anUnusableTrace(), aTrace({ reasons: ['a reason'] }))).runs;
    const [invocation] = run?.invocations ?? [];
    expect(invocation?.executionSuccessful).toBe(false);
    expect(
      invocation?.toolExecutionNotifications?.map(({ level, message }) => [level, message.text]),
    ).toEqual([
      ['error', 'notes.txt: no QEMU trace'],
      ['warning', 'a reason'],
    ]);
  });

  it('is capped, the worst first, and says how many are left out', () => {
    const [run] = sarif(aResult(manyFindings(6000))).runs;
    expect(run?.results).toHaveLength(5000);
    const texts = run?.invocations?.[0]?.toolExecutionNotifications?.map(
      ({ message }) => message.text,
    );
    expect(texts).toEqual(['1000 findings are left out, the mildest; --format json has them all']);
    const modes = new Set(
      run?.results?.slice(0, 3000).map(({ properties: { mode } = {} }) => mode as unknown),
    );
    expect(modes.has('what-if')).toBe(false);
  });

  it.each([
    { path: '-', uri: 'stdin' },
    { path: 'logs/a b.log', uri: 'logs/a%20b.log' },
    { path: '/var/log/a#1?.log', uri: 'file:///var/log/a%231%3F.log' },
    { path: '//host/share', uri: 'file:///host/share' },
    { path: 'C:\\logs\\a.log', uri: 'file:///C:/logs/a.log' },
    { path: 'javascript:alert(1)', uri: 'javascript%3Aalert%281%29' },
  ])('$path becomes $uri', ({ path, uri }) => {
    const [run] = sarif(aResult(aTrace({ path }))).runs;
    expect(run?.results?.[0]?.locations?.[0]?.physicalLocation?.artifactLocation?.uri).toBe(uri);
  });
});

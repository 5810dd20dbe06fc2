import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { htmlOfFleet } from '../../src/reports/fleet/html.ts';
import { FLEET_SCHEMA, type Fleet } from '../../src/result/fleet.ts';
import type { Result } from '../../src/result/types.ts';
import { startBrowser, withPage } from '../helpers/report-browser.ts';
import {
  aCleanSession,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  manyFindings,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

/** What axe-core says against the pages, in both colour schemes, on a screen and on a telephone. */

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
});

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const golden = (folder: string) =>
  JSON.parse(
    readFileSync(new URL(`../golden/${folder}/result.json`, import.meta.url), 'utf8'),
  ) as Result;
const failing = golden('10.0-fails');
const stale = golden('11.1-leaves-mappings');
const clean = aTrace({ path: 'clean.log', sessions: [aCleanSession()] });
const several = aTrace({ path: 'boots.log', sessions: [aSession(), aSession(), aCleanSession()] });

const fleet: Fleet = {
  schema: FLEET_SCHEMA,
  tool: { name: 'vtdscope', version: '0.0.0' },
  verdict: 'fails',
  migration: { answer: 'no', why: 'something failed' },
  counts: {
    traces: 3,
    missing: 1,
    failed: 1,
    migration: { no: 1, unknown: 2, refused: 0, yes: 0 },
    verdict: {
      crashes: 0,
      fails: 1,
      'loses-dirty-pages': 0,
      'leaves-mappings': 0,
      inconclusive: 2,
      clean: 0,
    },
  },
  traces: (['analysed', 'failed', 'missing'] as const).map((state, index) => ({
    trace: `vm-${index}.log`,
    state,
    error: state === 'failed' ? 'no QEMU trace' : null,
    key: String(index).repeat(32),
    verdict: state === 'analysed' ? 'fails' : 'inconclusive',
    migration:
      state === 'analysed'
        ? { answer: 'no', why: 'something failed' }
        : { answer: 'unknown', why: 'no result' },
    sessions: [],
  })),
};

const pages = {
  'a trace that fails': render('html', failing),
  'a trace that leaves mappings': render('html', stale),
  'an inconclusive trace': render('html', golden('10.0-unsure')),
  'a clean trace': render('html', aResult(clean)),
  'several boots and many findings': render('html', aResult(several)),
  'ten thousand findings': render('html', aResult(manyFindings(10_000))),
  'a batch': render(
    'html',
    aResult(...failing.traces, ...stale.traces, clean, several, anUnusableTrace()),
  ),
  'a fleet': [...htmlOfFleet(fleet)].join(''),
};

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

describe.each(Object.entries(pages))('%s', (name, html) => {
  it.each([
    { colorScheme: 'light', width: 1280 },
    { colorScheme: 'dark', width: 400 },
  ] as const)('can be used by everybody, $colorScheme at $width pixels', async (looks) => {
    const ready = name === 'a fleet' ? '.chip' : '.findings';
    await withPage(
      browser,
      html,
      async ({ page }) => {
        for (const summary of await page.locator('main details > summary').all()) {
          if (await summary.isVisible()) await summary.click();
        }
        await page.evaluate(axe);
        const found = (await page.evaluate(
          'axe.run().then(({ violations }) => violations)',
        )) as readonly Violation[];
        expect(
          found.map(({ id, nodes }) => ({
            id,
            nodes: nodes
              .slice(0, 3)
              .map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`),
          })),
        ).toEqual([]);
      },
      { ...looks, ready },
    );
  });
});

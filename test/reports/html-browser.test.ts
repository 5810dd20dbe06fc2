import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { startBrowser, withPage } from '../helpers/report-browser.ts';
import {
  aCleanSession,
  anUnusableTrace,
  aResult,
  aSession,
  aStep,
  aTrace,
  aWhatIf,
  aWindow,
  manyFindings,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
});

const golden = new URL('../golden/', import.meta.url);
const real = readdirSync(golden)
  .filter((name) => existsSync(new URL(`${name}/result.json`, golden)))
  .map((name) => {
    const text = readFileSync(new URL(`${name}/result.json`, golden), 'utf8');
    return { name, result: JSON.parse(text) as Result };
  });
const batch = aResult(
  ...real.flatMap(({ result }) => result.traces),
  anUnusableTrace(),
  aTrace({ path: 'clean.log', sessions: [aCleanSession()] }),
);

/**
 * What is drawn in the lane above the plot, in pixels: the window of tracking, and the triangle of a
 * failure below it.
 */
async function colorsAbovePlot(page: Page) {
  return (await page.evaluate(`(() => {
    const canvas = document.querySelector('.chart canvas');
    const plot = document.querySelector('.chart .u-over').getBoundingClientRect();
    const top = plot.top - canvas.getBoundingClientRect().top;
    const context = canvas.getContext('2d');
    const scale = canvas.width / canvas.clientWidth;
    const spanOf = (y, isWanted) => {
      const row = context.getImageData(0, Math.round(y * scale), canvas.width, 1).data;
      const found = [];
      for (let x = 0; x < canvas.width; x += 1)
        if (isWanted(row[4 * x], row[4 * x + 1], row[4 * x + 2], row[4 * x + 3])) found.push(x / scale);
      return { left: Math.min(...found), right: Math.max(...found) };
    };
    return {
      plot: plot.width,
      window: spanOf(top - 10, (r, g, b, a) => a > 200 && r > 150 && g > 90 && b < 60),
      failure: spanOf(top - 1, (r, g, b, a) => a > 200 && r > 170 && g < 70 && b < 60),
    };
  })()`)) as Record<'window' | 'failure', { left: number; right: number }> & { plot: number };
}

const countText = (page: Page) => page.locator('.findings .count').first().innerText();
const cells = (page: Page, key: string) => page.locator(`.rows .row .${key}`).allInnerTexts();
/** As a search waits until the typing stops. */
const settled = (page: Page) => page.waitForTimeout(250);

describe.each(real)('the result of $name', ({ result }) => {
  const html = render('html', result);
  const [session] = result.traces[0]?.sessions ?? [];

  it.each(['light', 'dark'] as const)('opens without trouble, %s', async (colorScheme) => {
    await withPage(
      browser,
      html,
      async ({ page, trouble }) => {
        expect(await page.locator('.chart canvas').count()).toBe(1);
        for (const summary of await page.locator('details.folded > summary').all()) {
          await summary.click();
        }
        await page.locator('svg.map').waitFor();
        expect(await page.locator('svg.strip .piece').count()).toBe(
          session?.activity.pieces.length,
        );
        expect(await page.locator('svg.map .span').count()).toBeGreaterThan(1);
        expect(await countText(page)).toBe(`${session?.findings.length} findings`);
        expect(await page.locator('.detail h3').innerText()).toMatch(/^error VTD00/);
        const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
        expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 27)');
        expect(trouble).toEqual([]);
      },
      { colorScheme },
    );
  });

  it('needs no sideways scrolling on a telephone', async () => {
    await withPage(
      browser,
      html,
      async ({ page, trouble }) => {
        const widest = await page.evaluate('document.documentElement.scrollWidth');
        expect(widest).toBeLessThanOrEqual(400);
        expect(trouble).toEqual([]);
      },
      { width: 400 },
    );
  });
});

describe('a result without findings', () => {
  it('says so, and shows no empty table', async () => {
    const html = render('html', aResult(aTrace({ sessions: [aCleanSession()] })));
    await withPage(browser, html, async ({ page, trouble }) => {
      expect(await countText(page)).toBe('There are no findings.');
      expect(await page.locator('.sheet').isVisible()).toBe(false);
      expect(trouble).toEqual([]);
    });
  });
});

describe('charts', () => {
  const [first] = real;
  const html = first === undefined ? '' : render('html', first.result);

  it('show in red which pieces fail', async () => {
    await withPage(browser, html, async ({ page }) => {
      expect(await page.locator('.strip .value.failed').allTextContents()).toEqual([
        '16 TiB',
        '32 TiB',
        '64 TiB',
        '128 TiB',
      ]);
    });
  });

  it('tell by keyboard what they show', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      const chart = page.locator('figure', { hasText: 'Pieces of whole unmaps' });
      await chart.locator('.stage').focus();
      await page.keyboard.press('End');
      expect(await chart.locator('.readout').innerText()).toContain('iova 0x800000000000');
      const course = page.locator('figure', { hasText: 'Course of the session' });
      await course.locator('.stage').focus();
      await page.keyboard.press('Home');
      expect(await course.locator('.readout').innerText()).toMatch(
        /^Lines 2 to [\d,]+: at most \d+ host mappings; \d+ unmaps/,
      );
      const memory = page.locator('figure', { hasText: 'Guest memory' });
      await memory.locator('.stage').focus();
      await page.keyboard.press('ArrowRight');
      expect(await memory.locator('.readout').innerText()).toContain(
        'Dirty bits lost: 0x8000000 to 0x800ffff, 64 KiB',
      );
      expect(trouble).toEqual([]);
    });
  });

  it('have the failures inside the windows of tracking, by line and by time', async () => {
    const timed = (line: number, seconds: number) => ({ line, time: `${seconds}000000000` });
    const session = aSession({
      activity: {
        steps: [
          aStep(1, timed(1, 100)),
          // It begins before tracking does; what failed in it came later.
          aStep(5, { ...timed(5, 110), unmaps: 28, pieces: 28, failures: 4 }),
          aStep(33, timed(33, 190)),
        ],
        pieces: [],
      },
      trackingWindows: [
        {
          firstLine: 10,
          lastLine: 30,
          firstTime: '150000000000',
          lastTime: '180000000000',
          by: 'dirty-rate',
          unmaps: 28,
        },
      ],
    });
    const time = { clock: 'wall', first: '100000000000', last: '200000000000' } as const;
    const timedHtml = render('html', aResult(aTrace({ sessions: [session], time })));
    await withPage(browser, timedHtml, async ({ page }) => {
      const course = page.locator('figure', { hasText: 'Course of the session' });
      await course.getByRole('checkbox').uncheck();
      for (const isTime of [false, true]) {
        await course.getByLabel('Axis').selectOption(isTime ? 'time' : 'line');
        const lane = await colorsAbovePlot(page);
        expect(lane.failure.left).toBeGreaterThanOrEqual(lane.window.left - 1);
        expect(lane.failure.right).toBeLessThanOrEqual(lane.window.right);
        // By line a window is from 10 to 30 of 40; by time from 50 to 80 of 100 seconds.
        const width = lane.window.right - lane.window.left;
        expect(width / lane.plot).toBeCloseTo(isTime ? 0.3 : 20 / 39, 1);
      }
    });
  });

  it('tell what each step does, and open where it is done', async () => {
    const steps = Array.from({ length: 100 }, (_, index) => ({
      ...aStep(1 + index * 1000, { time: `${1_700_000_000 + index * 60}000000000`, unmaps: 9 }),
      ...(index === 50 && { losses: 3 }),
      ...(index === 51 && { failures: 2 }),
      ...(index === 52 && { stale: 16 }),
    }));
    const session = aSession({
      firstLine: 1,
      lastLine: 100_000,
      activity: { steps, pieces: [] },
      trackingWindows: [
        aWindow('migration', {
          firstLine: 50_001,
          lastLine: 53_000,
          firstTime: '1700003000000000000',
          lastTime: '1700003170000000000',
        }),
      ],
    });
    const time = { clock: 'wall', first: steps[0]?.time ?? null, last: null } as const;
    const wide = render('html', aResult(aTrace({ sessions: [session], time })));
    await withPage(browser, wide, async ({ page, trouble }) => {
      const course = page.locator('figure', { hasText: 'Course of the session' });
      const told = async () => await course.locator('.readout').innerText();
      // What is at the left end of the plot.
      const leftmost = async () => {
        await course.locator('.u-over').hover({ position: { x: 5, y: 50 } });
        return await told();
      };
      expect(await leftmost()).toMatch(/^Lines (?:49|50),/);
      await course.getByRole('checkbox').uncheck();
      expect(await leftmost()).toMatch(/^Lines 1 to/);
      await course.getByRole('checkbox').check();
      expect(await course.getByLabel('Axis').inputValue()).toBe('time');
      expect(await course.locator('.legend').innerText()).toContain('unmaps that lose dirty pages');
      await course.locator('.stage').focus();
      for (let step = 0; step <= 50; step += 1) await page.keyboard.press('ArrowRight');
      expect(await told()).toMatch(
        /^Lines 50,001 to 51,000 \(2023-11-14 23:03:20\.000Z\): .* 0 failures, 3 that lose dirty pages$/,
      );
      await page.keyboard.press('ArrowRight');
      expect(await told()).toContain('; 2 failures');
      await page.keyboard.press('ArrowRight');
      expect(await told()).toContain('16 mappings left behind');
      expect(trouble).toEqual([]);
    });
  });

  it('that do not matter for the verdict are folded', async () => {
    const piece = { iova: '0x0', size: '0x1000', bitmapBytes: '0x1', count: 1, failed: 0 } as const;
    const session = aCleanSession({
      findings: [aWhatIf()],
      activity: { steps: [aStep(1), aStep(17)], pieces: [piece] },
    });
    await withPage(
      browser,
      render('html', aResult(aTrace({ sessions: [session] }))),
      async ({ page }) => {
        const folded = page.locator('details.folded');
        expect(await folded.locator('> summary').allInnerTexts()).toEqual([
          'Pieces of whole unmaps: nothing of it happened here',
          'Guest memory: nothing of it happened here',
        ]);
        expect(await page.locator('svg.map').count()).toBe(0);
        await folded.nth(1).locator('> summary').press('Enter');
        await page.locator('svg.map').waitFor();
        expect(await folded.nth(1).locator('.legend').innerText()).toContain(
          'Lost if it were tracked: 8 KiB in 1 range',
        );
      },
    );
  });

  it('change with the session that is chosen', async () => {
    const two = aTrace({
      sessions: [aSession(), aSession({ activity: { steps: [], pieces: [] } })],
    });
    await withPage(browser, render('html', aResult(two)), async ({ page, trouble }) => {
      expect(await page.locator('svg.strip').count()).toBe(1);
      await page.locator('#trace select').selectOption('1');
      expect(await page.locator('svg.strip').count()).toBe(0);
      expect(trouble).toEqual([]);
    });
  });
});

describe('a batch', () => {
  const html = render('html', batch);

  it('starts with the list of traces, and shows the one that is chosen', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      expect(await page.locator('.traces tbody tr').count()).toBe(batch.traces.length);
      const all = batch.traces.flatMap(({ sessions }) =>
        sessions.flatMap(({ findings }) => findings),
      ).length;
      expect(await countText(page)).toBe(`${all} findings`);
      const row = page.locator('.traces tr', { hasText: 'qemu-11.1' });
      await row.locator('a').click();
      expect(await page.locator('#trace h2').innerText()).toBe(
        'traces/qemu-11.1/linux-nvme-stale-aw48.log.gz link',
      );
      const shown = batch.traces.find(({ path }) => path.includes('qemu-11.1'))?.sessions[0];
      expect(await countText(page)).toBe(
        `${shown?.findings.length} of ${all} findings, of traces/qemu-11.1/linux-nvme-stale-aw48.log.gz`,
      );
      expect(await row.getAttribute('class')).toContain('selected');
      await page.getByRole('button', { name: 'show those of all traces' }).click();
      expect(await countText(page)).toBe(`${all} findings`);
      await page.locator('.traces tr', { hasText: 'notes.txt' }).click();
      expect(await page.locator('#trace').innerText()).toContain('could not be analysed');
      expect(trouble).toEqual([]);
    });
  });
});

describe('the table of a batch', () => {
  const names = (page: Page) => page.locator('.traces tbody th').allInnerTexts();
  const traceCount = (page: Page) => page.locator('#traces .count span').first().innerText();
  const html = render('html', batch);

  it('is filtered by what is counted, and by what is written', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      const chips = await page.locator('.chip').allInnerTexts();
      expect(chips).toEqual([
        '3 no',
        '1 unknown',
        '1 yes',
        '2 fails',
        '1 loses dirty pages',
        '1 not analysed',
        '1 clean',
      ]);
      const fails = page.getByRole('button', { name: '2 fails' });
      await fails.click();
      expect(await traceCount(page)).toBe('2 of 5 traces');
      expect(await fails.getAttribute('aria-pressed')).toBe('true');
      await page.getByLabel('Search in the traces').fill('VFIO-only');
      await settled(page);
      expect(await names(page)).toEqual(['traces/qemu-10.0/blocked-aw48-vfio-only.log']);
      await page.getByRole('button', { name: 'show all' }).click();
      expect(await names(page)).toHaveLength(5);
      await page.getByLabel('Rule').first().selectOption('VTD005');
      expect(await names(page)).toEqual(['traces/qemu-11.1/linux-nvme-stale-aw48.log.gz']);
      expect(trouble).toEqual([]);
    });
  });

  it('is sorted one way, the other way, and the worst first again', async () => {
    await withPage(browser, html, async ({ page }) => {
      const worstFirst = await names(page);
      const head = page.locator('#traces th[data-column=trace]');
      await head.getByRole('button').click();
      const rising = await names(page);
      expect(rising).not.toEqual(worstFirst);
      expect(rising).toEqual([...rising].sort());
      expect(await head.getAttribute('aria-sort')).toBe('ascending');
      await head.getByRole('button').click();
      expect(await names(page)).toEqual([...rising].reverse());
      await head.getByRole('button').click();
      expect(await names(page)).toEqual(worstFirst);
    });
  });

  it('shows the traces that a piece of advice is for', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      const advice = page.locator('.advice li', { hasText: 'aw-bits=39 on intel-iommu' }).first();
      await advice.getByRole('button').click();
      expect(await traceCount(page)).toMatch(/^2 of 5 traces, for which: Start the VM with/);
      await advice.getByRole('link').first().click();
      expect(await page.locator('#trace h2').innerText()).toContain('traces/qemu-10.0/blocked');
      expect(trouble).toEqual([]);
    });
  });

  it('is gone through by keyboard, page by page, to the last of ten thousand', async () => {
    const traces = Array.from({ length: 10_000 }, (_, index) =>
      aTrace({ path: `vms/vm-${index}.log`, sessions: [aCleanSession()] }),
    );
    await withPage(browser, render('html', aResult(...traces)), async ({ page, trouble }) => {
      expect(await names(page)).toHaveLength(100);
      await page.getByLabel('Search in the traces').fill('vm-77');
      await settled(page);
      expect(await traceCount(page)).toBe('111 of 10,000 traces');
      await page.getByRole('button', { name: 'show all' }).click();
      const focused = () => page.evaluate('document.activeElement.textContent');
      await page.locator('.traces a').first().focus();
      await page.keyboard.press('ArrowDown');
      expect(await focused()).toBe('vm-1.log');
      await page.keyboard.press('End');
      expect(await focused()).toBe('vm-9999.log');
      await page.keyboard.press('Enter');
      await page.locator('#trace h2', { hasText: 'vms/vm-9999.log' }).waitFor();
      await page.getByRole('button', { name: 'first' }).click();
      expect((await names(page))[0]).toBe('vm-0.log');
      expect(trouble).toEqual([]);
    });
  });

  it.each([1280, 400])('shows fifteen traces and its filters at %i pixels', async (width) => {
    const traces = Array.from({ length: 40 }, (_, index) =>
      aTrace({ path: `vms/qemu-10.0/blocked-aw48-${index}.log.gz` }),
    );
    await withPage(
      browser,
      render('html', aResult(...traces)),
      async ({ page }) => {
        const bottom = await page.locator('.traces tbody tr').nth(14).boundingBox();
        expect((bottom?.y ?? 0) + (bottom?.height ?? 0)).toBeLessThanOrEqual(850);
        expect(await page.locator('.traces tbody th').nth(3).innerText()).toBe(
          'blocked-aw48-3.log.gz',
        );
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          width,
        );
      },
      { width },
    );
  });
});

describe('the address of the page', () => {
  it('leads to a trace, and to a finding of it', async () => {
    await withPage(browser, render('html', batch), async ({ page, trouble }) => {
      const row = page.locator('.traces tr', { hasText: 'vfio-only' });
      const address = (await row.locator('a').getAttribute('href')) ?? '';
      await row.locator('a').click();
      await page.locator('.rows .row').nth(2).click();
      const [rule, finding] = [
        await page.locator('.detail h3').innerText(),
        new URL(page.url()).hash,
      ];
      expect(finding).toMatch(new RegExp(`^${address}/[0-9a-f]{16}$`));
      await page.goto('about:blank');
      await page.goBack();
      await page.locator('.detail').waitFor();
      expect(await page.locator('.detail h3').innerText()).toBe(rule);
      expect(await page.locator('#trace h2').innerText()).toContain('vfio-only');
      expect(trouble).toEqual([]);
    });
  });
});

describe('a hundred thousand findings', () => {
  const trace = manyFindings(100_000);
  const html = render('html', aResult(trace));

  it('can be searched, filtered and sorted', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      expect(await countText(page)).toBe('100,000 findings');
      expect(await page.locator('.rows .row').count()).toBeLessThan(60);

      await page.getByLabel('Search in the findings').fill((77_777).toString(16).padStart(16, '0'));
      await settled(page);
      expect(await countText(page)).toBe('1 of 100,000 findings');
      expect(await cells(page, 'line')).toEqual(['233,332']);

      await page.getByLabel('Search in the findings').fill('');
      await settled(page);
      await page.getByLabel('Known by').selectOption('what-if');
      await page.getByLabel('Severity').selectOption('error');
      const modes = new Set(await cells(page, 'mode'));
      expect(modes).toEqual(new Set(['what-if']));
      const expected =
        trace.sessions[0]?.findings.filter(
          ({ mode, severity }) => mode === 'what-if' && severity === 'error',
        ).length ?? 0;
      expect(await countText(page)).toBe(`${expected.toLocaleString('en-US')} of 100,000 findings`);
      await page.getByLabel('Known by').selectOption('');
      await page.getByLabel('Severity').selectOption('');

      const counts = async () =>
        (await cells(page, 'count')).map((text) => Number(text.replace(',', '')));
      await page.getByRole('columnheader', { name: 'Times' }).getByRole('button').click();
      const falling = await counts();
      expect(falling).toEqual([...falling].sort((a, b) => b - a));
      expect(falling[0]).toBe(1000);
      await page.getByRole('columnheader', { name: 'Times' }).getByRole('button').click();
      expect((await counts())[0]).toBe(1);
      expect(
        await page.getByRole('columnheader', { name: 'Times' }).getAttribute('aria-sort'),
      ).toBe('ascending');
      expect(trouble).toEqual([]);
    });
  });

  it('can be walked through by keyboard, to the last', async () => {
    await withPage(browser, html, async ({ page, trouble }) => {
      await page.locator('.sheet').focus();
      await page.keyboard.press('End');
      await page.keyboard.press('Enter');
      const id = await page.locator('.detail .id').innerText();
      expect(id).toMatch(/^id [0-9a-f]{16}$/);
      expect(await page.locator('.row.selected').count()).toBe(1);
      await page.keyboard.press('PageUp');
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press(' ');
      expect(await page.locator('.detail .id').innerText()).not.toBe(id);
      expect(new URL(page.url()).hash).toMatch(/^#[0-9a-f]{16}$/);
      expect(trouble).toEqual([]);
    });
  });
});

describe('on paper', () => {
  it('has findings as they are, not as they scroll', async () => {
    await withPage(
      browser,
      render('html', aResult(manyFindings(500))),
      async ({ page, trouble }) => {
        const pdf = await page.pdf();
        expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
        await page.emulateMedia({ media: 'print' });
        await page.evaluate("dispatchEvent(new Event('beforeprint'))");
        const rows = page.locator('.rows .row');
        expect(await rows.count()).toBe(100);
        // One below the other, as high as what they say.
        const heights = await rows.evaluateAll((all) => all.map((row) => row.clientHeight));
        const tops = await rows.evaluateAll((all) =>
          all.map((row) => row.getBoundingClientRect().top),
        );
        expect(
          tops.slice(1).filter((top, index) => top < (tops[index] ?? 0) + (heights[index] ?? 0)),
        ).toEqual([]);
        const isCut = await page
          .locator('.rows .row .rule')
          .evaluateAll((all) => all.some((cell) => cell.scrollWidth > cell.clientWidth + 1));
        expect(isCut).toBe(false);
        expect(await countText(page)).toContain('the first 100 are printed');
        await page.evaluate("dispatchEvent(new Event('afterprint'))");
        expect(trouble).toEqual([]);
      },
    );
  });
});

describe('hostile texts', () => {
  const victim = aResult(aTrace({ reasons: ['a reason'] }), anUnusableTrace());

  /** Looks at every part of the page, and at the XML beside it. */
  async function provoke(html: string, xmls: readonly string[]): Promise<void> {
    await withPage(browser, html, async ({ page, trouble }) => {
      for (const link of await page.locator('.traces a').all()) await link.click();
      await page.locator('.sheet').focus();
      await page.keyboard.press('Enter');
      expect(await page.evaluate('globalThis.pwned')).toBeUndefined();
      expect(await page.locator('main img, main iframe, main object, main script').count()).toBe(0);
      expect(trouble).toEqual([]);
      for (const xml of xmls) {
        const source = JSON.stringify(xml);
        const problem = await page.evaluate(
          `new DOMParser().parseFromString(${source}, 'application/xml').querySelector('parsererror')?.textContent`,
        );
        expect(problem).toBeUndefined();
      }
    });
  }

  it.each(hostileTexts.slice(0, 4).map((text) => ({ text })))(
    'do nothing alone: $text',
    async ({ text }) => {
      const [alone] = hostile(victim, text).traces;
      await provoke(render('html', aResult(...(alone === undefined ? [] : [alone]))), []);
    },
  );

  it('do nothing all together', async () => {
    const results = hostileTexts.map((text) => hostile(victim, text));
    const html = render('html', aResult(...results.flatMap(({ traces }) => traces)));
    await provoke(
      html,
      results.map((result) => render('junit', result)),
    );
  });
});

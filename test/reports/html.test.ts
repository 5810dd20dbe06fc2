import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { clientScript, readAssets } from '../../src/reports/html/assets.ts';
import {
  aCleanSession,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
  manyFindings,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

const page = render('html', aResult());

describe('its colours', () => {
  const css = readFileSync(
    new URL('../../src/reports/html/client/style.css', import.meta.url),
    'utf8',
  );
  const [light = '', dark = ''] = css.split('@media screen and (prefers-color-scheme: dark)');
  const colorsIn = (text: string) =>
    Object.fromEntries(
      [...(text.split('* {')[0]?.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g) ?? [])].map(
        ([, name = '', value = '']) => [name, value],
      ),
    );
  const schemes = {
    light: colorsIn(light),
    dark: { ...colorsIn(light), ...colorsIn(dark) },
  };

  const windowIn = (text: string) =>
    /--window: rgb\((\d+) (\d+) (\d+) \/ (\d+)%\)/.exec(text)?.slice(1).map(Number) ?? [];
  const windows = { light: windowIn(light), dark: windowIn(dark) };

  it.each(Object.entries(schemes))('can be read, %s', (scheme, colors) => {
    const window = windows[scheme as keyof typeof windows];
    const ratio = (a: string, b: string, of: Readonly<Record<string, string>> = colors) => {
      const [darker = 0, lighter = 0] = [luminance(of[a]), luminance(of[b])].sort(
        (one, other) => one - other,
      );
      return (lighter + 0.05) / (darker + 0.05);
    };
    const tones = ['bad', 'loss', 'stale', 'doubt', 'good'];
    const texts = ['ink', 'muted', 'accent', ...tones].flatMap((tone) => [
      [tone, 'bg'],
      [tone, 'surface'],
    ]);
    const onTones = tones.flatMap((tone) => [
      [tone, `${tone}-soft`],
      ['ink', `${tone}-soft`],
      ['muted', `${tone}-soft`],
    ]);
    // WCAG 2.2: 4.5 for text, 3 for what is drawn.
    const faint = [...texts, ...onTones].filter(([a = '', b = '']) => ratio(a, b) < 4.5);
    expect(faint).toEqual([]);
    const drawn = ['bar', 'whole', 'accent', 'window-edge', 'bad', 'stale', 'focus'];
    expect(drawn.filter((tone) => ratio(tone, 'bg') < 3)).toEqual([]);
    // What stands in a window of tracking, which shines through.
    const { bg } = colors;
    const inWindows = { ...colors, bg: blended(window, bg) };
    const marks = ['bar', 'whole', 'accent', 'bad', 'loss', 'stale'];
    expect(marks.filter((tone) => ratio(tone, 'bg', inWindows) < 3)).toEqual([]);
  });

  /** A colour that lets another shine through. */
  function blended(
    [red = 0, green = 0, blue = 0, share = 0]: readonly number[],
    below = '#000000',
  ) {
    const parts = [red, green, blue].map((part, index) => {
      const under = Number.parseInt(below.slice(2 * index + 1, 2 * index + 3), 16);
      return Math.round((part * share + under * (100 - share)) / 100);
    });
    return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
  }

  function luminance(color = '#000000'): number {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
});

describe('the page', () => {
  it('says the verdict first', () => {
    const [, main = ''] = page.split('<main>');
    expect(main).toMatch(
      /^\s*<header class="verdict v-fails">\s*<p class="subject">qemu.log<\/p>\s*<h1>FAILS<\/h1>/,
    );
  });

  it('loads nothing', () => {
    const markup = page.replace(/(<script>|<style>|<pre>)[\s\S]*?<\//g, '$1</');
    expect(markup).not.toMatch(/\bsrc=|<link|@import|url\(/);
    const { styles } = readAssets();
    for (const { text } of styles) expect(text).not.toMatch(/@import|url\(/);
  });

  it('admits exactly its own scripts and styles', () => {
    const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|http|data:|\*/);
    const hashes = (tag: string) =>
      [...page.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))].map(([, text = '']) => {
        const digest = createHash('sha256').update(text).digest('base64');
        return `'sha256-${digest}'`;
      });
    expect(policy).toContain(`script-src ${hashes('script').join(' ')};`);
    expect(policy).toContain(`style-src ${hashes('style').join(' ')};`);
  });

  it('keeps the licence of the library in it', () => {
    expect(page).toContain('Permission is hereby granted, free of charge');
    expect(page).toContain('Leon Sorokin');
  });

  it('is the same every time', () => {
    expect(render('html', aResult())).toBe(page);
  });

  it('is small', () => {
    expect(page.length).toBeLessThan(200_000);
    // Findings beyond the first 2000 lose their excerpts and ranges.
    expect(render('html', aResult(manyFindings(10_000))).length).toBeLessThan(5_000_000);
  });

  it('lists the traces of a batch', () => {
    const clean = aTrace({ path: 'clean.log', sessions: [aCleanSession()] });
    const exposed = aTrace({
      path: 'exposed.log',
      sessions: [
        aCleanSession({
          findings: [aWhatIf()],
          exposed: { e2big: true, lostDirtyPages: false, staleMappings: false, via: ['migration'] },
        }),
      ],
    });
    const batch = render(
      'html',
      aResult(clean, aTrace({ sessions: [aSession(), aSession()] }), exposed, anUnusableTrace()),
    );
    const rows = [
      ...batch.matchAll(
        /<tr[^>]*>[^\n]*?badge (v-[\w-]+)"[^\n]*?<a href="#t-[0-9a-f]{10}">([^<]*)</g,
      ),
    ];
    expect(rows.map(([, verdict, path]) => [verdict, path])).toEqual([
      ['v-fails', 'qemu.log'],
      ['v-exposed', 'exposed.log'],
      ['v-unusable', 'notes.txt'],
      ['v-clean', 'clean.log'],
    ]);
    expect(batch).toContain(
      '<h1>2 of 4: do not migrate. 1 is not known and 1 may be migrated.</h1>',
    );
  });

  it('says of each piece of advice for which traces it is', () => {
    const batch = render(
      'html',
      aResult(
        aTrace({ path: 'vms/one.log' }),
        aTrace({ path: 'vms/two.log' }),
        aTrace({ path: 'vms/clean.log', sessions: [aCleanSession()] }),
      ),
    );
    const [, advice = ''] = /<div class="advice">([\s\S]*?)<\/div>/.exec(batch) ?? [];
    expect(
      advice
        .replace(/<[^>]*>/g, '')
        .replace(/\s+/g, ' ')
        .trim(),
    ).toBe(
      'What to do today aw-bits=39. VTD001 For 2 traces: one.log, two.log in the table ' +
        'What fixes it Whole unmaps: fixed in QEMU 11.0. VTD001 For 2 traces: one.log, two.log in the table',
    );
    // The rows that concern it are told by its number.
    expect(batch.match(/<tr data-advice="0\|1">/g)).toHaveLength(2);
  });
});

describe('the script of the page', () => {
  it('has no imports left, and touches nothing outside the page', () => {
    const script = clientScript();
    expect(script).not.toMatch(/^\s*(?:import|export)\b/m);
    expect(script).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|fetch\(|XMLHttp|WebSocket|sendBeacon|localStorage|cookie/,
    );
  });
});

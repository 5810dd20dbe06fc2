import { createHash } from 'node:crypto';
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
        /<tr data-trace="\d+">[\s\S]*?badge (v-[\w-]+)"[\s\S]*?<a href="#trace">([^<]*)</g,
      ),
    ];
    expect(rows.map(([, verdict, path]) => [verdict, path])).toEqual([
      ['v-unusable', 'notes.txt'],
      ['v-fails', 'qemu.log'],
      ['v-exposed', 'exposed.log'],
      ['v-clean', 'clean.log'],
    ]);
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

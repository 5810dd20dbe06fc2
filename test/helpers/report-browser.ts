import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

/** A browser that looks at reports, and remembers all that it should not have seen. */

const { CHROMIUM = '/usr/bin/chromium' } = process.env;

/** Starts Chromium; throws where there is none, as nothing else shows that a page works. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface OpenPage {
  readonly page: Page;
  /** Errors, messages on the console, dialogs, and requests beyond the page itself. */
  readonly trouble: readonly string[];
}

export interface Looks {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
  /** What the page has once it is ready. */
  readonly ready?: string;
}

/** Opens a page from a file, as someone does who got it by mail, and calls `look`. */
export async function withPage(
  browser: Browser,
  html: string,
  look: (open: OpenPage) => Promise<void>,
  { colorScheme = 'light', width = 1280, ready = '.findings' }: Looks = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vtdscope-page-'));
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
  try {
    const file = join(folder, 'report.html');
    writeFileSync(file, html);
    const url = pathToFileURL(file).href;
    const trouble: string[] = [];
    page.on('console', (message) => trouble.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (request.url() !== url) trouble.push(`request: ${request.url()}`);
    });
    page.on('dialog', (dialog) => {
      trouble.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(url);
    await page.locator(ready).first().waitFor({ timeout: 20_000 });
    await look({ page, trouble });
  } finally {
    await page.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

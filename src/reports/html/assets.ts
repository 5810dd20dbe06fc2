import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isSource, packageRoot } from '../../base/package-root.ts';

/** Script or style that is part of the page, with the hash by which the page's policy admits it. */
export interface Inlined {
  readonly text: string;
  /** For `script-src` and `style-src`. */
  readonly source: string;
}

/** All that the page needs beside its data; read from this package and its dependency uPlot. */
export interface Assets {
  readonly scripts: readonly Inlined[];
  readonly styles: readonly Inlined[];
  /** Whose code is in the page, and the terms it may be copied under. */
  readonly notice: string;
}

/** The page's own script, in the order in which its modules need each other. */
const MODULES = [
  'dom.js',
  'trace-table.js',
  'data.js',
  'chart-frame.js',
  'timeline.js',
  'iova-strip.js',
  'memory-map.js',
  'finding-detail.js',
  'finding-columns.js',
  'findings-table.js',
  'trace-view.js',
  'main.js',
] as const;

/** The script of a fleet's page: no charts and no findings. */
const FLEET_MODULES = ['dom.js', 'trace-table.js', 'fleet-page.js'] as const;

const fromPackage = createRequire(import.meta.url);
const CLIENT = new URL(`${isSource ? '' : 'dist/'}src/reports/html/client/`, packageRoot);

/** Reads the scripts and styles of the page. */
export function readAssets(): Assets {
  return {
    scripts: [inlined(uPlotFile('dist/uPlot.iife.min.js')), inlined(clientScript())],
    styles: [inlined(uPlotFile('dist/uPlot.min.css')), inlined(ownFile('style.css'))],
    notice: `uPlot\n${uPlotFile('LICENSE')}`,
  };
}

/**
 * The modules as one script: each a function of its own, so that their private names do not meet.
 * Knows only the forms that they use: named imports of one another, and exported declarations.
 */
export function clientScript(modules: readonly string[] = MODULES): string {
  const parts = modules.map((name) => {
    const exported: string[] = [];
    const body = ownFile(name)
      .replace(/^import (\{[^}]*\}) from '\.\/([^']+)';$/gm, "const $1 = modules['$2'];")
      .replace(
        /^export (function|class|const) (\w+)/gm,
        (_match, kind: string, declared: string) => {
          exported.push(declared);
          return `${kind} ${declared}`;
        },
      );
    if (/^(?:import|export)\b/m.test(body))
      throw new Error(`${name}: an import or export of another form`);
    return `modules['${name}'] = (() => {\n${body}\nreturn { ${exported.join(', ')} };\n})();`;
  });
  return `(() => {\n'use strict';\nconst modules = {};\n${parts.join('\n')}\n})();\n`;
}

/** What the page of a fleet needs. */
export function readFleetAssets(): Pick<Assets, 'scripts' | 'styles'> {
  return {
    scripts: [inlined(clientScript(FLEET_MODULES))],
    styles: [inlined(ownFile('style.css'))],
  };
}

function ownFile(name: string): string {
  return readFileSync(new URL(name, CLIENT), 'utf8');
}

function uPlotFile(path: string): string {
  return readFileSync(fromPackage.resolve(`uplot/${path}`), 'utf8');
}

function inlined(text: string): Inlined {
  if (/<\/(?:script|style)|<!--/i.test(text))
    throw new Error('an inlined file would end its element');
  // A parser turns CR LF into LF before it hashes.
  const normal = text.replaceAll('\r\n', '\n');
  return {
    text: normal,
    source: `'sha256-${createHash('sha256').update(normal).digest('base64')}'`,
  };
}

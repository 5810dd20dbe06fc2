import type { Assets, Inlined } from './assets.ts';
import { html } from './escape.ts';

/** From the doctype into the body, of a page whose policy lets in its own scripts and styles alone. */
export function head(title: string, assets: Pick<Assets, 'scripts' | 'styles'>): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(assets)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${html(title)}</title>
${assets.styles.map(({ text }) => `<style>${text}</style>`).join('\n')}
</head>
<body>
`;
}

function policy({ scripts, styles }: Pick<Assets, 'scripts' | 'styles'>): string {
  const sources = (all: readonly Inlined[]) => all.map(({ source }) => source).join(' ');
  return [
    "default-src 'none'",
    `script-src ${sources(scripts)}`,
    `style-src ${sources(styles)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

import { readFileSync } from 'node:fs';
import { once } from '../base/once.ts';
import { packageRoot } from '../base/package-root.ts';

/** This program's version, from the package it is part of. */
export const toolVersion = once(() => {
  const text = readFileSync(new URL('package.json', packageRoot), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
});

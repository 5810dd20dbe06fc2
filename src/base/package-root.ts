/** The program runs from its sources, and not as it is built. */
export const isSource = import.meta.url.endsWith('.ts');

/**
 * The folder of the package, for what it brings along beside its code. What is built lies at any depth
 * below `dist`, as bundles are cut anew by every build.
 */
export const packageRoot = isSource
  ? new URL('../../', import.meta.url)
  : new URL(import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/') + 1));

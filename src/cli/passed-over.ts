import type { PassedOver } from '../engine/run.ts';
import type { Terminal } from './terminal.ts';

/** Files named of those that were passed over, unless more is asked for. */
const FEW = 3;

/** What is in a directory and was not looked into must not pass for clean. */
export function tellPassedOver(files: readonly PassedOver[], terminal: Terminal): void {
  if (terminal.verbosity < 0) return;
  const shown = terminal.verbosity > 0 ? files : files.slice(0, FEW);
  const list = shown.map(({ path, kind }) => `${path} (${kind})`).join(', ');
  const more = files.length > shown.length ? ` and ${files.length - shown.length} more` : '';
  terminal.complain(
    `not read, though they may hold traces: ${list}${more}; 'vtdscope FILE' says what helps`,
  );
}

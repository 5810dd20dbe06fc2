import { describe, expect, it } from 'vitest';
import { DirtyTracking } from '../../src/inference/tracking.ts';

/** A state of the migration, a word of dirty tracking, or lines that are missing. */
type Step = string | number | null;

describe('how the migration of a window ended', () => {
  it.each<{ name: string; steps: readonly Step[]; ends: readonly (string | null)[] }>([
    { name: 'completed', steps: ['setup', 1, 'active', 0, 'completed'], ends: ['completed'] },
    { name: 'its state before the word', steps: ['setup', 1, 'completed', 0], ends: ['completed'] },
    {
      name: 'cancelled',
      steps: ['setup', 1, 'active', 'cancelling', 0, 'cancelled'],
      ends: ['cancelled'],
    },
    {
      name: 'cancelled, and once more',
      steps: ['setup', 1, 'cancelled', 0, 'setup', 1, 0, 'completed'],
      ends: ['cancelled', 'completed'],
    },
    { name: 'without the word', steps: ['setup', 'active', 'failed'], ends: ['failed'] },
    { name: 'not told', steps: ['setup', 1, 'active', 0], ends: [null] },
    { name: 'of another, before its log', steps: ['setup', 1, 0, 'setup', 'failed'], ends: [null] },
    { name: 'a dirty rate beside', steps: ['setup', 2, 0, 'failed'], ends: [null] },
    {
      name: 'two while a dirty rate is measured',
      steps: [2, 'setup', 3, 'cancelled', 2, 'setup', 3, 'active'],
      ends: [null],
    },
    {
      name: 'one that completed, and another',
      steps: [2, 'setup', 3, 'completed', 2, 'setup', 3, 'cancelled'],
      ends: ['completed'],
    },
    { name: 'in postcopy', steps: ['setup', 1, 'postcopy-active', 0, 'failed'], ends: [null] },
    { name: 'behind a gap', steps: ['setup', 1, 0, null, 'cancelled'], ends: [null] },
  ])('$name', ({ steps, ends }) => {
    const tracking = new DirtyTracking();
    for (const [index, step] of steps.entries()) {
      const place = { line: index + 1, byteOffset: index, time: null };
      if (step === null) tracking.doubt(index + 1);
      else if (typeof step === 'number') tracking.setMask(step, place);
      else tracking.setMigrationState(step, place);
    }
    expect(tracking.windows.map(({ migration }) => migration)).toEqual(ends);
  });
});

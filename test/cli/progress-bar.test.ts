import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ProgressBar, progressText } from '../../src/cli/progress-bar.ts';

/** A bar on such a stream, half-way through a batch, and what it has drawn so far. */
async function bar(isTTY: boolean, isWanted: boolean, columns = 80): Promise<() => string> {
  const stream = Object.assign(new PassThrough(), { isTTY, columns, rows: 24 });
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  const progress = await ProgressBar.on(stream as unknown as NodeJS.WriteStream, isWanted);
  onTestFinished(() => progress.stop());
  progress.update({ bytes: 512 * 1024, totalBytes: 1024 * 1024, traces: 3, totalTraces: 7 });
  return () => text;
}

describe('progress', () => {
  it('is bytes, rate, time left and files on a terminal; silent elsewhere, or unwanted', async () => {
    const [drawn, elsewhere, unwanted] = [
      await bar(true, true),
      await bar(false, true),
      await bar(true, false),
    ];
    const line = /50% 512 KiB of 1 MiB .*\/s \d+ s left 3\/7 files/;
    await expect.poll(drawn, { timeout: 10_000 }).toMatch(line);
    expect([elsewhere(), unwanted()]).toEqual(['', '']);
  });

  it('is no wider than the terminal', async () => {
    const drawn = await bar(true, true, 30);
    await expect.poll(drawn, { timeout: 10_000 }).toContain('50% ');
    expect(drawn()).not.toContain('512 KiB of');
  });

  it('has no bar where nobody knows how much is to come', () => {
    const progress = { bytes: 3 * 1024 * 1024, totalBytes: null, traces: 0, totalTraces: 1 };
    expect(progressText(progress, 2)).toBe('3 MiB read 1.50 MiB/s');
  });
});

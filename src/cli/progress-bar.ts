import type { MultiBar, SingleBar } from 'cli-progress';
import { humanSize } from '../base/address.ts';
import type { Progress } from '../engine/progress.ts';

/** Milliseconds between two drawings. */
const EVERY = 100;
/** Columns of the bar, and of a terminal that does not say how many it has. */
const BAR = 24;
const USUAL_COLUMNS = 80;

/** Shows how far a run is, on a terminal's stderr; silent elsewhere. */
export class ProgressBar {
  #bars: MultiBar | null;
  #bar: SingleBar | null = null;
  readonly #started = Date.now();

  private constructor(bars: MultiBar | null) {
    this.#bars = bars;
  }

  /** A bar on `stream`, if that is a terminal and a bar is wanted. */
  static async on(stream: NodeJS.WriteStream, isWanted: boolean): Promise<ProgressBar> {
    if (!isWanted || stream.isTTY !== true) return new ProgressBar(null);
    const { MultiBar } = await import('cli-progress');
    const options = {
      stream,
      format: (_: unknown, __: unknown, { text }: { readonly text: string }) =>
        text.slice(0, Math.max(1, (stream.columns || USUAL_COLUMNS) - 1)),
      clearOnComplete: true,
      hideCursor: true,
      fps: 1000 / EVERY,
    };
    return new ProgressBar(new MultiBar(options));
  }

  update(progress: Progress): void {
    if (this.#bars === null) return;
    const seconds = Math.max(0.001, (Date.now() - this.#started) / 1000);
    const text = progressText(progress, seconds);
    this.#bar ??= this.#bars.create(1, 0, { text });
    this.#bar.update(0, { text });
  }

  stop(): void {
    this.#bars?.stop();
    this.#bars = null;
  }
}

/** `████░░░░ 50% 512 KiB of 1 MiB 3 MiB/s 2 s left 3/7 files`; no share where nobody knows the whole, as of a pipe. */
export function progressText(
  { bytes, totalBytes, traces, totalTraces }: Progress,
  seconds: number,
): string {
  const rate = bytes / seconds;
  const speed = `${humanSize(Math.round(rate))}/s`;
  const files = totalTraces > 1 ? [`${traces}/${totalTraces} files`] : [];
  if (totalBytes === null) return [`${humanSize(bytes)} read`, speed, ...files].join(' ');
  const total = Math.max(1, totalBytes);
  const share = Math.min(1, bytes / total);
  const full = Math.floor(share * BAR);
  return [
    '\u2588'.repeat(full) + '\u2591'.repeat(BAR - full),
    `${Math.floor(share * 100)}%`,
    `${humanSize(bytes)} of ${humanSize(total)}`,
    speed,
    ...(rate === 0 ? [] : [`${Math.ceil(Math.max(0, total - bytes) / rate)} s left`]),
    ...files,
  ].join(' ');
}

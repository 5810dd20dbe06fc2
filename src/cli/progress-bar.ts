import type { MultiBar, SingleBar } from 'cli-progress';
import { humanSize } from '../base/address.ts';
import type { Progress } from '../engine/progress.ts';

/** Milliseconds between two drawings. */
const EVERY = 100;

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
    const { MultiBar, Presets } = await import('cli-progress');
    const options = {
      stream,
      format: '{bar} {percentage}% {done} of {all} {rate}/s {left} {traces}',
      clearOnComplete: true,
      hideCursor: true,
      fps: 1000 / EVERY,
      barsize: 24,
    };
    return new ProgressBar(new MultiBar(options, Presets.shades_classic));
  }

  update({ bytes, totalBytes, traces, totalTraces }: Progress): void {
    if (this.#bars === null) return;
    const seconds = Math.max(0.001, (Date.now() - this.#started) / 1000);
    const rate = bytes / seconds;
    const total = totalBytes ?? bytes;
    const left =
      totalBytes === null || rate === 0 ? '' : `${Math.ceil((total - bytes) / rate)} s left`;
    const fields = {
      done: humanSize(bytes),
      all: totalBytes === null ? '?' : humanSize(total),
      rate: humanSize(Math.round(rate)),
      left,
      traces: totalTraces > 1 ? `${traces}/${totalTraces} files` : '',
    };
    this.#bar ??= this.#bars.create(Math.max(1, total), 0, fields);
    this.#bar.setTotal(Math.max(1, total));
    this.#bar.update(Math.min(bytes, total), fields);
  }

  stop(): void {
    this.#bars?.stop();
    this.#bars = null;
  }
}

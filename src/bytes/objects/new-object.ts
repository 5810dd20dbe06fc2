import { putObject } from './whole.ts';

/** An object that is written when it is complete, in the place of what was there. */
export class NewObject {
  readonly #url: string;
  readonly #pieces: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  write(text: string): void {
    this.#pieces.push(text);
  }

  /** @throws TraceError if the store does not take it. */
  place(): Promise<void> {
    return putObject(this.#url, Buffer.from(this.#pieces.join('')), { keepsOld: false });
  }
}

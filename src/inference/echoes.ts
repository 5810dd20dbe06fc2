/** Lines between the words of one program and the same words as another passes them on. */
const MOST_LINES_APART = 12;

interface Heard {
  readonly text: string;
  readonly carrier: number;
  readonly line: number;
}

/**
 * Finds messages that stand in a log twice because two programs pass QEMU's stderr on, each in its
 * own way, as kata's shim and containerd do: the same words with the same numbers, close by, and not
 * by the same carrier. What one carrier says twice happened twice.
 */
export class Echoes {
  #heard: Heard[] = [];

  /** Whether the message repeats one of another carrier; each is repeated once. */
  isEcho(text: string, carrier: number, line: number): boolean {
    this.#heard = this.#heard.filter((heard) => line - heard.line <= MOST_LINES_APART);
    const index = this.#heard.findIndex(
      (heard) => heard.text === text && heard.carrier !== carrier,
    );
    if (index < 0) {
      this.#heard.push({ text, carrier, line });
      return false;
    }
    this.#heard.splice(index, 1);
    return true;
  }
}

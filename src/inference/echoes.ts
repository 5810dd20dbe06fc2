/** Lines between the words of one program and the same words as another passes them on. */
const MOST_LINES_APART = 12;

/** Messages of which the moment, or the words, are remembered. */
const MOST_MOMENTS = 64;
/** Lines between a message and the end of the traceback that it brought, of nova and others. */
const LONGEST_TRACEBACK = 100;

/** When a message was written, as an event has it. */
interface Moment {
  readonly hasTime: boolean;
  readonly seconds: number;
  readonly nanoseconds: number;
}

interface Heard {
  readonly text: string;
  readonly carrier: number;
  readonly line: number;
}

/**
 * Finds messages that stand in a log twice: two programs pass QEMU's stderr on, each in its own way, as kata's shim and containerd do: the same words with the same numbers, close by, and not
 * by the same carrier. What one carrier says twice happened twice.
 */
export class Echoes {
  #heard: Heard[] = [];
  /** Texts of the newest messages, with their lines. */
  readonly #said: { readonly text: string; readonly line: number }[] = [];
  /** Messages with times to the microsecond, which tell them apart: the newest are the last. */
  readonly #moments = new Set<string>();
  /** The error that one program hands up through its parts, each of which says what it was doing. */
  #error = { text: '', line: 0, said: new Set<string>() };

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

  /** Whether these words were told at this very moment already: libvirt and its clients quote QEMU's line. */
  isSameMoment(text: string, { hasTime, nanoseconds, seconds }: Moment): boolean {
    // Whole seconds are those of a header that has no fraction.
    if (!hasTime || nanoseconds === 0) return false;
    const moment = `${seconds}.${nanoseconds} ${text}`;
    if (this.#moments.has(moment)) return true;
    this.#moments.add(moment);
    if (this.#moments.size > MOST_MOMENTS) {
      const [oldest = ''] = this.#moments;
      this.#moments.delete(oldest);
    }
    return false;
  }

  /**
   * Whether somebody who retells a failure, as the end of a traceback does, repeats what was said at
   * first hand before. Who only ever retells, as a shell in which it is tried again, tells of another.
   */
  isRetold(text: string, line: number, retells: boolean): boolean {
    if (retells) {
      return this.#said.some((said) => said.text === text && line - said.line <= LONGEST_TRACEBACK);
    }
    this.#said.push({ text, line });
    if (this.#said.length > MOST_MOMENTS) this.#said.shift();
    return false;
  }

  /** Whether a line in logfmt hands up the error of one before it, from another part of its program. */
  isHandedUp(line: string, number: number): boolean {
    const text = /\berror="((?:[^"\\]|\\.)+)"/.exec(line)?.[1];
    if (text === undefined) return false;
    const doing = /\bmsg="((?:[^"\\]|\\.)+)"/.exec(line)?.[1] ?? '';
    const { said } = this.#error;
    const isNear = number - this.#error.line <= MOST_LINES_APART;
    if (this.#error.text === text && isNear && !said.has(doing)) {
      said.add(doing);
      this.#error.line = number;
      return true;
    }
    this.#error = { text, line: number, said: new Set([doing]) };
    return false;
  }
}

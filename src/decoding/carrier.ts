import { NO_TIME } from '../base/place.ts';
import { NO_THREAD } from '../events/batch.ts';
import type { FormatBase } from './format.ts';
import type { Remark } from './remarks/remark.ts';

/**
 * What stands before the lines that QEMU wrote, and who put it there: nothing but QEMU's own stamp,
 * a syslog daemon's header, a container runtime's. The time, the thread, the process, and what is
 * said of lost lines and of boots are the carrier's; what a text says is not, and is read the same
 * behind every carrier.
 *
 * A carrier is a file of its own and a line in `index.ts`; none knows another. To read one behind
 * another, such as CRI around syslog, `layered` puts two together.
 */
export interface Carrier extends FormatBase {
  /**
   * False where lines are as QEMU's process printed them, so that they may be torn, glued together
   * and coloured, and that the last one may be unfinished; `frame` is then not asked. True where each
   * line is the carrier's and has one of QEMU's in it.
   */
  readonly embeds: boolean;
  /**
   * True where a text may be in several lines (`Frame.isPart`), so that they make sense only in order;
   * then each line is the carrier's, and one that is not so is damaged.
   */
  readonly joins?: boolean;
  /** What lines say that are not QEMU's, in the order in which they are tried. */
  readonly remarks: readonly Remark[];
  /**
   * Reads what stands before the text of the line at `at .. end`, its LF and CR not included, into
   * `frame`; false where the line is no such line. Called for every line: it keeps no state between
   * them. It sets the text's place, and of the rest what it knows; what was known from further
   * outside stays.
   */
  frame(bytes: Buffer, at: number, end: number, frame: Frame): boolean;
}

/** What carriers say of a line. One is used again for all lines of a decoder. */
export class Frame {
  /** Where QEMU's text lies in the bytes, which its own stamp may begin. */
  textAt = 0;
  textEnd = 0;
  /** Seconds since 1970, or of the format's clock; meaningless while `nanoseconds` is NO_TIME. */
  seconds = 0;
  nanoseconds: number = NO_TIME;
  /** NO_THREAD where no carrier says. */
  thread: number = NO_THREAD;
  /** The process that wrote the text, or '' where no carrier says or where it is about everybody's lines. */
  source = '';
  /** The text goes on in the next line of the same stream. */
  isPart = false;
  /** Which of the streams that a carrier puts together the line is of. */
  stream = '';
  /** What was said stays true for another text behind the same header, and other digits in its fraction. */
  isForm = false;
  /** Where the digits of the second's fraction lie, if there are any: 9 at most, all that `nanoseconds` is. */
  fractionAt = 0;
  fractionDigits = 0;

  /** Forgets the line before. */
  reset(): void {
    this.textAt = 0;
    this.textEnd = 0;
    this.seconds = 0;
    this.nanoseconds = NO_TIME;
    this.thread = NO_THREAD;
    this.source = '';
    this.isPart = false;
    this.stream = '';
    this.isForm = false;
    this.fractionDigits = 0;
    this.fractionAt = 0;
  }

  /** Says that the header is complete in itself (`isForm`), and where the fraction of its time lies, or ''. */
  setForm(fractionAt: number, fraction: string): void {
    this.isForm = true;
    if (this.nanoseconds === NO_TIME) return;
    this.fractionAt = fractionAt;
    this.fractionDigits = fraction.length;
  }
}

/** Two carriers, the second inside the first: `recognises` says whether a trace has both. */
export function layered(
  outer: Carrier,
  inner: Carrier,
  recognises: FormatBase['recognises'],
): Carrier {
  return {
    name: `${outer.name}+${inner.name}`,
    title: `${inner.title}, in ${outer.title}`,
    // A time further inside is closer to the truth, and `frame` lets it win.
    clock: inner.clock,
    stampsTellVersion: outer.stampsTellVersion && inner.stampsTellVersion,
    embeds: true,
    remarks: [...outer.remarks, ...inner.remarks],
    recognises,
    frame(bytes, at, end, frame) {
      const isBoth =
        outer.frame(bytes, at, end, frame) &&
        (!inner.embeds || inner.frame(bytes, frame.textAt, frame.textEnd, frame));
      // Both have a fraction that differs from line to line.
      frame.isForm = false;
      return isBoth;
    },
  };
}

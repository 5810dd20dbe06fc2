import { writeLoss } from '../notes.ts';
import type { Remark } from './remark.ts';

/** At the end of a run: probes that were not run, and messages that did not reach the reader. */
const SKIPPED = /^WARNING: Number of errors: \d{1,9}, skipped probes: (\d{1,9})/;
const FAILED = /^WARNING: There were (\d{1,9}) transport failures/;

/** What SystemTap says of events that it lost. */
export const systemTapRemark: Remark = {
  patterns: [SKIPPED, FAILED],
  write(text, writer, place) {
    const [, lost] = SKIPPED.exec(text) ?? FAILED.exec(text) ?? [];
    if (lost === undefined) return false;
    if (Number(lost) > 0) writeLoss(writer, place, 'dropped', text, Number(lost));
    return true;
  },
};

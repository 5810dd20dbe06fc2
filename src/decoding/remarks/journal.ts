import { writeLoss } from '../notes.ts';
import type { Remark } from './remark.ts';

/** systemd-journald and rsyslog, where a service wrote more than its limit. */
const SUPPRESSED = /\bSuppressed (\d{1,9}) messages\b/;

/** What a journal says of lines that it did not take. */
export const journalRemark: Remark = (text, writer, place) => {
  const found = SUPPRESSED.exec(text);
  if (found === null) return false;
  writeLoss(writer, place, 'rate-limited', text, Number(found[1]));
  return true;
};

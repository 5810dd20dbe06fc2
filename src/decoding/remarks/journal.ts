import { writeLoss } from '../notes.ts';
import type { Remark } from './remark.ts';

/**
 * What says that lines are missing, and how many:
 *
 *   systemd-journald: Suppressed 1234 messages from libvirtd.service; Forwarding to syslog missed 12 messages.
 *   rsyslog: imjournal: 1234 messages lost due to rate-limiting (20000 allowed within 600 seconds)
 *   rsyslog: imuxsock lost 1234 messages from pid 7329 due to rate-limiting
 *   syslogd: message repeated 3 times: [ ...]; last message repeated 3 times
 */
const COUNTED = [
  /\bSuppressed (\d{1,9}) messages\b/,
  /\bmissed (\d{1,9}) messages\b/,
  /\b(\d{1,9}) messages (?:lost|suppressed|dropped)\b/,
  /\blost (\d{1,9}) messages\b/,
  /^(?:last )?message repeated (\d{1,9}) times\b/,
] as const;
/** The same without a number; one with it follows when it is over, if it ever is. */
const BEGUN = /\bbegin to drop messages\b|\bdrop(?:ping)? messages due to rate-limiting\b/;
/** What all of them have; a quick look. */
const MAY_BE = /essage/;

/** What a journal or a syslog daemon says of lines that it did not take. */
export const journalRemark: Remark = {
  patterns: [...COUNTED, BEGUN],
  write(text, writer, place) {
    if (!MAY_BE.test(text)) return false;
    for (const pattern of COUNTED) {
      const found = pattern.exec(text);
      if (found === null) continue;
      if (Number(found[1]) > 0) writeLoss(writer, place, 'rate-limited', text, Number(found[1]));
      return true;
    }
    if (!BEGUN.test(text)) return false;
    writeLoss(writer, place, 'rate-limited', text);
    return true;
  },
};

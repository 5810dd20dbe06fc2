import { jsonText } from '../base/json-text.ts';
import type { Report } from './report.ts';

/** One finding per line, with the path of its trace and the index of its session. */
export const ndjsonReport: Report = {
  name: 'ndjson',
  extension: 'ndjson',
  *render({ traces }) {
    for (const { path, sessions } of traces) {
      for (const [session, { findings }] of sessions.entries()) {
        for (const finding of findings) {
          yield `${jsonText({ trace: path, session, ...finding })}\n`;
        }
      }
    }
  },
};

import { jsonText } from '../../base/json-text.ts';
import type { WhatIf } from '../../result/what-if.ts';
import { htmlOfWhatIf } from './html.ts';
import { markdownOfWhatIf } from './markdown.ts';
import { textOfWhatIf } from './text.ts';

/** A report of other machines: a pure function, which yields its text in pieces. */
export type WhatIfReport = (whatIf: WhatIf, width: number) => Iterable<string>;

/** All of them, by the names that `whatif --format` and `--output` take. */
export const whatIfReports: Readonly<Record<string, WhatIfReport>> = {
  text: textOfWhatIf,
  json: (whatIf) => [`${jsonText(whatIf, 2)}\n`],
  markdown: markdownOfWhatIf,
  html: htmlOfWhatIf,
};

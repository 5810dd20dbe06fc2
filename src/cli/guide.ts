import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { isSource, packageRoot } from '../base/package-root.ts';
import { Page } from '../reports/text/layout.ts';
import { jsonFields } from './json-guide.ts';
import { print } from './outputs.ts';
import { hint } from './suggestions.ts';
import type { Terminal } from './terminal.ts';

/** What there is a guide to, with what it is about; each is a file of `src/guides`. */
export const guideTopics: Readonly<Record<string, string>> = {
  capture: 'how to record a trace: QEMU, libvirt, KubeVirt, a VM that runs, SystemTap',
  read: 'what a report says: verdict, findings, modes, evidence, the page',
  migrate: 'whether a VM may be migrated, and a gate before migrations',
  ci: 'make a build fail on new findings: GitHub, GitLab, anything else',
  json: 'every field of the JSON result',
  library: 'analyses and reports from a program of your own',
  fleet: 'many machines, one answer: shares, queues, recipes',
  glossary: 'the words of reports and guides',
};

const SOURCE = new URL(`${isSource ? '' : 'dist/'}src/`, packageRoot);
/** What a part of one guide is made of. */
const SCHEMA = 'result/result-1.1.schema.json';

interface GuideFlags {
  readonly format: 'text' | 'markdown';
}

/** `guide`: the documentation, which the package brings along. */
export function guideCommand(terminal: Terminal): Command {
  return new Command('guide')
    .description('the documentation, a topic each; without a topic, the list')
    .argument('[topic]', Object.keys(guideTopics).join(', '))
    .addOption(
      new Option('-f, --format <name>', 'how to print it')
        .choices(['text', 'markdown'])
        .default('text'),
    )
    .action(async (topic: string | undefined, { format }: GuideFlags) => {
      const text = topic === undefined ? listOfTopics() : guideNamed(topic);
      const isRaw = topic === undefined || format === 'markdown';
      const pieces = isRaw ? [text] : [forTerminal(text, terminal)];
      await print(pieces, terminal.stdout, terminal.signal);
    });
}

function listOfTopics(): string {
  const topics = Object.entries(guideTopics);
  const width = Math.max(...topics.map(([name]) => name.length));
  return topics.map(([name, about]) => `${name.padEnd(width)}  ${about}\n`).join('');
}

/**
 * A guide as it is written, in Markdown.
 *
 * @throws UsageError where there is none on this topic.
 */
export function guideNamed(topic: string): string {
  const names = Object.keys(guideTopics);
  if (!names.includes(topic)) {
    throw new UsageError(`no guide to ${topic}${hint(topic, names)}; 'vtdscope guide' lists them`);
  }
  const read = (path: string) => readFileSync(new URL(path, SOURCE), 'utf8');
  const text = read(`guides/${topic}.md`);
  return topic === 'json' ? `${text}\n${jsonFields(JSON.parse(read(SCHEMA)))}` : text;
}

const INDENT = '    ';

/** Markdown as text of the terminal's width; what is meant to be copied keeps its lines. */
export function forTerminal(markdown: string, { color, columns }: Terminal): string {
  const page = new Page(columns, color);
  let paragraph: string[] = [];
  const flush = () => {
    const text = paragraph.join(' ');
    paragraph = [];
    if (text === '') return;
    const [, mark = '', rest = text] = /^(- |\d+\. )(.*)$/.exec(text) ?? [];
    page.text(rest, mark);
  };
  let isVerbatim = false;
  for (const line of markdown.trimEnd().split('\n')) {
    const isFence = line.startsWith('```');
    const heading = /^#+ (.*)$/.exec(line);
    if (isFence) {
      flush();
      isVerbatim = !isVerbatim;
    } else if (isVerbatim) page.line(page.style('cyan', `${INDENT}${line}`.trimEnd()));
    else if (heading !== null) {
      flush();
      page.gap().line(page.style('bold', heading[1] ?? ''));
    } else if (line.trim() === '') {
      flush();
      page.gap();
    } else if (line.startsWith('|')) {
      flush();
      page.line(line);
    } else {
      if (/^(?:- |\d+\. )/.test(line)) flush();
      paragraph.push(line.trim());
    }
  }
  flush();
  return `${page.lines.join('\n')}\n`;
}

import { Command, type Command as CommandType } from 'commander';
import { toolVersion } from '../result/version.ts';
import { type CommandInTree, commandTree, type OptionInTree } from './command-tree.ts';
import { guideTopics } from './guide.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ['0', 'no error at or above --fail-on, and conclusive; or the reader closed the pipe'],
  ['1', 'errors at or above --fail-on, or the gate is shut; compare: something new is worse'],
  ['2', 'an input, option or output cannot be used; an internal error'],
  ['3', 'inconclusive; an empty or damaged trace without such findings'],
  ['130', 'interrupted'],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['NO_COLOR', 'no colours, unless --color asks for them'],
  ['FORCE_COLOR', 'colours, also where standard output is no terminal'],
  ['COLUMNS', 'the width of text, where standard output is no terminal'],
];

const FILES: readonly (readonly [string, string])[] = [
  ['vtdscope.config.json', 'options, in the working directory or above it; see --config'],
];

/** `manual`: the manual page, for `man`. The package has it as `dist/vtdscope.1`. */
export function manualCommand(terminal: Terminal, program: CommandType): Command {
  return new Command('manual').description("the manual page, for 'man -l -'").action(async () => {
    await print([manualPage(program)], terminal.stdout, terminal.signal);
  });
}

/** The manual page, made of the definitions of the commands. */
export function manualPage(program: CommandType): string {
  const tree = commandTree(program, {});
  const [main, ...others] = tree;
  const parts = [
    `.TH VTDSCOPE 1 "" "vtdscope ${toolVersion()}" "User Commands"`,
    section(
      'NAME',
      `vtdscope \\- ${roff('find DMA unmaps that fail or lose dirty pages in traces of QEMU')}`,
    ),
    section('SYNOPSIS', tree.map(synopsisOf).join('\n')),
    section('DESCRIPTION', roff(program.description())),
    ...(main === undefined ? [] : [section('OPTIONS', main.options.map(optionPart).join('\n'))]),
    section('COMMANDS', others.map(commandPart).join('\n')),
    section('EXIT STATUS', EXIT_STATUS.map(item).join('\n')),
    section('ENVIRONMENT', ENVIRONMENT.map(item).join('\n')),
    section('FILES', FILES.map(item).join('\n')),
    section('GUIDES', Object.entries(guideTopics).map(guidePart).join('\n')),
  ];
  return `${parts.join('\n')}\n`;
}

function section(title: string, text: string): string {
  return `.SH ${title.includes(' ') ? `"${title}"` : title}\n${text}`;
}

function synopsisOf({ name, usage }: CommandInTree, index: number): string {
  const word = index === 0 ? `[${name}]` : name;
  const line = `.B vtdscope\n${roff(`${word} [options] ${usage}`.trimEnd())}`;
  return index === 0 ? line : `.br\n${line}`;
}

function commandPart({ about, name, options, usage }: CommandInTree): string {
  const own = options.filter(({ long }) => !SHARED.has(long));
  const inner = own.length === 0 ? '' : `\n.RS\n${own.map(optionPart).join('\n')}\n.RE`;
  return `.SS ${roff(`vtdscope ${name} ${usage}`.trimEnd())}\n${roff(`${about}.`)}${inner}`;
}

/** Options of all commands, which are told once. */
const SHARED: ReadonlySet<string> = new Set(['--color', '--quiet', '--verbose', '--help']);

function optionPart({ about, choices, long, short, usual, value }: OptionInTree): string {
  const names = [...(short === null ? [] : [short]), long].map((name) => `\\fB${roff(name)}\\fR`);
  const argument = value === null ? '' : ` \\fI${roff(value.replace(/^<|>$/g, ''))}\\fR`;
  const allowed = choices.length === 0 ? '' : ` One of ${choices.join(', ')}.`;
  const otherwise = usual === null ? '' : ` Default: ${usual}.`;
  return `.TP\n${names.join(', ')}${argument}\n${roff(`${about}.${allowed}${otherwise}`)}`;
}

function item([name, text]: readonly [string, string]): string {
  return `.TP\n\\fB${roff(name)}\\fR\n${roff(text)}`;
}

function guidePart([topic, about]: readonly [string, string]): string {
  return item([`vtdscope guide ${topic}`, about]);
}

/** Text that roff takes for nothing else: on one line, without requests at its beginning. */
function roff(text: string): string {
  const line = text.replaceAll('\n', ' ').replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

import type { Command, Option } from 'commander';

/** An option, as completions and the manual need it. */
export interface OptionInTree {
  /** `-f`; null where there is none. */
  readonly short: string | null;
  readonly long: string;
  /** `<name>`, as the help has it; null of a flag. */
  readonly value: string | null;
  /** Values that it takes; empty where any. */
  readonly choices: readonly string[];
  readonly about: string;
  /** As the help has it; null where there is none worth saying. */
  readonly usual: string | null;
}

/** A command, likewise. */
export interface CommandInTree {
  readonly name: string;
  readonly about: string;
  /** Its arguments as its usage has them: `[inputs...]`. */
  readonly usage: string;
  readonly options: readonly OptionInTree[];
  /** Words that its arguments may be, beside files. */
  readonly words: readonly string[];
}

/** The commands of a program, its main one first. `words`: what arguments may be, by command. */
export function commandTree(
  program: Command,
  words: Readonly<Record<string, readonly string[]>>,
): readonly CommandInTree[] {
  return program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    usage: command.registeredArguments.map(argumentText).join(' '),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionInTree), HELP],
    words: words[command.name()] ?? [],
  }));
}

/** Commander adds it to every command, and to none of the lists. */
const HELP: OptionInTree = {
  short: '-h',
  long: '--help',
  value: null,
  choices: [],
  about: 'display help for command',
  usual: null,
};

function argumentText(argument: Command['registeredArguments'][number]): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionInTree(option: Option): OptionInTree {
  const { argChoices = [], defaultValue, description, flags, long, short } = option;
  const isWord = typeof defaultValue === 'string' && defaultValue !== '';
  return {
    short: short ?? null,
    long: long ?? '',
    value: /[<[].*[>\]]/.exec(flags)?.[0] ?? null,
    choices: argChoices,
    about: description,
    usual: isWord ? defaultValue : null,
  };
}

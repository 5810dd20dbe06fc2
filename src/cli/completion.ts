import { Argument, Command, type Command as CommandType } from 'commander';
import { type CommandInTree, commandTree, type OptionInTree } from './command-tree.ts';
import { guideTopics } from './guide.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof shells;

const EXAMPLES = `
Examples:
  source <(vtdscope completion bash)                          in this shell
  vtdscope completion bash >~/.local/share/bash-completion/completions/vtdscope
  vtdscope completion zsh >~/.zfunc/_vtdscope                 a folder of $fpath
  vtdscope completion fish >~/.config/fish/completions/vtdscope.fish`;

/** `completion`: a script by which a shell completes commands, options and their values. */
export function completionCommand(terminal: Terminal, program: CommandType): Command {
  return new Command('completion')
    .description('a script that completes commands and options: bash, zsh, fish')
    .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(shells)))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: Shell) => {
      const { rulePages } = await import('../rules/pages.ts');
      const tree = commandTree(program, {
        explain: rulePages.flatMap(({ id, slug }) => [id, slug]),
        guide: Object.keys(guideTopics),
        completion: Object.keys(shells),
      });
      await print([shells[shell](tree)], terminal.stdout, terminal.signal);
    });
}

/** All ways to write an option. */
function namesOf({ long, short }: OptionInTree): readonly string[] {
  return short === null ? [long] : [short, long];
}

/** The main command's name need not be typed: its options and files come where no other command is. */
function mainOf(tree: readonly CommandInTree[]): string {
  return tree[0]?.name ?? '';
}

export function bashScript(tree: readonly CommandInTree[]): string {
  const names = tree.map(({ name }) => name);
  const cases = tree.map(({ name, options, words }) => {
    const values = options
      .filter(({ value }) => value !== null)
      .map((option) => {
        const pattern = namesOf(option).join('|');
        const { choices } = option;
        const reply =
          choices.length === 0 ? ':' : `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur"))`;
        return `        ${pattern}) ${reply}; return ;;\n`;
      });
    return `    ${name})
      case "$prev" in
${values.join('')}      esac
      options='${options.flatMap(namesOf).join(' ')}'
      arguments='${words.join(' ')}'
      ;;
`;
  });
  return `# Completion of vtdscope for bash; made by 'vtdscope completion bash'.
_vtdscope() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command='' word options arguments
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      ${names.join('|')}) command=$word; break ;;
    esac
  done
  case "\${command:-${mainOf(tree)}}" in
${cases.join('')}  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  else
    [[ -n $command ]] || arguments='${names.join(' ')}'
    COMPREPLY=($(compgen -W "$arguments" -- "$cur"))
  fi
}
# Where nothing fits, files do.
complete -o default -o bashdefault -F _vtdscope vtdscope
`;
}

/** In single quotes, for all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function zshScript(tree: readonly CommandInTree[]): string {
  const inList = (text: string) => text.replaceAll(':', '\\:');
  const inSpec = (text: string) => text.replace(/[[\]:\\]/g, '\\$&');
  const specOf = (option: OptionInTree) => {
    const { about, choices, value } = option;
    const action = choices.length === 0 ? '_files' : `(${choices.join(' ')})`;
    const what = value === null ? '' : `:${inSpec(value.replace(/[<>]/g, ''))}:${action}`;
    return namesOf(option).map((name) => `      ${quoted(`${name}[${inSpec(about)}]${what}`)}`);
  };
  const cases = tree.map(({ name, options, words }) => {
    const rest = words.length === 0 ? '_files' : `(${words.join(' ')})`;
    const specs = [...options.flatMap(specOf), `      ${quoted(`*::argument:${rest}`)}`];
    return `    (${name})
      _arguments -S \\
${specs.join(' \\\n')}
      ;;
`;
  });
  const list = tree.map(({ about, name }) => `    ${quoted(`${name}:${inList(about)}`)}\n`);
  return `#compdef vtdscope
# Completion of vtdscope for zsh; made by 'vtdscope completion zsh'.
_vtdscope() {
  local command='' word
  local -a commands
  commands=(
${list.join('')}  )
  for word in \${words[2,CURRENT-1]}; do
    case $word in
      (${tree.map(({ name }) => name).join('|')}) command=$word; break ;;
    esac
  done
  if [[ -z $command && \${words[CURRENT]} != -* ]]; then
    _describe -t commands command commands
  fi
  # What is completed below is the command's own line.
  if [[ -n $command ]]; then
    local at=\${words[(i)$command]}
    words=(vtdscope \${words[at+1,-1]})
    (( CURRENT -= at - 1 ))
  fi
  case \${command:-${mainOf(tree)}} in
${cases.join('')}  esac
}
if [[ $funcstack[1] = _vtdscope ]]; then _vtdscope "$@"; else compdef _vtdscope vtdscope; fi
`;
}

export function fishScript(tree: readonly CommandInTree[]): string {
  const main = mainOf(tree);
  const others = tree.map(({ name }) => name).filter((name) => name !== main);
  const lines = tree.flatMap(({ about, name, options, words }) => {
    const condition =
      name === main
        ? `not __fish_seen_subcommand_from ${others.join(' ')}`
        : `__fish_seen_subcommand_from ${name}`;
    const base = `complete -c vtdscope -n ${quoted(condition)}`;
    const ofOptions = options.map(({ about, choices, long, short, value }) => {
      const shortPart = short === null ? '' : ` -s ${short.slice(1)}`;
      const valuePart =
        value === null ? '' : choices.length === 0 ? ' -r' : ` -x -a ${quoted(choices.join(' '))}`;
      return `${base}${shortPart} -l ${long.slice(2)}${valuePart} -d ${quoted(about)}`;
    });
    const command = `complete -c vtdscope -n '__fish_use_subcommand' -a ${name} -d ${quoted(about)}`;
    const ofWords = words.length === 0 ? [] : [`${base} -f -a ${quoted(words.join(' '))}`];
    return [command, ...ofOptions, ...ofWords];
  });
  return `# Completion of vtdscope for fish; made by 'vtdscope completion fish'.
${lines.join('\n')}
`;
}

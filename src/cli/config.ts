import { dirname, isAbsolute, join, relative } from 'node:path';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { jsonText } from '../base/json-text.ts';
import { isThere } from '../bytes/file-identity.ts';
import { readSmallFile } from '../bytes/small-file.ts';
import { hint } from './suggestions.ts';

/*
 * A configuration file: options of `analyze` by their names, for all that call the program below a
 * folder. `config-1.0.schema.json` describes it to editors.
 */

/** What a configuration is called where it is looked for. */
export const CONFIG_NAME = 'vtdscope.config.json';

/** Options that no file can hold, by their names there, and why. */
export const NOT_IN_A_FILE: Readonly<Record<string, string>> = {
  config: 'it says which file is read',
  printConfig: 'it is about one call',
  color: 'it is for one terminal',
  quiet: 'it is for one terminal',
  verbose: 'it is for one terminal',
  // A file that is found by itself writes nothing.
  output: 'a file that is found by itself writes none',
  unmaps: 'a file that is found by itself writes none',
  mappings: 'a file that is found by itself writes none',
  results: 'a file that is found by itself writes none',
  withStderr: 'it is about one trace',
  shard: 'it is about one call',
  job: 'it is about one call',
  join: 'it is about one trace',
  updateBaseline: 'a file that is found by itself writes none',
  since: 'it is about one call',
  until: 'it is about one call',
  device: 'it is about one call',
  acceptUntil: 'it goes with --update-baseline',
};

/** Options whose value is a path, which in a file is relative to that file's folder. */
const PATHS: ReadonlySet<string> = new Set(['baseline', 'traceEventsAll']);

/** Where an option's value comes from, in the words of `--print-config`. */
const SOURCES: Readonly<Record<string, string>> = {
  default: 'default',
  config: 'file',
  cli: 'command line',
};

/** Adds the options that are about the file. */
export function addConfigOptions(command: Command): void {
  command
    .option('--config <file>', `options from a file (default: ${CONFIG_NAME}, found upwards)`)
    .option('--no-config', 'no such file, also where one is found')
    .option('--print-config', 'print the options in force and where they come from, and end');
}

/** The options that a file can hold. */
export function optionsInFile(command: Command): readonly Option[] {
  return command.options.filter((option) => NOT_IN_A_FILE[option.attributeName()] === undefined);
}

/**
 * Gives a command the options of a configuration file; what the command line says wins over it.
 *
 * Returns the path of the file; null where there is none.
 *
 * @throws UsageError where the file that is named is not there, or holds what is no option.
 */
export function applyConfig(command: Command, named: string | false | undefined): string | null {
  if (named === false) return null;
  const path = named ?? configUpwards(process.cwd());
  if (path === null) return null;
  const text = readSmallFile(path);
  if (text === null) throw new UsageError(`${path}: no such file`);
  for (const [key, value] of Object.entries(settingsOf(text, path))) {
    const option = optionNamed(key, path, command);
    if (command.getOptionValueSource(key) === 'cli') continue;
    const parsed = parsedValue(option, value, path);
    if (parsed !== undefined) command.setOptionValueWithSource(key, parsed, 'config');
  }
  return path;
}

/** The nearest configuration in a folder or above it, relative to it; null: none. */
function configUpwards(start: string): string | null {
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, CONFIG_NAME);
    if (isThere(path)) return relative(start, path);
    if (dirname(folder) === folder) return null;
  }
}

function settingsOf(text: string, path: string): Readonly<Record<string, unknown>> {
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (thrown) {
    throw new UsageError(`${path}: no JSON: ${(thrown as Error).message}`);
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new UsageError(`${path}: expected an object with options`);
  }
  const { $schema: _, ...options } = settings as Readonly<Record<string, unknown>>;
  return options;
}

function optionNamed(key: string, path: string, command: Command): Option {
  const known = optionsInFile(command);
  const option = known.find((candidate) => candidate.attributeName() === key);
  if (option !== undefined) return option;
  const reason = Object.hasOwn(NOT_IN_A_FILE, key) ? NOT_IN_A_FILE[key] : undefined;
  const names = known.map((candidate) => candidate.attributeName());
  throw new UsageError(
    reason === undefined
      ? `${path}: ${key}: no such option${hint(key, names)}`
      : `${path}: ${key}: only on the command line: ${reason}`,
  );
}

/** The value as the command line would have it; undefined where that is to say nothing. */
function parsedValue(option: Option, value: unknown, path: string): unknown {
  const key = option.attributeName();
  const wrong = (problem: string) => new UsageError(`${path}: ${key}: ${problem}`);
  if (option.isBoolean()) {
    if (typeof value !== 'boolean') throw wrong('expected true or false');
    return value ? true : undefined;
  }
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw wrong('expected text or a number');
  }
  const text = String(value);
  if (PATHS.has(key)) return isAbsolute(text) ? text : join(dirname(path), text);
  if (option.parseArg === undefined) return text;
  try {
    return option.parseArg(text, undefined);
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw wrong(`${text}: ${thrown.message}`);
    throw thrown;
  }
}

/** What `--print-config` prints: each option that a file can hold, its value and where it comes from. */
export function configText(command: Command, path: string | null): string {
  const options = optionsInFile(command).map((option) => {
    const key = option.attributeName();
    const source = SOURCES[command.getOptionValueSource(key) ?? ''] ?? 'not set';
    return [key, { value: printable(command.getOptionValue(key)), from: source }] as const;
  });
  return `${jsonText({ file: path, options: Object.fromEntries(options) }, 2)}\n`;
}

/** Sizes are exact integers, which JSON's numbers may not be. */
function printable(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : (value ?? null);
}

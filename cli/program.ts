/** The one `frostmark` command: finds the command that was asked for, loads only that, runs it, and turns every ending into an exit code. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { printableJson } from '../verifier/printable.ts';
import { inspect } from 'node:util';
import { Command, CommanderError, Option } from 'commander';
import { version } from '../verifier/version.ts';
import { minIdDigits } from '../protocol/limits.ts';
import { isRoundId } from '../protocol/request/id.ts';
import type { AnyCommand, OptionSpec, OptionSpecs, Texts, World } from './command.ts';
import { commandTable, groupTable, type CommandEntry } from './commands/index.ts';
import { CommandError } from './errors.ts';
import type { Explanation } from './explain.ts';
import { exitLine, type OtherExit } from './exit-codes.ts';
import { fewestHelpColumns } from './limits.ts';
import { Output, widthOf, type TextStream } from './output.ts';
import { findSettings, homeToLookIn, parseSettings, unreadVariables, type Origins } from './settings.ts';
import { withOrigins } from './origins.ts';
import { topics } from './topics.ts';

/** Runs `frostmark` with its arguments (without node and script) and returns the exit code. Throws nothing. */
export async function runProgram(argv: readonly string[], world: World): Promise<number> {
  const known: Known = { json: argv.includes('--json'), origins: {} };
  try {
    const words = asked(argv);
    const program = await buildProgram(words, world, known);
    await program.parseAsync([...words], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return await tellError(refine(error, asked(argv)), world, known);
  }
}

/** `help A B` asks for the help of `A B`, as `A help B` and `A B --help` do; `version` is `--version`. */
function asked(argv: readonly string[]): readonly string[] {
  const [first = '', second, ...rest] = argv;
  if (first === 'version' && second === undefined) return ['--version'];
  if (first === 'help' && second !== undefined && rest.length === 0 && Object.hasOwn(topics, second)) return argv;
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length);
  const isHelp = first === 'help' || (Object.hasOwn(groupTable, first) && second === 'help');
  if (!isHelp && !options.some((word) => word === '--help' || word === '-h')) return argv;
  return helpOn(options.filter((word) => !word.startsWith('-') && word !== 'help' && word !== 'version'));
}

/** Asks for the help of the command that the first words name. For words that name none the answer is commander's refusal, with the nearest that there is. */
function helpOn([first, second]: readonly string[]): readonly string[] {
  const isKnown = (...path: readonly string[]): boolean =>
    commandTable.some((entry) => entry.path.join(' ') === path.join(' '));
  if (first === undefined) return ['--help'];
  if (isKnown(first)) return [first, '--help'];
  if (!Object.hasOwn(groupTable, first)) return [first];
  if (second === undefined) return [first, '--help'];
  return isKnown(first, second) ? [first, second, '--help'] : [first, second];
}

/** What is known of a call when it fails: how to tell it, and where its settings come from. */
export interface Known {
  json: boolean;
  origins: Origins;
}

/**
 * Runs a command that stands for another program, with that program's arguments, and returns the exit code. Results are never JSON: they are the
 * other program's. `terminal` takes the talk, where standard error is somebody else's to read. Throws nothing.
 */
export async function runInPlace(
  spec: AnyCommand,
  args: readonly string[],
  world: World,
  terminal: TextStream | undefined,
): Promise<number> {
  const known: Known = { json: false, origins: {} };
  try {
    const homePath = homeOf(undefined, world);
    const home = await homeToLookIn(spec.home, homePath);
    const { texts, origins } = await findSettings(spec.options, {}, home, world.environment);
    known.origins = origins;
    const settings = parseSettings(spec.options, texts);
    const output = new Output({ ...world, stderr: terminal ?? world.stderr, json: false });
    for (const text of unreadVariables(world.environment, spec.options)) output.warn(text);
    await spec.run({ args, settings, homePath, output, world });
    return 0;
  } catch (error) {
    // Some gits (2.39) keep to themselves even why we failed.
    if (terminal !== undefined) await tellError(error, { ...world, stderr: terminal }, known);
    return await tellError(error, world, known);
  }
}

/** Says what went wrong and what to do next, and returns the exit code. */
export async function tellError(
  error: unknown,
  world: World,
  { json, origins }: Known = { json: false, origins: {} },
): Promise<number> {
  const { explain } = await import('./explain.ts');
  if (world.environment['FROSTMARK_DEBUG'] === '1') world.stderr.write(`${inspect(error)}\n`);
  return tell(withOrigins(explain(error), origins), json, world);
}

/** Every command by name and summary; only the one that was asked for with its options. */
async function buildProgram(argv: readonly string[], world: World, known: Known): Promise<Command> {
  const program = new Command('frostmark')
    .description('Signs software releases with a quorum instead of a key.')
    .usage('COMMAND [options]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: () => undefined, // `tell` says it, together with what to do next
      getOutHelpWidth: () => widthOf(world.stdout),
      getErrHelpWidth: () => widthOf(world.stderr),
    })
    .configureHelp({ minWidthToWrap: fewestHelpColumns })
    .exitOverride()
    .addHelpText('after', '\nFirst steps: frostmark participant init --help');
  addTopics(program, world);
  const toRun = (spec: AnyCommand, command: Command): Promise<void> => run(spec, command, world, known);
  for (const [name, summary] of Object.entries(groupTable)) {
    const group = program.command(name).description(summary).usage('COMMAND [options]').helpCommand(false);
    await addCommands(group, (entry) => entry.path[0] === name && entry.path.length === 2, argv, toRun);
  }
  await addCommands(program, (entry) => entry.path.length === 1, argv, toRun);
  return program;
}

async function addCommands(
  parent: Command,
  belongs: (entry: CommandEntry) => boolean,
  words: readonly string[],
  toRun: (spec: AnyCommand, command: Command) => Promise<void>,
): Promise<void> {
  for (const entry of commandTable.filter(belongs)) {
    const command = parent.command(entry.path.at(-1) ?? '').summary(entry.summary);
    if (entry.load !== undefined && entry.path.every((word, index) => words[index] === word))
      define(command, { ...(await entry.load()), exits: entry.exits ?? [] }, toRun);
  }
}

/** `help` as a command of its own, for what is no command; its name and that of a command are told apart before (`asked`). */
function addTopics(program: Command, world: World): void {
  const names = Object.entries(topics);
  const listed = names.map(([name, { summary }]) => `${name}: ${summary}`).join('; ');
  program
    .command('help')
    .summary('show the help of a command, or of a topic')
    .argument('<topic>', listed)
    .action(async (name: string) => {
      const { wrap } = await import('./text/page.ts');
      const lines = topics[name]?.text.flatMap((paragraph) => wrap(paragraph, widthOf(world.stdout))) ?? [];
      world.stdout.write(`${lines.join('\n')}\n`);
    });
}

function define(
  command: Command,
  spec: AnyCommand & { readonly exits: readonly OtherExit[] },
  toRun: (spec: AnyCommand, command: Command) => Promise<void>,
): void {
  const exits = exitLine(spec.exits);
  command.description([reflowed(spec.about), ...(exits === undefined ? [] : [exits])].join('\n\n'));
  for (const { name, help } of spec.arguments) command.argument(name, help);
  if (spec.standsFor === undefined) addOptions(command, spec);
  else command.usage(`ARGUMENTS-OF-${spec.standsFor.toUpperCase()}`);
  command
    .addHelpText('after', `\nExample:\n${indent(spec.example)}\n\nNext:\n${indent(spec.next)}`)
    .action(async () => {
      await toRun(spec, command);
    });
}

/** Paragraphs on one line each: commander breaks them where the terminal ends. */
function reflowed(text: string): string {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.split('\n').join(' '))
    .join('\n\n');
}

function addOptions(command: Command, spec: AnyCommand): void {
  for (const [name, option] of Object.entries(spec.options)) command.addOption(toOption(name, option));
  command
    .option('--home <DIR>', `its folder (default: ${defaultHomeText(spec)})`)
    .option('--json', 'results as JSON on stdout, one value a line');
}

function defaultHomeText({ home }: AnyCommand): string {
  return home === 'asker' ? '~/.frostmark/requester, or participant' : `~/.frostmark/${home}`;
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

function toOption(name: string, { value, help }: OptionSpec): Option {
  return new Option(value === undefined ? `--${name}` : `--${name} <${value}>`, help);
}

async function run(spec: AnyCommand, command: Command, world: World, known: Known): Promise<void> {
  assertIds(spec, command.args);
  const given = command.opts<Readonly<Record<string, string | boolean | undefined>>>();
  const homePath = homeOf(given['home'] as string | undefined, world);
  const flags = { ...toFlags(spec.options, given), ...(given['json'] === true ? { json: true } : {}) };
  const home = await homeToLookIn(spec.home, homePath);
  const options = { ...spec.options, json: jsonOption };
  const { texts, origins } = await findSettings(options, flags, home, world.environment);
  known.json = texts.json === true;
  known.origins = { ...origins, ...homeOrigin(given['home'], homePath) };
  const output = new Output({ ...world, json: known.json });
  for (const text of unreadVariables(world.environment, options)) output.warn(text);
  await spec.run({ args: command.args, settings: parseSettings(options, texts), homePath, output, world });
}

/** By flag or variable; `~/` is the user's own folder. */
function homeOf(flag: string | undefined, world: World): string | undefined {
  const path = flag ?? nonEmpty(world.environment['FROSTMARK_HOME']?.trim());
  return path?.startsWith('~/') === true ? join(homedir(), path.slice(1)) : path;
}

function homeOrigin(flag: unknown, path: string | undefined): Origins {
  return flag !== undefined || path === undefined ? {} : { home: { from: 'FROSTMARK_HOME', value: path } };
}

/** Throws `CommandError('usage')`. */
function assertIds({ arguments: specs }: AnyCommand, args: readonly string[]): void {
  const isEach = specs.length === 1 && specs[0]?.name.includes('...');
  args.forEach((id, index) => {
    const spec = specs[isEach === true ? 0 : index];
    if (spec?.isId !== true || isRoundId(id)) return;
    throw new CommandError(
      'usage',
      `${printableJson(id.slice(0, 80))} is no id: it has 64 hexadecimal digits, of which the first ${minIdDigits} will do`,
      'frostmark rounds and frostmark participant requests show the ids.',
    );
  });
}

const jsonOption = { kind: 'switch', value: undefined, help: '' } as const;

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Commander names flags in camel case, and takes `--no-x` for the denial of `--x`; the settings have their long names. */
function toFlags(
  options: OptionSpecs,
  given: Readonly<Record<string, string | boolean | undefined>>,
): Texts<OptionSpecs> {
  const entries = Object.entries(options).flatMap(
    ([name, option]): (readonly [string, string | boolean | string[]])[] => {
      const value = given[toOption(name, option).attributeName()];
      if (name.startsWith('no-')) return value === false ? [[name, true]] : [];
      if (value === undefined || value === false) return [];
      return [[name, option.kind === 'list' ? splitList(String(value)) : value]];
    },
  );
  return Object.fromEntries(entries);
}

function splitList(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/** Commander's own refusals become ours, with the nearest command or flag as the hint. */
function refine(error: unknown, argv: readonly string[]): unknown {
  if (!(error instanceof CommanderError)) return error;
  const asked = commandTable.find(({ path }) => path.every((word, index) => argv[index] === word));
  const help = `frostmark ${[...(asked?.path ?? groupOf(argv)), '--help'].join(' ')} shows how to ask.`;
  if (error.code === 'commander.help') return new CommandError('usage', 'no command was given', help);
  const other = keyFlagHint(error.message, asked);
  if (other !== undefined) return new CommandError('usage', error.message.replace(/^error: /, ''), other);
  const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const nearest = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' '))?.[1];
  return new CommandError('usage', message, nearest === undefined ? help : `Did you mean ${nearest}? ${help}`);
}

/** Who verifies pins a key with --key; who asks names the group with --group: both take GROUP.pub. */
function keyFlagHint(message: string, entry: CommandEntry | undefined): string | undefined {
  if (!/unknown option '--key\b/.test(message) || entry === undefined) return undefined;
  return `Whoever asks names the group with --group GROUP.pub; --key is for frostmark verify. frostmark ${entry.path.join(' ')} --help shows how to ask.`;
}

function groupOf(argv: readonly string[]): string[] {
  const [first] = argv;
  return first !== undefined && Object.hasOwn(groupTable, first) ? [first] : [];
}

function tell({ exitCode, code, message, hint }: Explanation, json: boolean, world: World): number {
  const output = new Output({ ...world, json });
  output.event({ error: { code, message, hint, exitCode } });
  output.talk(`${output.toTalk('red', 'error:')} ${message}`);
  if (hint !== undefined) output.talk(`${output.toTalk('dim', 'hint:')} ${hint}`);
  return exitCode;
}

/** The one `frostmark` command: finds the command that was asked for, loads only that, runs it, and turns every ending into an exit code. */
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
import { Output, type TextStream } from './output.ts';
import { homeToLookIn, resolveSettings } from './settings.ts';

/** Columns of help: what every terminal has. */
const helpWidth = 80;

/** Runs `frostmark` with its arguments (without node and script) and returns the exit code. Throws nothing. */
export async function runProgram(argv: readonly string[], world: World): Promise<number> {
  try {
    const program = await buildProgram(argv, world);
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return await tellError(refine(error, argv), world, argv.includes('--json'));
  }
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
  try {
    const homePath = nonEmpty(world.environment['FROSTMARK_HOME']);
    const home = await homeToLookIn(spec.home, homePath);
    const settings = await resolveSettings(spec.options, {}, home, world.environment);
    const output = new Output({ ...world, stderr: terminal ?? world.stderr, json: false });
    await spec.run({ args, settings, homePath, output, world });
    return 0;
  } catch (error) {
    // Some gits (2.39) keep to themselves even why we failed.
    if (terminal !== undefined) await tellError(error, { ...world, stderr: terminal }, false);
    return await tellError(error, world, false);
  }
}

/** Says what went wrong and what to do next, and returns the exit code. */
export async function tellError(error: unknown, world: World, json: boolean): Promise<number> {
  const { explain } = await import('./explain.ts');
  if (world.environment['FROSTMARK_DEBUG'] === '1') world.stderr.write(`${inspect(error)}\n`);
  return tell(explain(error), json, world);
}

/** Every command by name and summary; only the one that was asked for with its options. */
async function buildProgram(argv: readonly string[], world: World): Promise<Command> {
  const program = new Command('frostmark')
    .description('Signs software releases with a quorum instead of a key.')
    .usage('COMMAND [options]')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: () => undefined, // `tell` says it, together with what to do next
      getOutHelpWidth: () => helpWidth,
      getErrHelpWidth: () => helpWidth,
    })
    .exitOverride()
    .addHelpText('after', '\nFirst steps: frostmark participant init --help');
  const words = argv[0] === 'help' ? argv.slice(1) : argv;
  for (const [name, summary] of Object.entries(groupTable)) {
    const group = program.command(name).description(summary).usage('COMMAND [options]').helpCommand(false);
    await addCommands(group, (entry) => entry.path[0] === name && entry.path.length === 2, words, world);
  }
  await addCommands(program, (entry) => entry.path.length === 1, words, world);
  return program;
}

async function addCommands(
  parent: Command,
  belongs: (entry: CommandEntry) => boolean,
  words: readonly string[],
  world: World,
): Promise<void> {
  for (const entry of commandTable.filter(belongs)) {
    const command = parent.command(entry.path.at(-1) ?? '').summary(entry.summary);
    if (entry.load !== undefined && entry.path.every((word, index) => words[index] === word))
      define(command, await entry.load(), world);
  }
}

function define(command: Command, spec: AnyCommand, world: World): void {
  command.description(spec.about);
  for (const { name, help } of spec.arguments) command.argument(name, help);
  if (spec.standsFor === undefined) addOptions(command, spec);
  else command.usage(`ARGUMENTS-OF-${spec.standsFor.toUpperCase()}`);
  command
    .addHelpText('after', `\nExample:\n${indent(spec.example)}\n\nNext:\n${indent(spec.next)}`)
    .action(async () => {
      await run(spec, command, world);
    });
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

async function run(spec: AnyCommand, command: Command, world: World): Promise<void> {
  assertIds(spec, command.args);
  const given = command.opts<Readonly<Record<string, string | boolean | undefined>>>();
  const homePath = (given['home'] as string | undefined) ?? nonEmpty(world.environment['FROSTMARK_HOME']);
  const flags = toFlags(spec.options, given);
  const home = await homeToLookIn(spec.home, homePath);
  const options = { ...spec.options, json: jsonOption };
  const settings = await resolveSettings(
    options,
    { ...flags, ...(given['json'] === true ? { json: true } : {}) },
    home,
    world.environment,
  );
  const output = new Output({ ...world, json: settings.json === true });
  await spec.run({ args: command.args, settings, homePath, output, world });
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
  const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const nearest = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' '))?.[1];
  return new CommandError('usage', message, nearest === undefined ? help : `Did you mean ${nearest}? ${help}`);
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

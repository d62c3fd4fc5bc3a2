/** What one command of `frostmark` is: its arguments, flags, help, and what it does. */
import type { Role } from '../home/home.ts';
import type { SettingKind, Settings } from '../home/config.ts';
import type { Output, TextStream } from './output.ts';

/** Whose home a command works in: a role's; `asker`: a requester's or a member's, whoever asks. */
export type HomeOf = Role | 'asker';

/** One long flag. */
export interface OptionSpec<K extends SettingKind = SettingKind> {
  readonly kind: K;
  /** How its value is called in the help, such as `FILE`; switches have none. */
  readonly value: string | undefined;
  readonly help: string;
}

export function text(value: string, help: string): OptionSpec<'text'> {
  return { kind: 'text', value, help };
}

/** Several values, separated by commas. */
export function list(value: string, help: string): OptionSpec<'list'> {
  return { kind: 'list', value, help };
}

export function flag(help: string): OptionSpec<'switch'> {
  return { kind: 'switch', value: undefined, help };
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What was set, by flag, variable or `config.yaml`. */
export type Values<O extends OptionSpecs> = Settings<{ readonly [N in keyof O]: O[N]['kind'] }>;

/** The world as a command sees it. */
export interface World {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Standard input; it is opened when it is asked for. */
  readonly stdin: () => AsyncIterable<Uint8Array>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly folder: string;
  readonly nowUnixSeconds: () => number;
}

/** One call of a command. */
export interface Call<O extends OptionSpecs> {
  readonly args: readonly string[];
  readonly settings: Values<O>;
  /** The folder that `--home` or `FROSTMARK_HOME` names; `undefined` for the role's default. */
  readonly homePath: string | undefined;
  readonly output: Output;
  readonly world: World;
}

export interface CommandSpec<O extends OptionSpecs> {
  readonly home: HomeOf;
  /** As commander writes them: `<file...>`, `[id]`; with what each is. */
  readonly arguments: readonly { readonly name: string; readonly help: string }[];
  readonly options: O;
  /** Called the way this tool is: its arguments are not flags of ours, and the options are settings by variable and `config.yaml` only. */
  readonly standsFor?: 'gpg' | 'ssh-keygen';
  /** What it does, in a few sentences; lines of at most 78 characters. */
  readonly about: string;
  /** A command line to paste. */
  readonly example: string;
  /** What comes next. */
  readonly next: string;
  /** Resolves when done; throws a coded error for every exit code but 0. */
  run(call: Call<O>): Promise<void>;
}

/** A command with its option types put aside; `program.ts` builds the settings from the very same table. */
export interface AnyCommand extends Omit<CommandSpec<OptionSpecs>, 'run'> {
  run(call: Call<OptionSpecs>): Promise<void>;
}

export function defineCommand<const O extends OptionSpecs>(spec: CommandSpec<O>): AnyCommand {
  return { ...spec, run: (call) => spec.run(call as Call<O>) };
}

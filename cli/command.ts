/** What one command of `frostmark` is: its arguments, flags, help, and what it does. */
import { minIdDigits } from '../protocol/limits.ts';
import type { Role } from '../home/home.ts';
import type { SettingKind, Settings } from '../home/config.ts';
import type { Output, TextStream } from './output.ts';

/** Whose home a command works in: a role's; `asker`: a requester's or a member's, whoever asks. */
export type HomeOf = Role | 'asker';

/** What a flag's text means: a setting's kinds, and texts that are parsed once, where the settings are resolved. */
export type OptionKind = SettingKind | ParsedKind;
/** Kinds whose texts become numbers: seconds, and Unix seconds. */
export type ParsedKind = 'duration' | 'time';

/** One long flag. */
export interface OptionSpec<K extends OptionKind = OptionKind> {
  readonly kind: K;
  /** How its value is called in the help, such as `FILE`; switches have none. */
  readonly value: string | undefined;
  readonly help: string;
  /** Belongs to one call: no variable and no line of `config.yaml` sets it. */
  readonly isFlagOnly?: true;
}

/** One text. */
export function text(value: string, help: string): OptionSpec<'text'> {
  return { kind: 'text', value, help };
}

/** Several values, separated by commas. */
export function list(value: string, help: string): OptionSpec<'list'> {
  return { kind: 'list', value, help };
}

/** Seconds, written as 90s, 30m, 72h or 3d. */
export function duration(help: string): OptionSpec<'duration'> {
  return { kind: 'duration', value: 'DURATION', help };
}

/** Unix seconds, written as 2026-11-22 or 2026-11-22T08:00:00Z. */
export function time(help: string): OptionSpec<'time'> {
  return { kind: 'time', value: 'TIME', help };
}

/** The same flag, which belongs to one call. */
export function flagOnly<K extends OptionKind>(spec: OptionSpec<K>): OptionSpec<K> {
  return { ...spec, isFlagOnly: true };
}

/** On or off. */
export function flag(help: string): OptionSpec<'switch'> {
  return { kind: 'switch', value: undefined, help };
}

/** The flags of one command by their long names. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type SettingOf<K extends OptionKind> = K extends SettingKind ? K : 'text';

/** What was set, by flag, variable or `config.yaml`, as it was written. */
export type Texts<O extends OptionSpecs> = Settings<{ readonly [N in keyof O]: SettingOf<O[N]['kind']> }>;

/** The same, durations as seconds and times as Unix seconds. */
export type Values<O extends OptionSpecs> = {
  readonly [N in keyof O]?: O[N]['kind'] extends ParsedKind ? number : Texts<O>[N];
};

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

/** One argument, as commander writes it: `<file...>`, `[name]`; with what it is. */
export interface ArgumentSpec {
  readonly name: string;
  readonly help: string;
  /** Names a round or request, and is refused at once if it cannot. */
  readonly isId?: boolean;
}

/** The id of a round or request, or enough of its first digits. */
export const roundArgument: ArgumentSpec = {
  name: '<id>',
  help: `the round: at least the first ${minIdDigits} digits of its id`,
  isId: true,
};

/** One command: how it is called, and what it does. */
export interface CommandSpec<O extends OptionSpecs> {
  readonly home: HomeOf;
  readonly arguments: readonly ArgumentSpec[];
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

/** Keeps the types of a command's options until it is called. */
export function defineCommand<const O extends OptionSpecs>(spec: CommandSpec<O>): AnyCommand {
  return { ...spec, run: (call) => spec.run(call as Call<O>) };
}

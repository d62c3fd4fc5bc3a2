/** Help on what is no command: `frostmark help TOPIC`. */
import { roles } from '../home/home.ts';
import { commonExits, otherExits } from './exit-codes.ts';
import { settingNames } from './settings.ts';

/** By name: the line that lists it, and what it says, a paragraph or a line each. */
export const topics: Readonly<Record<string, { readonly summary: string; readonly text: readonly string[] }>> = {
  settings: {
    summary: 'flags, FROSTMARK_* and config.yaml',
    text: [
      'A flag wins over its variable, and a variable over config.yaml in the home of the role.',
      'The variable of --passphrase-file is FROSTMARK_PASSPHRASE_FILE, and so on; lists have commas in it. FROSTMARK_HOME is --home.',
      ...roles.map((role) => `Settings of a ${role}: ${settingNames(role).join(', ')}.`),
      'Every other flag belongs to one call, and no variable or file sets it. So do --channel and --format where they do not say how to sign but what is looked at, exported or revoked. A variable that is no setting is warned of, a line of config.yaml that is none is refused.',
      'config.yaml has one "name: value" a line, where the name is the long flag without its dashes. A path in it is relative to that file, and ~/ is the own folder.',
      'Calls to a coordinator follow HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; NO_COLOR turns colours off; FROSTMARK_DEBUG=1 shows the whole of an error.',
    ],
  },
  'exit-codes': {
    summary: 'what each exit code means',
    text: [
      ...Object.entries({ ...commonExits, ...otherExits }).map(([code, text]) => `${code} ${text}`),
      '130 interrupted at the terminal',
    ],
  },
};

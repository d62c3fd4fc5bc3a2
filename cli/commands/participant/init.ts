/** `frostmark participant init` */
import { defineCommand, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';

/** JSON: `{ name, card }`. Throws what `initParticipant` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: { name: text('NAME', 'your name in the charter: a-z 0-9 . _ -') },
  about: `Makes the home of a share holder: a name and an identity key, no share yet.
The key stays in the home; the card that is printed shows its public half.
Run again with the same name, it prints the same card.`,
  example: 'frostmark participant init --name alice',
  next: `Send the card to whoever writes the charter. When all members have the file:
frostmark participant join charter.yaml --coordinator URL`,
  run: async ({ settings, homePath, output }) => {
    const { name } = settings;
    if (name === undefined)
      throw new CommandError('usage', 'no --name was given', 'For example: frostmark participant init --name alice');
    const { initParticipant } = await import('../../../participant/init.ts');
    const card = await initParticipant(homePath, name);
    output.result(card, { name, card });
    output.talk('Send this card to whoever writes the charter.');
  },
});

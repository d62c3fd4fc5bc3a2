/** `frostmark participant card` */
import { defineCommand } from '../../command.ts';

/** JSON: `{ card }`. Throws `HomeError` where there is no home. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: {},
  about: 'Prints the card of this home: one line with your name and public key, signed by it.',
  example: 'frostmark participant card',
  next: 'Send the card to whoever writes the charter.',
  run: async ({ homePath, output }) => {
    const { cardOf } = await import('../../../participant/init.ts');
    const card = await cardOf(homePath);
    output.result(card, { card });
  },
});

/** `frostmark requester card` */
import { defineCommand } from '../../command.ts';

/** JSON: `{ card }`. Throws `HomeError` where there is no home. */
export const command = defineCommand({
  home: 'requester',
  arguments: [],
  options: {},
  about: 'Prints the card of this home: one line with your name and public key, signed by it.',
  example: 'frostmark requester card',
  next: 'Give the card to a member of the group: it goes into requesters.yaml.',
  run: async ({ homePath, output }) => {
    const { requesterCard } = await import('../../../requester/init.ts');
    const card = await requesterCard(homePath);
    output.result(card, { card });
  },
});

/** `frostmark requester init` */
import { defineCommand, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';

/** JSON: `{ name, card }`. Throws what `initRequester` does. */
export const command = defineCommand({
  home: 'requester',
  arguments: [],
  options: { name: text('NAME', 'how members will know you: a-z 0-9 . _ -') },
  about: `Makes the home of somebody who asks for signatures: a name and an identity key.
The key stays in the home; the card that is printed shows its public half.
Run again with the same name, it prints the same card.`,
  example: 'frostmark requester init --name dave',
  next: `Give the card to a member, who puts it into requesters.yaml:
  version: 2
  requesters:
    - { card: "frostmark-requester:…", channels: [development] }
and has it signed: frostmark group requesters requesters.yaml`,
  run: async ({ settings, homePath, output }) => {
    const { name } = settings;
    if (name === undefined)
      throw new CommandError('usage', 'no --name was given', 'For example: frostmark requester init --name dave');
    const { initRequester } = await import('../../../requester/init.ts');
    const card = await initRequester(homePath, name);
    output.result(card, { name, card });
    output.talk('Give this card to a member of the group: it goes into requesters.yaml.');
  },
});

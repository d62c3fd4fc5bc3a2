/** `frostmark participant join` */
import type { JoinEvent, JoinReview } from '../../../participant/join.ts';
import { coordinatorOptions, readAuthority, requireCoordinator } from '../../asking.ts';
import { defineCommand, flag, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import type { Output } from '../../output.ts';
import { untilInterrupted } from '../../interrupt.ts';

export const command = defineCommand({
  home: 'participant',
  arguments: [{ name: '<charter>', help: 'CHARTER.yaml, the same file for every member' }],
  options: {
    ...coordinatorOptions,
    requesters: text('FILE', 'requesters.yaml, version 1, the same file for every member'),
    'passphrase-file': text('FILE', 'the passphrase for the share, instead of asking'),
    yes: flag('agree to the charter without being asked'),
  },
  about: `Makes the group's key together with all other members: nobody ever holds it
whole. Every member runs this with the same charter, and it waits for them.
It shows the charter first: look at every line, then compare the charter's hash
with the others. Your share is stored encrypted under the passphrase.
Interrupted, or after a crash: all run it again.`,
  example: `frostmark participant join charter.yaml --requesters requesters.yaml \\
  --coordinator https://sign.example.org:7443/#AbC…`,
  next: `Publish the GROUP.pub line that it prints: installers pin it.
Then keep the daemon running: frostmark participant serve`,
  run: async ({ args, settings, homePath, output }) => {
    const [charterPath = ''] = args;
    const coordinator = requireCoordinator(settings.coordinator);
    const { joinCeremony } = await import('../../../participant/join.ts');
    const { charterReview } = await import('../../charter-text.ts');
    const { confirm } = await import('../../prompt.ts');
    const ca = await readAuthority(settings.ca);
    const passphraseFile = settings['passphrase-file'];
    const joined = await untilInterrupted(
      (signal) =>
        joinCeremony({
          home: homePath,
          charterPath,
          coordinator,
          requestersPath: settings.requesters,
          confirm: async ({ charter, requesters, self }: JoinReview) => {
            output.talk(charterReview(charter, requesters, self));
            if (settings.yes !== true) await confirm('Make the key with this charter?', '--yes');
            return true;
          },
          progress: (event) => tell(event, output),
          passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
          insecure: settings.insecure,
          ca,
          signal,
        }),
      () => new CommandError('interrupted', 'stopped', 'What is stored stays: run join again, and so must the others.'),
    );
    output.result(joined.groupLine, { group: joined.groupLine, file: joined.groupPath });
    output.talk(`This line is in ${joined.groupPath}. Publish it: installers pin it.`);
    output.talk('Next: frostmark participant serve');
  },
});

function tell(event: JoinEvent, output: Output): void {
  output.event({ event });
  switch (event.kind) {
    case 'connected':
      output.talk('connected to the coordinator');
      return;
    case 'disconnected':
      output.talk(`disconnected (${event.reason}); trying again`);
      return;
    case 'waiting':
      output.talk(`${event.step}: waiting for ${event.for.join(', ')}`);
      return;
    case 'certified':
      output.talk(`all members hold the certificate ${event.certificate.slice(0, 16)}…: the key is made`);
      return;
    case 'signing':
      output.talk(`signing ${event.documents.join(', ')}`);
      return;
    case 'signed':
      output.talk(`signed ${event.document}`);
      return;
  }
}

/** `frostmark participant join` */
import type { JoinEvent, JoinReview } from '../../../participant/join.ts';
import { printable } from '../../../verifier/printable.ts';
import type { StrangeHello } from '../../../protocol/ceremony/events.ts';
import { coordinatorOptions, readAuthority, requireCoordinator } from '../../ask-coordinator.ts';
import { defineCommand, flag, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import type { Output } from '../../output.ts';
import { untilInterrupted } from '../../interrupt.ts';
import { LiveBlock } from '../../text/progress.ts';

/**
 * Prints the line of GROUP.pub once the key is live; JSON: `{ group, file, origin }` after one `{ event }` for each step. Throws what
 * `joinCeremony` does.
 */
export const command = defineCommand({
  home: 'participant',
  arguments: [{ name: '<charter>', help: 'CHARTER.yaml, the same file for every member' }],
  options: {
    ...coordinatorOptions,
    requesters: text('FILE', 'requesters.yaml, version 1, the same file for every member'),
    import: text('FILE', 'a key that group import has split, the same file for every member'),
    'passphrase-file': text('FILE', 'the passphrase for the share, instead of asking'),
    yes: flag('agree to the charter without being asked'),
  },
  about: `Makes the group's key together with all other members: nobody ever holds it
whole. Every member runs this with the same charter, and it waits for them.
It shows the charter first: look at every line, then compare the charter's hash
with the others; sha256sum prints the same. The charter, the OpenPGP line in it and
the quorums are for ever: another one is another key. Your share is stored
encrypted under the passphrase.
Whoever came with a wrong file comes again with the right one, while the others
wait. Interrupted later, or after a crash: all run it again.`,
  example: `frostmark participant join charter.yaml --requesters requesters.yaml \\
  --coordinator https://sign.example.org:7443/#AbC…`,
  next: `Publish the GROUP.pub line that it prints: installers pin it.
Then keep the daemon running: frostmark participant serve`,
  run: async ({ args, settings, homePath, output }) => {
    const [charterPath = ''] = args;
    const coordinator = requireCoordinator(settings.coordinator);
    const { joinCeremony } = await import('../../../participant/join.ts');
    const { charterReview } = await import('../../text/charter.ts');
    const { importedAdvice } = await import('../../text/import.ts');
    const { confirm } = await import('../../prompt.ts');
    const ca = await readAuthority(settings.ca);
    const passphraseFile = settings['passphrase-file'];
    const progress = new Progress(output);
    const joined = await untilInterrupted(
      (signal) =>
        joinCeremony({
          home: homePath,
          charterPath,
          coordinator,
          requestersPath: settings.requesters,
          importPath: settings.import,
          confirm: async (review: JoinReview) => {
            output.talk(charterReview(review));
            if (settings.yes !== true) await confirm('Make the key with this charter?', '--yes');
            return true;
          },
          progress: (event) => progress.tell(event),
          passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
          insecure: settings.insecure,
          ca,
          signal,
        }),
      () => new CommandError('interrupted', 'stopped', 'What is stored stays: run join again, and so must the others.'),
    );
    output.result(joined.groupLine, { group: joined.groupLine, file: joined.groupPath, origin: joined.origin });
    output.talk(`This line is in ${joined.groupPath}. Publish it: installers pin it.`);
    if (joined.origin === 'imported') output.talk(importedAdvice);
    output.talk('Next: frostmark participant serve');
  },
});

/** Tells the steps of a ceremony: one line that changes for a person, and only what matters elsewhere. */
class Progress {
  readonly #output: Output;
  readonly #block: LiveBlock | undefined;
  #step: string | undefined;
  /** What was told of hellos under other files. */
  readonly #strange = new Set<string>();

  constructor(output: Output) {
    this.#output = output;
    this.#block = output.isLive ? new LiveBlock(output.stderr) : undefined;
  }

  tell(event: JoinEvent): void {
    this.#output.event({ event });
    if (event.kind === 'waiting') {
      for (const hello of event.strange) this.#warn(strangeText(hello));
      if (event.for.length > 0) this.#wait(event.step, event.for);
    } else this.#say(textOf(event));
  }

  #wait(step: string, names: readonly string[]): void {
    const text = `${step}: waiting for ${names.join(', ')}`;
    if (this.#block !== undefined) this.#block.draw([text]);
    // People are waited for at the first step only; the others pass by themselves.
    else if (step === 'hello' || step !== this.#step) this.#output.talk(text);
    this.#step = step;
  }

  /** Once each. */
  #warn(text: string): void {
    if (this.#strange.has(text)) return;
    this.#strange.add(text);
    this.#block?.clear();
    this.#output.warn(text);
  }

  #say(text: string): void {
    this.#block?.clear();
    this.#output.talk(text);
  }
}

function strangeText({ from, file, theirs, ours }: StrangeHello): string {
  const hashes =
    file === 'requesters'
      ? 'compare the files (sha256sum)'
      : `theirs ${theirs === null ? 'is none' : `has the SHA-256 ${theirs}`}, yours ${ours === null ? 'is none' : ours}`;
  return `${from} joined with another ${file} file: ${hashes}. Whoever has the wrong one stops (Ctrl-C) and runs join again with the right one; the others go on waiting.`;
}

function textOf(event: Exclude<JoinEvent, { readonly kind: 'waiting' }>): string {
  switch (event.kind) {
    case 'connected':
      return 'connected to the coordinator';
    case 'disconnected':
      return `not connected: ${printable(event.reason)} (trying again)`;
    case 'clocks-differ':
      return `${event.difference}; set the one that is wrong`;
    case 'certified':
      return `all members hold the certificate of epoch ${event.epoch.slice(0, 16)}…: the key is made`;
    case 'signing':
      return `signing ${event.documents.join(', ')}`;
    case 'signed':
      return `signed ${event.document}`;
  }
}

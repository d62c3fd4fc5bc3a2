/** `frostmark group consent` */
import { askingOptions, readGroup } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { connectToAsk, submitAndWait, waitingOptions } from '../../waiting.ts';

/** One round of the new group's production. JSON: `{ id, signed, written }`. Throws what `submitAndWait` and `assertOutputs` do. */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<old-group>', help: 'GROUP.pub of the group that is going to end' }],
  options: {
    out: flagOnly(text('FILE', 'where the consent goes (default: GROUP.consent)')),
    force: flag('replace FILE, whatever it is'),
    ...askingOptions,
    ...waitingOptions,
  },
  about: `Has this group, the new one, agree that its key comes after the key of another: the
first of two rounds. The old group endorses only what was agreed to, and a consent
alone says nothing about the old key.`,
  example: 'frostmark group consent OLD.pub --group GROUP.pub',
  next: 'In the old group: frostmark group endorse GROUP.pub --consent GROUP.consent',
  run: async (call) => {
    const { args, settings, output, world } = call;
    const { name, key } = await readGroup(args[0]);
    if (name === null)
      throw new CommandError('usage', 'a PEM file does not tell the name of the group', 'Give its GROUP.pub.');
    const { out = 'GROUP.consent', force = false, note } = settings;
    const { requestDate } = await import('../../../requester/dating.ts');
    const { askForConsent, isConsent } = await import('../../../requester/endorse.ts');
    const { assertOutputs } = await import('../../../requester/outputs.ts');
    using connection = await connectToAsk(call);
    const { group, identity } = connection;
    const outputs = [{ path: out, what: 'the consent', size: 4096, isOurs: isConsent }];
    await assertOutputs({ inputs: [], outputs, force });
    const date = requestDate(connection, world.nowUnixSeconds());
    const submission = askForConsent(group, { group: { name, key }, note }, identity, date);
    const { digest, view } = await submitAndWait(call, connection, submission);
    if (view === undefined) {
      output.result(digest, { id: digest, signed: false, written: [] });
      return;
    }
    const { openResult } = await import('../../../requester/bundle.ts');
    const { writeFileAtomic } = await import('../../../home/files.ts');
    const [file] = openResult(group, view.request, submission.documents, view.body.signatures);
    await writeFileAtomic(out, Buffer.concat([file?.bytes ?? new Uint8Array(), Buffer.from('\n')]), { mode: 0o644 });
    output.result(out, { id: digest, signed: true, written: [out] });
  },
});

/** `frostmark evidence verify` */
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../errors.ts';

/** Prints one line a verdict; JSON: one object each. Reads files only. Throws `CommandError('nothing-proved')`, exit code 3. */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<file...>', help: 'evidence files: of a round, or of members whose ceremony failed' }],
  options: {},
  about: `Judges evidence offline, and names whoever it proves to have misbehaved; compare
the charter's hash before you believe who is who. After a ceremony in which
members saw different messages, give the files of several members: together
they show who signed two versions. Nobody honest is ever named. Ends in 3 when
nothing is proved.`,
  example: 'frostmark evidence verify alice.json bob.json',
  next: 'Talk to the others; whoever lied is left out of the next charter.',
  run: async ({ args, output }) => {
    const { judgeFiles } = await import('../../judge-files.ts');
    const { verdicts, refused } = await judgeFiles(args);
    for (const { file, reason } of refused) output.warn(`${file}: ${reason}`);
    if (verdicts.length === 0)
      throw new CommandError(
        'nothing-proved',
        'these files prove nothing against anybody',
        'After a split view, add the files of more members: each home keeps evidence-….json',
      );
    for (const { culprit, deed, group, charterHash, groupLine, requestDigest } of verdicts)
      output.result(`${culprit.name} of ${group} ${deed} (charter ${charterHash})`, {
        culprit: culprit.name,
        key: culprit.key,
        deed,
        group,
        charter: charterHash,
        groupKey: groupLine ?? null,
        request: requestDigest ?? null,
      });
  },
});

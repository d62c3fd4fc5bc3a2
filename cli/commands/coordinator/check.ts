/** `frostmark coordinator check` */
import { defineCommand, flag, flagOnly } from '../../command.ts';
import { countText } from '../../text/page.ts';

/** JSON: `{ logs }`, each with what was found in it. Exits with 1 if anything is not what was written. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [],
  options: { rebuild: flagOnly(flag('make indexes that are wrong anew, from the records')) },
  about: `Reads everything that the coordinator of this home has stored, while it does not
run: every record is proved against the head of its group's log, every document and
certificate against its hash, and the indexes are compared with the records.`,
  example: 'frostmark coordinator check',
  next: `A damaged record cannot be made good here: put an undamaged copy of the home
back. Indexes can: frostmark coordinator check --rebuild`,
  run: async ({ settings, homePath, output }) => {
    const { checkStore } = await import('../../../coordinator/maintain.ts');
    const logs = await checkStore(homePath, { rebuild: settings.rebuild === true });
    const { checkedText } = await import('../../text/coordinator.ts');
    output.result(checkedText(logs), { logs });
    const bad = logs.filter(({ problems }) => problems.length > 0);
    if (bad.length === 0) return;
    const advice = bad.every(({ isIndexOnly }) => isIndexOnly)
      ? 'only indexes are wrong: frostmark coordinator check --rebuild'
      : 'put an undamaged copy of the home back that is as new';
    const { CoordinatorError } = await import('../../../coordinator/errors.ts');
    throw new CoordinatorError(
      'store-damaged',
      `of ${countText(logs.length, 'log')} ${bad.length} not what was written; ${advice}`,
    );
  },
});

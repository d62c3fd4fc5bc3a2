/** Answers on a control socket until it is killed: `PATH`. */
import { listenForCommands, type Status } from '../../../participant/control.ts';

const [path = ''] = process.argv.slice(2);
await listenForCommands(
  path,
  () => Promise.resolve({ status: { member: 'doomed' } as Status }),
  () => undefined,
);
process.stdout.write('listening\n');

/** Does what a daemon does about SIGUSR1, and for each line on stdin prints where its inspector listens. */
import { url } from 'node:inspector';
import { createInterface } from 'node:readline';
import { ignoreInspectorSignal } from '../../../participant/inspector.ts';

ignoreInspectorSignal();
process.stdout.write('ready\n');
createInterface({ input: process.stdin }).on('line', () => process.stdout.write(`${url() ?? 'nowhere'}\n`));

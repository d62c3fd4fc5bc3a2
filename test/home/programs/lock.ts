/** Locks the participant home in argv, says `locked` or the refusal, and holds on until stdin ends; obeys `go`, `child`, `collect` and `release`. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { openHome } from '../../../home/home.ts';
import { acquireLock } from '../../../home/lock.ts';

const [path, start] = process.argv.slice(2);
const home = await openHome('participant', path);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const commands = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

if (start === 'wait') {
  print('ready');
  await commands.next();
}
const lock = await acquireLock(home).catch((error: unknown) => {
  print(String(error));
  process.exit(1);
});
print('locked');

for (let command = await commands.next(); command.done !== true; command = await commands.next()) {
  switch (command.value) {
    case 'child':
      print(String(spawn('sleep', ['60'], { stdio: 'ignore' }).pid));
      break;
    case 'collect':
      globalThis.gc?.();
      print(globalThis.gc === undefined ? 'no collector' : 'collected');
      break;
    case 'release':
      await lock[Symbol.asyncDispose]();
      await lock[Symbol.asyncDispose]();
      print('released');
      break;
  }
}

/** The one-file verifier: `frostmark-verify FILE --key GROUP.pub`. */
// First, because it ends the program where the rest cannot run.
import './runtime.ts';
import { runVerify } from './command.ts';
import { watchOutput } from './unwritten.ts';

const endWith = watchOutput(process);

// Not awaited here: Node 12 cannot read an await outside of functions, and should say that it is too old.
void runVerify(process.argv.slice(2), {
  program: 'frostmark-verify',
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  nowUnixSeconds: () => Math.floor(Date.now() / 1000),
}).then((code) => {
  process.exitCode = endWith(code);
});

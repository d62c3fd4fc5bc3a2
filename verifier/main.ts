/** The one-file verifier: `frostmark-verify FILE --key GROUP.pub`. */
import { runVerify } from './command.ts';

process.exitCode = await runVerify(process.argv.slice(2), {
  program: 'frostmark-verify',
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  nowUnixSeconds: () => Math.floor(Date.now() / 1000),
});

/** Opens a policy that runs a program as another user, and prints what that came to. */
import { ExecRunner } from '../../../participant/exec.ts';

const exec = {
  place: 'policy.yaml:3',
  run: ['/bin/true'],
  timeoutSeconds: 1,
  memoryBytes: undefined,
  user: 'daemon',
  sandbox: undefined,
};
try {
  await ExecRunner.open(
    { file: '', rules: [{ place: '', line: 1, action: 'exec', reason: null, exec, match: {} }], description: '' },
    () => undefined,
  );
  process.stdout.write('opened\n');
} catch (error) {
  process.stdout.write(`${(error as { code: string }).code}: ${(error as Error).message}\n`);
}

/** Opens a policy that runs a program as another user, by name `argv[2]`, runs the script `argv[3]` if there is one, and prints what that came to. */
import { ExecRunner } from '../../../participant/exec.ts';
import type { RequestPayload } from '../../../protocol/request/request.ts';

const [, , user = 'daemon', script] = process.argv;
const exec = {
  place: 'policy.yaml:3',
  run: ['/bin/sh', '-c', script ?? 'exit 0'],
  timeoutSeconds: 1,
  memoryBytes: undefined,
  user,
  sandbox: undefined,
};
try {
  const runner = await ExecRunner.open(
    { file: '', rules: [{ place: '', line: 1, action: 'exec', reason: null, exec, match: {} }], description: '' },
    () => undefined,
  );
  process.stdout.write('opened\n');
  const subject = { digest: '11'.repeat(32), requester: 'dave', payload: { product: 'widget' } as RequestPayload };
  if (script !== undefined) {
    const { summary } = await runner.run(exec, subject, () => undefined, new AbortController().signal);
    process.stdout.write(`${summary}\n`);
  }
} catch (error) {
  process.stdout.write(`${(error as { code: string }).code}: ${(error as Error).message}\n`);
}

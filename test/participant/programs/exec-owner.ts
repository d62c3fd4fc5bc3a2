/** Runs a program of a policy that never ends and has a child, prints the process ids of both, and waits. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecRunner } from '../../../participant/exec.ts';
import type { RequestPayload } from '../../../protocol/request/request.ts';

const folder = await mkdtemp(join(tmpdir(), 'frostmark-owner-'));
const path = join(folder, 'socket');
const server = createServer().listen(path);
await once(server, 'listening');
const report = `import socket, os, sys, time
pid = os.fork()
if pid > 0:
  line = socket.socket(socket.AF_UNIX)
  line.connect(sys.argv[1])
  line.sendall(f"{os.getpid()} {pid}\\n".encode())
time.sleep(3600)`;
const exec = {
  place: 'policy.yaml:3',
  run: ['/usr/bin/env', 'python3', '-c', report, path],
  timeoutSeconds: 3600,
  memoryBytes: undefined,
  user: undefined,
  sandbox: undefined,
};
const runner = await ExecRunner.open(
  { file: '', rules: [{ place: '', line: 1, action: 'exec', reason: null, exec, match: {} }], description: '' },
  () => undefined,
);
server.once('connection', (socket) => {
  socket.once('data', (line) => {
    void rm(folder, { recursive: true }).then(() => process.stdout.write(line));
  });
});
const payload = { product: 'widget' } as RequestPayload;
await runner.run(
  exec,
  { digest: '11'.repeat(32), requester: 'dave', payload },
  () => undefined,
  new AbortController().signal,
);

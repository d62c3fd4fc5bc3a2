/** A coordinator as a process: HOME PORT LIMITS [URL]. Prints its URL and its port when it listens; stops on SIGTERM. */
import type { Limits } from '../../coordinator/limits.ts';
import { startCoordinator } from '../../coordinator/main.ts';

const [home = '', port = '0', limits = '{}', url] = process.argv.slice(2);
const coordinator = await startCoordinator({
  home,
  listen: { host: '127.0.0.1', port: Number(port) },
  limits: JSON.parse(limits) as Partial<Limits>,
  url,
});
process.stdout.write(`${coordinator.url}\n${coordinator.port}\n`);
process.once('SIGTERM', () => void coordinator.close());
const reason = await coordinator.closed;
process.exitCode = reason === undefined ? 0 : 1;

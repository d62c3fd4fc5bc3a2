import { it } from 'vitest';
import { wildSuccession } from '/tmp/w/succession/test/harness/succession-wild.ts';
it('wild', () => {
  const from = Number(process.env['FROM'] ?? 1), n = Number(process.env['N'] ?? 100);
  const total: Record<string, number> = {};
  const errors: string[] = [];
  const t = process.cpuUsage();
  for (let seed = from; seed < from + n; seed++) {
    try { for (const [k, v] of Object.entries(wildSuccession(seed))) total[k] = (total[k] ?? 0) + v; }
    catch (e) { errors.push(String((e as Error).message).slice(0, 300) + (process.env['STACK'] ? (e as Error).stack : '')); }
  }
  console.log(total, 'cpu ms/seed', process.cpuUsage(t).user / 1000 / n, 'errors', errors.length);
  console.log(errors.slice(0, 25).join('\n'));
}, 600000);

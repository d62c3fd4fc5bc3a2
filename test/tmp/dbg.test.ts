import { it } from 'vitest';
import { WildRun } from '../harness/succession-wild.ts';
it('dbg', () => {
  for (const seed of (process.env['SEEDS'] ?? '5').split(',').map(Number)) {
  const run = new WildRun(seed);
  try { run.run(); console.log('ok', seed); } catch (e) {
    const out: string[] = [String((e as Error).message)];
    for (const p of run.network.players) {
      const { phase } = p.state.ceremony; const o = p.state.opening;
      out.push(`${p.person.name} id${p.self.identifier} ${run.liars.has(p.self.key) ? 'LIAR ' : ''}${p.down ? 'down ' : ''}${phase.kind} ${'ceremony' in phase ? phase.ceremony.slice(0, 6) : ''} live:${p.disk.memory.live?.epoch.slice(0,6)} wait:${p.waitingFor} silences:${o.silences} without:${[...o.without].map(([k, w]) => run.network.players.find((x) => x.self.key === k)!.person.name + ':' + w)} begins:${[...o.begins].slice(-5).map(([id, b]) => id.slice(0, 4) + '/' + b.payload.counter + '/' + b.from.name).join(" ")} joined:${[...p.disk.memory.ceremonies.joined].map((x) => x.slice(0, 4))} left:${[...p.disk.memory.ceremonies.left.keys()].map((x) => x.slice(0, 4))} hellos:${[...o.hellos.values()].map((h) => h.from.name + h.hash.slice(0, 4))} asked:${o.asked?.counter} fail:${p.failures.map((f) => f.message)} refus:${p.refusals}`);
    }
    for (const m of run.network.log.slice(-Number(process.env['LOG'] ?? 0))) out.push(`${m.kind} ${m.from.name} ${'ceremony' in m.payload ? m.payload.ceremony.slice(0, 4) : ''} ${m.kind === 'leave' ? m.payload.code + ' ' + m.payload.suspect + ' ' + m.payload.reason : m.kind === 'begin' ? m.payload.counter + JSON.stringify(m.payload.dealers) : m.kind === 'hello' ? m.payload.serial + ' ' + m.hash.slice(0, 4) : ''}`);
    console.log(out.join('\n'));
  } }
}, 100000);

/** A key that is handed on with everybody honest, then with liars, silence and crashes (T47). */
import { describe, expect, it } from 'vitest';
import { SuccessionNetwork, type SuccessionFaults } from '../harness/succession-network.ts';
import { exponentStage, sodiumStage, secretOf, plans, type StagePlan } from '../harness/succession-stage.ts';
import { seededRandom } from '../harness/random.ts';

/** Everybody gives a share of genesis, and sees it live. */
function finish(run: SuccessionNetwork): void {
  run.askToSign();
  const [certificate, another] = run.live();
  expect(certificate).toBeDefined();
  expect(another).toBeUndefined();
  for (const player of run.players) run.show(player, certificate!);
}

function stageOf(plan: StagePlan, seed: number, faults: SuccessionFaults = {}): SuccessionNetwork {
  return new SuccessionNetwork(exponentStage(plan, seed), seededRandom(seed), faults);
}

describe('a succession', () => {
  it.each(Object.entries(plans))('ends with the same key in the new hands and erased old shares: %s', (_, plan) => {
    const run = stageOf(plan, 1);
    const before = secretOf(run, 'old');
    run.run();
    expect(run.players.flatMap(({ failures }) => failures)).toEqual([]);
    expect(run.heirs.map(({ state }) => state.ceremony.phase.kind)).toEqual(run.heirs.map(() => 'done'));
    finish(run);
    expect(secretOf(run, 'new')).toEqual(before);
    for (const player of run.players) {
      expect(player.old.size).toBe(0);
      expect(player.disk.memory).toMatchObject({ isRetired: true, isErased: true });
      expect(player.attested).toHaveLength(1);
    }
  });

  it('does so with signed envelopes and real arithmetic', async () => {
    const run = new SuccessionNetwork(await sodiumStage(plans.grows), seededRandom(2));
    run.run();
    expect(run.players.flatMap(({ failures }) => failures)).toEqual([]);
    finish(run);
    expect(run.players.every(({ disk }) => disk.memory.isErased)).toBe(true);
  });
});

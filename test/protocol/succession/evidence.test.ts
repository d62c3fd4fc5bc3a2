/** What members keep of a succession that somebody disturbed: outsiders find the liar in it, and nobody else (T45, T47). */
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { encodeEvidence, judgeTogether, successionEvidence } from '../../../protocol/evidence.ts';
import { deal } from '../../../protocol/frost/keygen.ts';
import { sharedSodium, publicGroup } from '../../harness/ceremony-network.ts';
import { person, writeCharter } from '../../harness/people.ts';
import { seededRandom } from '../../harness/random.ts';
import { SuccessionNetwork } from '../../harness/succession-network.ts';
import { decided, founded } from '../../harness/succession-story.ts';

const [alice, bob, carol, dave] = [person('alice'), person('bob'), person('carol'), person('dave')];
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
let run: SuccessionNetwork;

beforeAll(async () => {
  const tiers = ['a', 'a', 'a'];
  const old = writeCharter({ tiers, production: '{ any: 2 }' }, [alice, bob, carol]).charter;
  const first = await founded(old, [alice, bob, carol]);
  const continues = first.epoch.groupLine;
  const { charter } = writeCharter({ tiers, production: '{ any: 2 }', continues }, [alice, carol, dave]);
  const { plan } = await decided(first, charter, [alice, bob]);
  const arithmetic = await sharedSodium();
  const ground = { from: first.epoch, charter, succession: plan.succession };
  const stage = { arithmetic, people: [alice, bob, carol, dave], ground, shares: first.shares, isSigned: true };
  run = new SuccessionNetwork(stage, seededRandom(1), {
    dealt: (dealt, { person: who }) =>
      who === carol ? dealt.map((one) => ({ ...one, dealing: deal(arithmetic, one.place.of.threshold) })) : dealt,
  });
  run.run();
}, 60_000);

const filesOf = (name: string): Uint8Array[] =>
  run.player(name).evidence.map((view) => encodeEvidence(successionEvidence(run.ground, view)).bytes);

describe('the evidence of a succession', () => {
  it('names the dealer that cut something else, from the files of any one honest member', () => {
    const files = run.heirs.flatMap(({ person: who }) => (who === carol ? [] : filesOf(who.name)));
    expect(files.length).toBeGreaterThan(0);
    const verdicts = judgeTogether(publicGroup, files);
    expect(new Set(verdicts.map(({ culprit }) => culprit.name))).toEqual(new Set(['carol']));
    expect(verdicts[0]).toMatchObject({
      deed: 'dealt wrongly: its dealings for production do not sum to its old share',
      groupLine: run.ground.from.groupLine,
    });
  });

  it('proves nothing against anybody under another document, charter or epoch (T45)', () => {
    const [bytes] = run.heirs.flatMap(({ person: who }) => (who === carol ? [] : filesOf(who.name)));
    const file = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const judge = (change: object) => judgeTogether(publicGroup, [encodeCanonicalJson({ ...file, ...change })]);
    const { payload } = run.ground.succession;
    const other = (change: object): string =>
      Buffer.from(encodeCanonicalJson({ ...payload, ...change })).toString('base64');
    // The begin names the document, so under another one nothing is known of who had to deal what.
    expect(judge({ document: other({ until: '2026-11-29T00:00:00Z' }) })).toEqual([]);
    expect(() => judge({ document: other({ epoch: '11'.repeat(32) }) })).toThrow(code('bad-evidence'));
    expect(() => judge({ charter: (file['before'] as Record<string, string>)['charter'] })).toThrow(
      code('bad-evidence'),
    );
    expect(judge({ opening: [] })).toEqual([]);
  });
});

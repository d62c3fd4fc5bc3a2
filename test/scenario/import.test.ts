/** A ceremony that makes the other channels' keys, and takes production's out of an import file: with everybody honest, then with other files, liars and crashes. */
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import {
  ceremonyId,
  ceremonyMessageType,
  openCeremonyMessage,
  transcriptMessage,
  type CeremonyPayload,
} from '../../protocol/ceremony/messages.ts';
import { buildCertificate, decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch } from '../../protocol/ceremony/epoch.ts';
import { transcriptHash, type Transcript } from '../../protocol/ceremony/transcript.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { ceremonyEvidence, encodeEvidence, judgeEvidence } from '../../protocol/evidence.ts';
import { viewOf } from '../protocol/support.ts';
import { CeremonyNetwork, publicGroup, sharedSodium } from '../harness/ceremony-network.ts';
import { importBytes, importedFor, importNetwork, rfc8032Keys } from '../harness/import.ts';
import { writeCharter, type CharterPlan } from '../harness/people.ts';
import { seededRandom } from '../harness/random.ts';
import { liveGroupOf, releaseRequest, RoundNetwork } from '../harness/round-network.ts';
import { codeOf, payloadOf } from '../protocol/support.ts';

const flat: CharterPlan = {
  tiers: ['build', 'admin', 'admin', 'hardware', 'hardware'],
  production: '{ any: 3 }',
  development: '{ hardware: 2 }',
};
const tiered: CharterPlan = {
  tiers: ['admin', 'admin', 'admin', 'build', 'build', 'spare'],
  production: '{ admin: 2, build: 1 }',
  development: '{ build: 1 }',
};
const small: CharterPlan = {
  tiers: ['admin', 'admin', 'build'],
  production: '{ any: 2 }',
  development: '{ build: 1 }',
};
const alone: CharterPlan = { tiers: ['admin', 'admin'], production: '{ any: 2 }' };

const [{ publicKey }] = rfc8032Keys;
const groupKey = encodeBase64Url(hexToBytes(publicKey));

function expectOneKey(run: CeremonyNetwork): void {
  const certificates = run.activated();
  expect(run.members.flatMap((member) => member.failures)).toEqual([]);
  expect(certificates).toHaveLength(run.members.length);
  expect(new Set(certificates.map((certificate) => certificate.transcriptHash)).size).toBe(1);
}

const failures = (run: CeremonyNetwork): string[] =>
  run.members.flatMap((member) => member.failures.map((error) => error.message));

describe('a ceremony with an import', () => {
  it.each([
    ['flat', flat],
    ['tiered', tiered],
    ['production alone', alone],
  ])('gives all members one certificate of the imported key, whatever the order (%s)', async (_name, plan) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { people, charter } = writeCharter(plan);
      const run = await importNetwork(charter, people, { random: seed });
      run.run();
      expectOneKey(run);
      const epoch = run.epoch();
      expect(epoch.groupKey).toBe(groupKey);
      expect(epoch.origin).toBe('imported');
      assertAllStored(epoch, run.members[0]!.stored!);
      for (const { state } of run.members) expect(state.phase.kind).toBe('done');
    }
  });

  it.each([
    ['flat', flat],
    ['tiered', tiered],
  ])('makes a group whose releases verify under the original public key (%s)', async (_name, plan) => {
    const { people, charter } = writeCharter(plan);
    const run = await importNetwork(charter, people);
    run.run();
    const live = liveGroupOf(run, people);
    const round = new RoundNetwork(live, releaseRequest(live, 'production'), seededRandom(3));
    for (const signer of round.signers) round.connect(signer);
    for (const { identifier } of round.signers) round.decide(identifier, 'approve');
    round.settle();
    expect(round.round.outcome).toBe('signed');
    const original = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: groupKey }, format: 'jwk' });
    expect(verify(null, round.prepared.messages[0]!, original, round.signatures![0]!)).toBe(true);
  });

  it('deals nothing for production, and lets development be made by its holders as ever', async () => {
    const { people, charter } = writeCharter(tiered);
    const run = await importNetwork(charter, people);
    run.run();
    const reveals = run.log.filter(({ payloadType }) => payloadType === ceremonyMessageType('reveal').payloadType);
    const dealt = reveals.map((one) =>
      (payloadOf(one) as CeremonyPayload<'reveal'>).dealings.map(({ channel }) => channel),
    );
    expect(dealt.flat()).toEqual(['development', 'development']);
    const generated = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(1));
    generated.run();
    expect(generated.epoch().origin).toBe('generated');
    expect(generated.epoch().groupKey).not.toBe(groupKey);
  });

  it('has an id that names the import, and no ceremony without one has it', () => {
    const agreed = { charter: '11'.repeat(32), requesters: '22'.repeat(32), import: '33'.repeat(32) };
    const nonces = ['44'.repeat(32), '55'.repeat(32)];
    const ids = [
      ceremonyId(agreed, nonces),
      ceremonyId({ ...agreed, import: null }, nonces),
      ceremonyId({ ...agreed, import: '66'.repeat(32) }, nonces),
      ceremonyId({ ...agreed, import: null }, [agreed.import, ...nonces]),
    ];
    expect(new Set(ids).size).toBe(4);
  });
});

describe('members with different import files', () => {
  it('wait before any secret is made, and are told whose file is another', async () => {
    const { people, charter } = writeCharter(small);
    const one = await importedFor(charter, people, await importBytes(charter));
    const other = await importedFor(charter, people, await importBytes(charter));
    const imported = (name: string) => (name === 'build-3' ? other(name) : one(name));
    const run = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(2), { imported });
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run)).toEqual([]);
    const [told] = run.members[0]!.strange;
    expect(told).toMatchObject({ from: 'build-3', file: 'import' });
    expect(new Set([told!.theirs, told!.ours]).size).toBe(2);
    expect(run.members[2]!.strange.map(({ from }) => from)).toEqual(['admin-1', 'admin-2']);
    expect(run.log.every(({ payloadType }) => payloadType === ceremonyMessageType('hello').payloadType)).toBe(true);
  });

  it('wait when one of them has none', async () => {
    const { people, charter } = writeCharter(small);
    const one = await importedFor(charter, people, await importBytes(charter));
    const imported = (name: string) => (name === 'admin-2' ? undefined : one(name));
    const run = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(2), { imported });
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run)).toEqual([]);
    expect(run.members[0]!.strange).toMatchObject([{ from: 'admin-2', file: 'import', theirs: null }]);
    expect(run.members[1]!.strange).toMatchObject([{ from: 'admin-1', ours: null }, { from: 'build-3' }]);
  });
});

describe('a member of a ceremony with an import', () => {
  it('is a liar when it deals for production after all, with evidence that an outsider can judge', async () => {
    const { people, charter } = writeCharter(small);
    let lied = false;
    const run = await importNetwork(charter, people, {
      faults: {
        deal: (reveal, from) => {
          if (from !== 'admin-1') return reveal;
          lied = true;
          const [commitment] = [
            { channel: 'production', sharing: 0, commitments: ['11'.repeat(32)], proof: '22'.repeat(64) },
          ];
          return { ...reveal, dealings: [commitment, ...reveal.dealings] };
        },
      },
    });
    run.run();
    expect(lied).toBe(true);
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('admin-1 dealt wrongly: it dealt 1 sharings instead of 0');
    const [evidence] = run.members.flatMap((member) => member.evidence.filter((one) => one.messages.length > 2));
    const verdict = judgeEvidence(publicGroup, encodeEvidence(ceremonyEvidence(evidence!)).bytes);
    expect(verdict.culprit.name).toBe('admin-1');
  });

  it('cannot be framed for dealing nothing for production: the hellos name the import', async () => {
    const { people, charter } = writeCharter(small);
    const run = await importNetwork(charter, people);
    run.run();
    const of = (kind: 'hello' | 'commit' | 'reveal') =>
      charter.members.map((member) =>
        run.log.find((one) => {
          const message = openCeremonyMessage(one, charter);
          return message.kind === kind && message.from.key === member.key;
        })!,
      );
    const honest = [of('commit')[0]!, of('reveal')[0]!];
    const hellos = of('hello');
    const judge = (more: typeof hellos) => () =>
      judgeEvidence(publicGroup, encodeEvidence(viewOf(charter, [...honest, ...more])).bytes);
    expect(codeOf(judge(hellos))).toBe('bad-evidence');
    // Members who say afterwards that there was no import speak of another ceremony.
    const denied = hellos.map((hello, index) =>
      sealMessage<unknown>(ceremonyMessageType('hello'), { ...payloadOf(hello), import: null }, people[index]!),
    );
    expect(codeOf(judge(denied))).toBe('bad-evidence');
  });

  it.each([1, 2, 3, 4])('may crash and join again with the same file (seed %i)', async (random) => {
    const { people, charter } = writeCharter(small);
    let crashed = false;
    const run = await importNetwork(charter, people, {
      random,
      faults: {
        tick: (network) => {
          const victim = network.members[random % 3]!;
          if (crashed || network.log.length < 3 * random) return;
          crashed = true;
          network.crash(victim);
          network.restart(victim);
        },
      },
    });
    run.run();
    expect(crashed).toBe(true);
    expectOneKey(run);
    expect(run.epoch().groupKey).toBe(groupKey);
  });
});

describe('the certificate of an import', () => {
  const setUp = async () => {
    const { people, charter } = writeCharter(tiered);
    const run = await importNetwork(charter, people);
    run.run();
    const { certificate } = run.epoch();
    const resign = (transcript: Transcript) =>
      buildCertificate(
        transcript,
        people.map((who, index) => {
          const { proofs } = payloadOf(certificate.signatures[index]!) as CeremonyPayload<'transcript'>;
          const payload = { ceremony: transcript.ceremony, transcript: transcriptHash(transcript), proofs };
          return sealMessage(transcriptMessage, payload, who);
        }),
      );
    const { transcript } = certificate;
    if (transcript.origin !== 'imported') throw new Error('it is not imported');
    return { charter, certificate, transcript, resign };
  };

  it('reads back from its bytes, and names file and key', async () => {
    const { charter, certificate, transcript } = await setUp();
    expect(decodeCertificate(certificate.bytes)).toEqual(certificate);
    expect(openEpoch(publicGroup, charter, decodeCertificate(certificate.bytes)).groupKey).toBe(groupKey);
    expect(transcript.import.groupKey).toBe(groupKey);
    expect(Object.keys(transcript).slice(0, 3)).toEqual(['version', 'origin', 'import']);
  });

  it('is refused when its sharings do not sum to the imported key, whoever signs it', async () => {
    const { charter, transcript, resign } = await setUp();
    const other = { ...transcript.import, groupKey: encodeBase64Url(hexToBytes(rfc8032Keys[1].publicKey)) };
    const changed = resign({ ...transcript, import: other });
    expect(() => openEpoch(publicGroup, charter, changed)).toThrow('do not sum to the imported key');
  });

  it('is refused with an origin that is not what was signed', async () => {
    const { charter, certificate, transcript } = await setUp();
    const { charter: of, requesters, ceremony, channels, messages } = transcript;
    const made = { charter: of, requesters, ceremony, channels, messages };
    const generated: Transcript = { version: 1, origin: 'generated', ...made };
    expect(codeOf(() => openEpoch(publicGroup, charter, buildCertificate(generated, certificate.signatures)))).toBe(
      'bad-certificate',
    );
    for (const origin of ['generated', 'made', '']) {
      const text = new TextDecoder().decode(certificate.bytes).replace('"origin":"imported"', `"origin":"${origin}"`);
      expect(codeOf(() => decodeCertificate(new TextEncoder().encode(text)))).toBe('bad-certificate');
    }
  });

  it('is proved share by share as ever: a member’s proof under another transcript does not hold', async () => {
    const { charter, transcript, resign } = await setUp();
    const other = { ...transcript.import, file: '00'.repeat(32) };
    expect(() => openEpoch(publicGroup, charter, resign({ ...transcript, import: other }))).toThrow(
      'its proof of share',
    );
  });
});

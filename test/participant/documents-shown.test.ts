/** What an approver is shown of a document: its contents by its grammar, and of a manifest what changed since the last one that was signed. */
import { describe, expect, it } from 'vitest';
import { bytesToHex, sha256Hex, utf8ToBytes } from '../../protocol/wire/bytes.ts';
import { manifestOf } from '../../protocol/documents/manifest.ts';
import { followRequest, prepareRequest } from '../../protocol/formats/index.ts';
import type { Request } from '../../protocol/request/request.ts';
import { quorumSign } from '../requester/support.ts';
import { makeParticipant, makeWorld, release, requestFrame, type TestParticipant, type World } from './members.ts';

const plan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }', development: '{ any: 1 }' };
const artifact = (name: string, content: string) => ({
  name,
  size: content.length,
  sha256: sha256Hex(utf8ToBytes(content)),
  sha512: 'ab'.repeat(64),
});

/** A release with one whole document, and the bytes behind it. */
function withDocument(world: World, kind: string, bytes: Uint8Array, change: object = {}): Request {
  const documents = [{ kind, size: bytes.length, sha256: sha256Hex(bytes) }];
  return release(world, { formats: ['minisign'], artifacts: [], documents, ...change });
}

async function shown(world: World, requests: readonly [Request, Uint8Array][]): Promise<TestParticipant> {
  const documents = new Map(requests.map(([, bytes]) => [sha256Hex(bytes), bytes]));
  const participant = await makeParticipant(world, 1, { documents });
  for (const [request] of requests) await participant.receive(requestFrame(request));
  return participant;
}

/** The coordinator says that it is signed, with these signatures of both stages. */
async function close(world: World, participant: TestParticipant, request: Request, bytes: Uint8Array): Promise<void> {
  const prepared = prepareRequest({ epoch: world.live.epoch, request, documents: [bytes] });
  const first = prepared.messages.map((message) => quorumSign(world.live, 'production', message));
  const second = followRequest(prepared, first).map(({ message }) => quorumSign(world.live, 'production', message));
  await participant.receive({
    type: 'closed',
    requestDigest: request.digest,
    outcome: 'signed',
    signatures: [...first, ...second].map(bytesToHex),
    signers: [1, 2],
  });
}

describe('an approver', () => {
  it('reads a git tag by its lines, and is told what nobody can check', async () => {
    const world = await makeWorld(plan);
    const tag = utf8ToBytes(
      `object ${'ab'.repeat(20)}\ntype commit\ntag v1.0.0\ntagger Dave <dave@example.org> 1795000000 +0000\n\nversion 1.0.0\n`,
    );
    const request = withDocument(world, 'git-tag', tag, { formats: ['ssh'] });
    const participant = await shown(world, [[request, tag]]);
    const [contents] = participant.rounds.show(request.digest).contents;
    expect(contents!.fields.find(({ name }) => name === 'tag')).toMatchObject({ value: 'v1.0.0', isChecked: true });
    expect(contents!.fields.find(({ name }) => name === 'object')).toMatchObject({ isChecked: false });
    expect(contents!.text).toContain('version 1.0.0');
  });

  it('is shown nothing, and may not approve, while a document is of another kind than it says (T10)', async () => {
    const world = await makeWorld(plan);
    const notes = utf8ToBytes('These are release notes, not a git tag, whatever the request says.\n');
    const request = withDocument(world, 'git-tag', notes, { formats: ['ssh'] });
    const participant = await shown(world, [[request, notes]]);
    const view = participant.rounds.show(request.digest);
    expect(view).toMatchObject({ state: 'blocked', contents: [], signs: [] });
    expect(view.obstacle).toContain('git-tag');
    await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
      code: 'not-allowed',
    });
  });

  it('sees what a manifest changes since the last one that was signed, stage 2 included', async () => {
    const world = await makeWorld(plan);
    const before = [artifact('a.tgz', 'one'), artifact('b.tgz', 'two')];
    const after = [artifact('a.tgz', 'another'), artifact('c.tgz', 'three')];
    const [old, now] = [manifestOf(before), manifestOf(after)];
    const first = withDocument(world, 'manifest', old, { artifacts: before });
    const second = withDocument(world, 'manifest', now, { artifacts: after });
    const participant = await shown(world, [[first, old]]);
    expect(participant.rounds.show(first.digest).changes).toBeNull();
    await close(world, participant, first, old);
    expect(participant.rounds.show(first.digest)).toMatchObject({ outcome: 'signed', state: 'over' });
    expect(participant.manifests.get('production')).toEqual(old);

    const later = await makeParticipant(world, 1, { documents: new Map([[sha256Hex(now), now]]) });
    later.manifests.set('production', old);
    await later.receive(requestFrame(second));
    expect(later.rounds.show(second.digest).changes).toEqual(['~ a.tgz', '+ c.tgz', '- b.tgz']);
  });

  it('believes no end of a round whose second signature is over something else (T37)', async () => {
    const world = await makeWorld(plan);
    const notes = utf8ToBytes('Release notes of tool 1.0.0, which a person reads before approving.\n');
    const request = withDocument(world, 'text', notes);
    const participant = await shown(world, [[request, notes]]);
    const [message] = prepareRequest({ epoch: world.live.epoch, request, documents: [notes] }).messages;
    const first = bytesToHex(quorumSign(world.live, 'production', message!));
    for (const signatures of [[first], [first, first]]) {
      await participant.receive({
        type: 'closed',
        requestDigest: request.digest,
        outcome: 'signed',
        signatures,
        signers: [1, 2],
      });
      expect(participant.rounds.show(request.digest)).toMatchObject({ outcome: 'pending' });
    }
    await close(world, participant, request, notes);
    expect(participant.rounds.show(request.digest)).toMatchObject({ outcome: 'signed' });
  });
});

import { beforeAll, describe, expect, it } from 'vitest';

import { emptyRequesters, readRequestersFile } from '../../protocol/files/requesters.ts';
import { submissionId } from '../../protocol/request/request.ts';
import { askForDelegation, askForRelease, askForRequesters, type ReleaseWish } from '../../requester/request.ts';
import { person } from '../harness/people.ts';
import { knownWorld, nowUnixSeconds, type KnownWorld } from './support.ts';

let world: KnownWorld;
beforeAll(async () => {
  world = await knownWorld({
    tiers: ['admin', 'admin', 'build'],
    production: '{ any: 2 }',
    development: '{ build: 1 }',
  });
});

const file = { path: '/tmp/app.tgz', name: 'app.tgz', size: 3, sha256: 'aa'.repeat(32), sha512: 'bb'.repeat(64) };

function wish(change: Partial<ReleaseWish> = {}): ReleaseWish {
  return {
    channel: 'production',
    formats: ['native'],
    artifacts: [file],
    product: 'app',
    release: '1.0.0',
    source: { repo: null, ref: 'refs/heads/main', commit: 'ab'.repeat(20) },
    note: 'please',
    ...change,
  };
}

const ask = (change: Partial<ReleaseWish> = {}, who = world.dave) =>
  askForRelease(world.group, wish(change), who, nowUnixSeconds);

describe('asking for a release', () => {
  it('names group, certificate, files, source and time', () => {
    const { request, asker, keptOut } = ask();
    expect(request.payload).toEqual({
      groupKey: world.group.epoch.groupKey,
      epoch: world.group.epoch.hash,
      kind: 'release',
      channel: 'production',
      formats: ['native'],
      artifacts: [{ name: 'app.tgz', size: 3, sha256: file.sha256, sha512: file.sha512 }],
      documents: [],
      product: 'app',
      release: '1.0.0',
      source: { repo: null, ref: 'refs/heads/main', commit: 'ab'.repeat(20) },
      note: 'please',
      createdAt: '2026-11-22T08:00:00Z',
    });
    expect(asker.name).toBe('dave');
    expect(keptOut).toBeUndefined();
  });

  it('is the same submission at another time', () => {
    const later = askForRelease(world.group, wish(), world.dave, nowUnixSeconds + 60);
    expect(submissionId(later.request)).toBe(submissionId(ask().request));
    expect(later.request.digest).not.toBe(ask().request.digest);
  });

  it.each([
    { note: 'other' },
    { product: 'other' },
    { release: '2' },
    { source: null },
    { channel: 'development' },
  ] as const)('is another submission with %j', (change) => {
    expect(submissionId(ask(change).request)).not.toBe(submissionId(ask().request));
  });

  it('tells which member is kept out, because it is who asks (T31)', () => {
    expect(ask({}, world.adminAsking).keptOut?.name).toBe('admin-1');
    expect(ask({ channel: 'development' }, world.adminAsking).keptOut).toBeUndefined();
  });

  it.each([
    [{ channel: 'nightly' }, 'unknown-channel'],
    [{ formats: ['pgp'] }, 'unknown-format'],
    [{ formats: ['genesis'] }, 'unknown-format'],
    [{ product: '' }, 'bad-field'],
    [{ product: 'two\nlines' }, 'bad-field'],
    [{ product: 'x'.repeat(129) }, 'bad-field'],
    [{ release: '\u0000' }, 'bad-field'],
    [{ release: '1'.repeat(129) }, 'bad-field'],
    [{ note: 'n'.repeat(2001) }, 'bad-field'],
    [{ note: '\ud800' }, 'bad-field'],
  ] as const)('refuses %j before anything is sent', (change, code) => {
    expect(() => ask(change as Partial<ReleaseWish>)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses somebody who is no requester, before anything is sent', () => {
    expect(() => ask({}, person('mallory'))).toThrow(expect.objectContaining({ code: 'not-a-requester' }));
  });

  it('refuses a member who is no requester, too', () => {
    expect(() => ask({}, world.live.people[0])).toThrow(expect.objectContaining({ code: 'not-a-requester' }));
  });

  it('refuses a channel that the requester may not ask on', () => {
    const card = world.dave.card('requester');
    const yaml = `version: 2\nrequesters:\n  - { card: "${card}", channels: [development] }\n`;
    const requesters = readRequestersFile(new TextEncoder().encode(yaml), 'r.yaml', world.group.epoch.charter);
    expect(() => askForRelease({ ...world.group, requesters }, wish(), world.dave, nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'not-allowed' }),
    );
  });
});

describe('asking for documents', () => {
  it('lets a member ask for a newer requesters document, kept out itself', () => {
    const yaml = `version: 2\nrequesters: []\n`;
    const { epoch } = world.group;
    const newer = readRequestersFile(new TextEncoder().encode(yaml), 'r.yaml', epoch.charter, epoch);
    const { request, documents, keptOut } = askForRequesters(
      world.group,
      newer,
      undefined,
      world.live.people[1]!,
      nowUnixSeconds,
    );
    expect(request.payload).toMatchObject({
      kind: 'requesters',
      channel: 'production',
      formats: ['requesters'],
      artifacts: [],
    });
    expect(documents).toEqual([newer.bytes]);
    expect(keptOut?.name).toBe('admin-2');
  });

  it('refuses a requesters document that is not newer', () => {
    const same = emptyRequesters(world.group.epoch.charter);
    expect(() => askForRequesters(world.group, same, undefined, world.dave, nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'stale-version', message: expect.stringContaining('not newer') as string }),
    );
  });

  it('asks for a delegation that begins now', () => {
    const { request, documents } = askForDelegation(
      world.group,
      { channel: 'development', number: 1, note: undefined },
      world.live.people[1]!,
      nowUnixSeconds,
    );
    expect(JSON.parse(new TextDecoder().decode(documents[0]))).toMatchObject({
      channel: 'development',
      from: request.payload.createdAt,
      until: '2027-02-20T08:00:00Z',
    });
  });

  it('keeps nobody out of a channel’s first delegation: it belongs to the ceremony', () => {
    const fresh = { ...world.group, delegations: [] };
    const who = world.live.people[1]!;
    expect(
      askForDelegation(fresh, { channel: 'development', number: 1, note: undefined }, who, nowUnixSeconds).keptOut,
    ).toBeUndefined();
    expect(
      askForDelegation(world.group, { channel: 'development', number: 1, note: undefined }, who, nowUnixSeconds).keptOut
        ?.name,
    ).toBe('admin-2');
  });

  it('refuses to delegate production (T21)', () => {
    expect(() =>
      askForDelegation(world.group, { channel: 'production', number: 1, note: undefined }, world.dave, nowUnixSeconds),
    ).toThrow(expect.objectContaining({ code: 'bad-field' }));
  });
});

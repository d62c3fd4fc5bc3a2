import { describe, expect, test } from 'vitest';
import { arithmeticFor, GroupReader, openGroup, type OpenedGroup } from '../../../client/group.ts';
import { manyMembers } from '../../../client/limits.ts';
import {
  currentDelegation,
  newestDelegations,
  openGroupDocuments,
} from '../../../protocol/group-documents/envelopes.ts';
import { ClientError } from '../../../client/errors.ts';
import { genesisMessage, genesisOf } from '../../../protocol/ceremony/founding.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import type { GroupBody } from '../../../protocol/wire/frames.ts';
import type { Group } from '../../../protocol/frost/group.ts';
import { countVerifications } from '../../harness/counting.ts';
import { publicGroup } from '../../harness/ceremony-network.ts';
import { dealtGroup, delegationEnvelope, requestersDocument, underKey } from '../../harness/coordinator-group.ts';

const plan = { tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' } as const;
const [group, other] = [await dealtGroup(plan), await dealtGroup(plan)];
const { epoch, body } = group;
const key = epoch.channel('production').point.bytes;
const now = Math.floor(Date.now() / 1000);

function problemOf(change: Partial<GroupBody>, pinned: Uint8Array = key): string {
  try {
    openGroup({ ...body, ...change }, pinned);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(ClientError);
    expect((error as ClientError).code).toBe('bad-group');
    return ((error as ClientError).cause as { code: string }).code;
  }
}

describe('a group is believed only if everything follows from the pinned key (T34)', () => {
  test('with certificate, requesters and delegations', () => {
    const opened = openGroup(body, key);
    expect(opened.epoch.groupLine).toBe(epoch.groupLine);
    expect(opened.requesters.entries.map(({ name }) => name)).toEqual(['dev']);
    expect(opened.delegations.map(({ channel }) => channel)).toEqual(['development']);
  });

  const genesis = (change: object) =>
    underKey(
      group,
      genesisMessage.payloadType,
      encodeCanonicalJson({ ...(JSON.parse(Buffer.from(genesisOf(epoch)).toString()) as object), ...change }),
    );
  type Tampered = readonly [what: string, code: string, change: Partial<GroupBody>, pinned?: Uint8Array];
  const tampered: readonly Tampered[] = [
    ['another group, whole', 'wrong-group', other.body],
    ['this group under another pinned key', 'wrong-group', {}, other.epoch.channel('production').point.bytes],
    ['this group under its development key', 'wrong-group', {}, epoch.channel('development').point.bytes],
    ['another charter', 'not-a-member', { charter: other.body.charter }],
    [
      'a charter with a changed byte',
      'bad-certificate',
      { charter: Buffer.from(Buffer.from(body.charter, 'base64').toString().replace('72h', '71h')).toString('base64') },
    ],
    ['lax base64', 'bad-charter', { charter: `${body.charter}\n` }],
    ['another certificate', 'bad-certificate', { certificate: other.body.certificate }],
    ['a member that did not store the certificate (T35)', 'bad-certificate', { stored: body.stored.slice(1) }],
    ["one member's word twice (T35)", 'bad-certificate', { stored: [body.stored[0]!, body.stored[0]!] }],
    ['no genesis', 'bad-document', { genesis: null }],
    ['a genesis of another group', 'bad-signature', { genesis: other.body.genesis }],
    [
      'a genesis of other contents under the right key',
      'bad-document',
      { genesis: genesis({ epoch: '00'.repeat(32) }) },
    ],
    ['no requesters', 'bad-document', { requesters: null }],
    ['requesters of another group', 'bad-signature', { requesters: other.body.requesters }],
    ['a delegation in place of requesters', 'bad-document', { requesters: body.delegations[0]! }],
    ['a delegation of another group', 'bad-signature', { delegations: other.body.delegations }],
    [
      'a document with a keyid',
      'bad-document',
      { genesis: { ...body.genesis!, signatures: [{ ...body.genesis!.signatures[0], keyid: 'x' }] } },
    ],
  ];
  test.each(tampered.map(([what, code, change, pinned]) => ({ what, code, change, pinned })))(
    'not $what: $code',
    ({ code, change, pinned }) => {
      expect(problemOf(change, pinned)).toBe(code);
    },
  );
});

test('no point of a certificate is looked at before every member vouched for it (T30)', () => {
  const { transcript, signatures } = epoch.certificate;
  const swapped = { ...transcript, channels: [...transcript.channels].reverse() };
  const certificate = Buffer.from(encodeCanonicalJson({ transcript: swapped, signatures })).toString('base64');
  let decoded = 0;
  const counting: Group = {
    ...publicGroup,
    identity: publicGroup.identity,
    generator: publicGroup.generator,
    name: publicGroup.name,
    decodePoint: (bytes) => ((decoded += 1), publicGroup.decodePoint(bytes)),
    multiplyEncoded: (bytes, scalar) => publicGroup.multiplyEncoded(bytes, scalar),
    add: (a, b) => publicGroup.add(a, b),
    multiply: (point, scalar) => publicGroup.multiply(point, scalar),
    evaluate: (points, x) => publicGroup.evaluate(points, x),
    multiplyBase: (scalar) => publicGroup.multiplyBase(scalar),
  };
  expect(() => openGroup({ ...body, certificate }, key, counting)).toThrow(/certificate of another epoch/);
  expect(decoded).toBe(0);
  openGroup(body, key, counting);
  expect(decoded).toBeGreaterThan(0);
});

test('a client opens what is the same to the byte once, and anything else anew (T34)', async () => {
  const reader = new GroupReader(key);
  const opened: OpenedGroup[] = [];
  const open = () => countVerifications(async () => opened.push(await reader.open(body)));
  const [first, second] = [await open(), await open()];
  // Genesis, requesters and delegations; before them each member's signature and its word that it stored the certificate.
  expect(second).toBe(2 + body.delegations.length);
  expect(first).toBe(second + 2 * body.stored.length);
  expect(opened[1]!.epoch).toBe(opened[0]!.epoch);
  const [spoiled] = body.stored;
  const stored = [{ ...spoiled!, payload: body.stored[1]!.payload, signatures: body.stored[1]!.signatures }];
  await expect(reader.open({ ...body, stored })).rejects.toMatchObject({ code: 'bad-group' });
  await expect(reader.open({ ...body, genesis: body.requesters })).rejects.toMatchObject({ code: 'bad-group' });
  expect((await reader.open(body)).epoch.hash).toBe(epoch.hash);
});

test('a client starts libsodium for a large group only', async () => {
  expect((await arithmeticFor(manyMembers - 1)).name).toBe('noble');
  expect((await arithmeticFor(manyMembers)).name).toBe('sodium');
});

test('of several delegations the one counts that holds now, and of those the one that does so the longest', () => {
  const day = 24 * 3600;
  const at = [now - 100 * day, now - day, now - 2 * day, now + day].map((from) =>
    delegationEnvelope(group, 'development', from),
  );
  const { delegations } = openGroupDocuments(epoch, { genesis: null, requesters: null, delegations: at });
  expect(currentDelegation(delegations, 'development', now)?.envelope).toBe(at[1]);
  expect(currentDelegation(delegations, 'production', now)).toBeUndefined();
  expect(currentDelegation(delegations.slice(0, 1), 'development', now)).toBeUndefined();
});

test('the newest delegations of a channel are those that end last, the last first', () => {
  const at = [now - 2, now, now - 1, now].map((from) => delegationEnvelope(group, 'development', from));
  const { delegations } = openGroupDocuments(epoch, { genesis: null, requesters: null, delegations: at });
  const other = delegations.map((held) => ({ ...held, channel: 'other' }));
  const [oldest, newest, middle, twin] = delegations;
  expect(newestDelegations(delegations, 1)).toEqual([newest]);
  expect(newestDelegations(delegations, 3)).toEqual([newest, twin, middle]);
  expect(newestDelegations([oldest!, ...other], 1)).toEqual([other[1], oldest]);
});

test('documents may be missing in a frame, and are then undefined', () => {
  const requesters = requestersDocument(group, 2, []);
  const opened = openGroupDocuments(epoch, { genesis: null, requesters, delegations: [] });
  expect(opened).toMatchObject({ genesis: undefined, requesters: { version: 2 }, delegations: [] });
});

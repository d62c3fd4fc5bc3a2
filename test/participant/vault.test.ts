/** The vault: nonces answer once, shares that do not fit are refused, and nothing secret is left behind. */
import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../protocol/wire/bytes.ts';
import { decodeKey } from '../../protocol/wire/envelope.ts';
import { toIdentifier } from '../../protocol/frost/sharing.ts';
import { decodeShare, encodeShare, prepareAttempt, verifyShare, type Attempt } from '../../protocol/frost/sign.ts';
import { groupOrder, encodeScalar } from '../../protocol/frost/scalar.ts';
import type { CommitmentPayload } from '../../protocol/signing/attempt.ts';
import { foundingCast } from '../../protocol/ceremony/cast.ts';
import { transcriptOf } from '../../protocol/ceremony/summed.ts';
import type { Transcript } from '../../protocol/ceremony/transcript.ts';
import { sodiumMemoryOf } from './memory.ts';
import type { OpenedShares } from '../../home/keystore.ts';
import { assertPublicShares, Vault } from '../../participant/vault.ts';
import { makeWorld, openedShares, runCeremony, type World } from './members.ts';

const message = new TextEncoder().encode('a message');

async function loadedVault(world: World, identifier: number): Promise<Vault> {
  const { charter, certificate } = world.live.epoch;
  const member = charter.members[identifier - 1]!;
  const vault = await Vault.open(charter, member);
  vault.load(await openedShares(world.live, member), certificate.transcript);
  return vault;
}

type Pair = CommitmentPayload['commitments'][number];

function session(world: World, vault: Vault, pairs: readonly (readonly [number, Pair])[], text = message): Attempt {
  const channel = world.live.epoch.channel('production');
  return prepareAttempt(vault.arithmetic, {
    key: channel.point,
    sharings: channel.sharings,
    publicShares: channel.publicShares,
    message: text,
    commitments: pairs.map(([identifier, pair]) => ({
      identifier: toIdentifier(identifier),
      hiding: hexToBytes(pair.hiding),
      binding: hexToBytes(pair.binding),
    })),
  });
}

/** Makes nonces of stage 1, and answers their commitments. */
function nonces(vault: Vault, slot: string, change: { readonly channel?: string; readonly pairs?: number } = {}) {
  const { channel = 'production', pairs = 1 } = change;
  return vault.makeNonces(channel, [{ stage: 1, slot, pairs }], '00'.repeat(32))[0]!.commitments;
}

describe('nonces (T1)', () => {
  it('sign once: what was taken is found nowhere, and signs one attempt', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const [first, second] = [await loadedVault(world, 1), await loadedVault(world, 2)];
    const [one] = nonces(first, 'slot-1');
    const [two] = nonces(second, 'slot-1');
    const attempt = session(world, first, [
      [1, one!],
      [2, two!],
    ]);
    const taken = first.take('slot-1');
    expect(() => first.take('slot-1')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    const [share] = first.sign(taken, [attempt]);
    expect(verifyShare(attempt, toIdentifier(1), share!)).toBe(true);
    const other = session(
      world,
      first,
      [
        [1, one!],
        [2, two!],
      ],
      new TextEncoder().encode('another message'),
    );
    expect(() => first.sign(taken, [other])).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    first.end();
    second.end();
  });

  it('are gone when an attempt was refused, wiped or discarded', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const vault = await loadedVault(world, 1);
    const [one] = nonces(vault, 'discarded');
    const taken = vault.take('discarded');
    vault.discard(taken);
    expect(() => vault.sign(taken, [])).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    nonces(vault, 'wiped');
    vault.wipe('wiped');
    vault.wipe('wiped');
    expect(() => vault.take('wiped')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    expect(() => vault.take('never made')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    nonces(vault, 'foreign');
    const foreign = vault.take('foreign');
    const attempt = session(world, vault, [
      [1, one!],
      [2, one!],
    ]);
    // The attempt lists another commitment than that of these nonces (T4).
    expect(() => vault.sign(foreign, [attempt])).toThrow(expect.objectContaining({ code: 'own-commitment' }));
    expect(() => vault.sign(foreign, [attempt])).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    vault.end();
  });

  it('are made once for a slot, one pair for each message, and never for a channel without a share', async () => {
    const world = await makeWorld({ tiers: ['a', 'a', 'b'], production: '{ any: 2 }', development: '{ b: 1 }' });
    const vault = await loadedVault(world, 1);
    const pairs = nonces(vault, 'slot-1', { pairs: 3 });
    expect(new Set(pairs.flatMap(({ hiding, binding }) => [hiding, binding])).size).toBe(6);
    expect(() => nonces(vault, 'slot-1')).toThrow(expect.objectContaining({ code: 'contradiction' }));
    expect(() => nonces(vault, 'slot-2', { channel: 'development' })).toThrow(
      expect.objectContaining({ code: 'not-allowed' }),
    );
    expect(() => vault.sign(vault.take('slot-1'), [])).toThrow(expect.objectContaining({ code: 'contradiction' }));
    vault.end();
  });

  it('have a bound, and are gone after the end', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const vault = await loadedVault(world, 1);
    for (let slot = 0; slot < 1024; slot++) nonces(vault, `slot-${slot}`);
    expect(() => nonces(vault, 'one too many')).toThrow(expect.objectContaining({ code: 'no-room' }));
    vault.end();
    expect(() => vault.take('slot-0')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    expect(() => nonces(vault, 'after the end')).toThrow(expect.objectContaining({ code: 'not-allowed' }));
  });
});

describe('shares on their way in (T19)', () => {
  const plan = { tiers: ['a', 'a', 'b'], production: '{ any: 2 }', development: '{ b: 1 }' };

  async function refusal(
    change: (opened: OpenedShares, world: World) => OpenedShares | Promise<OpenedShares>,
    identifier = 3,
  ): Promise<unknown> {
    const world = await makeWorld(plan);
    const { charter, certificate } = world.live.epoch;
    const member = charter.members[identifier - 1]!;
    const vault = await Vault.open(charter, member);
    try {
      vault.load(await change(await openedShares(world.live, member), world), certificate.transcript);
    } catch (error) {
      // Nothing is kept of what was refused.
      expect(() => nonces(vault, 'slot')).toThrow();
      return error;
    } finally {
      vault.end();
    }
    return undefined;
  }

  const replaced = (opened: OpenedShares, channel: string, bytes: Uint8Array): OpenedShares => ({
    ...opened,
    shares: opened.shares.map((share) =>
      share.channel === channel ? { ...share, take: (load) => load(bytes.slice()) } : share,
    ),
  });

  it('accepts the file of its own transcript', async () => {
    expect(await refusal((opened) => opened)).toBeUndefined();
  });

  it.each<[string, (opened: OpenedShares, world: World) => OpenedShares | Promise<OpenedShares>]>([
    ['another transcript', (opened) => ({ ...opened, hash: new Uint8Array(32) })],
    ['a share that is missing', (opened) => ({ ...opened, shares: opened.shares.slice(1) })],
    [
      'a share too many',
      (opened) => ({ ...opened, shares: [...opened.shares, { ...opened.shares[0]!, channel: 'nightly' }] }),
    ],
    [
      'another identifier',
      (opened) => ({ ...opened, shares: opened.shares.map((share) => ({ ...share, identifier: 1 })) }),
    ],
    ['another sharing', (opened) => ({ ...opened, shares: opened.shares.map((share) => ({ ...share, sharing: 1 })) })],
    [
      'another channel',
      (opened) => ({ ...opened, shares: opened.shares.map((share) => ({ ...share, channel: 'production' })) }),
    ],
    ['a zero scalar', (opened) => replaced(opened, 'production', new Uint8Array(32))],
    ['a scalar past L', (opened) => replaced(opened, 'production', encodeScalar(groupOrder))],
    ['any other scalar', (opened) => replaced(opened, 'production', encodeScalar(7n))],
    [
      'shares of two channels exchanged',
      (opened) => ({
        ...opened,
        shares: opened.shares.map((share, index) => ({
          ...share,
          take: (load) => opened.shares[1 - index]!.take(load),
        })),
      }),
    ],
    [
      'the share of another member',
      async (opened, world) => {
        const other = await openedShares(world.live, world.live.epoch.charter.members[0]!);
        return {
          ...opened,
          shares: opened.shares.map((share) =>
            share.channel === 'production' ? { ...share, take: (load) => other.shares[0]!.take(load) } : share,
          ),
        };
      },
    ],
  ])('refuses %s', async (_what, change) => {
    expect(await refusal(change)).toMatchObject({ code: 'damaged-share' });
  });

  it('refuses public shares that are on no polynomial of the key', async () => {
    const world = await makeWorld(plan);
    const channel = world.live.epoch.channel('production');
    const { arithmetic } = await loadedVault(world, 1);
    expect(() => assertPublicShares(arithmetic, channel)).not.toThrow();
    for (const identifier of channel.publicShares.keys()) {
      const publicShares = new Map(channel.publicShares).set(
        identifier,
        arithmetic.add(channel.publicShares.get(identifier)!, arithmetic.generator),
      );
      expect(() => assertPublicShares(arithmetic, { ...channel, publicShares })).toThrow(
        expect.objectContaining({ code: 'damaged-share' }),
      );
    }
    const point = arithmetic.add(channel.point, arithmetic.generator);
    expect(() => assertPublicShares(arithmetic, { ...channel, point })).toThrow(
      expect.objectContaining({ code: 'damaged-share' }),
    );
    const key = world.live.epoch.channel('development').key;
    expect(() => assertPublicShares(arithmetic, { ...channel, key })).toThrow(
      expect.objectContaining({ code: 'damaged-share' }),
    );
    expect(decodeKey(key, 'bad-card', 'key')).toHaveLength(32);
  });
});

describe('the ceremony', () => {
  it('refuses a box for somebody else, one that was changed, and a share that does not fit its dealer (T17)', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const { charter } = world.live.epoch;
    const [one, two] = charter.members;
    const [first, second] = [await Vault.open(charter, one!), await Vault.open(charter, two!)];
    const ceremony = '11'.repeat(32);
    const [mine, theirs] = [first.deal(ceremony), second.deal(ceremony)];
    const keyOf = (hex: string) => hexToBytes(hex);
    const sealFor = (vault: Vault, to: typeof one, key: string) =>
      vault.seal({
        kind: 'seal',
        ceremony,
        receivers: [{ to: to!, key: keyOf(key), places: [{ channel: 'production', sharing: 0 }] }],
      })[0]!;
    const points = (reveal: typeof mine.reveal) =>
      reveal.dealings[0]!.commitments.map((point) => first.arithmetic.decodePoint(hexToBytes(point))!);
    const place = { channel: 'production', sharing: 0 };
    const dealingOf = ({ reveal }: typeof mine) => [{ ...place, commitments: points(reveal) }];
    const hash = '22'.repeat(32);
    const cast = foundingCast({ charter, requesters: hash, origin: 'generated', imported: undefined });
    const transcript = transcriptOf(first.arithmetic, cast, {
      ceremony,
      dealings: new Map([
        [one!.key, dealingOf(mine)],
        [two!.key, dealingOf(theirs)],
      ]),
      messages: [1, 2].map(() => ({ hello: hash, commit: hash, reveal: hash, boxes: hash })),
    }) as Transcript;
    const boxFrom = (vault: Vault, to: typeof one) => ({
      from: two!,
      box: Uint8Array.from(Buffer.from(sealFor(vault, to, mine.reveal.encryptionKey).box, 'base64')),
      dealings: dealingOf(theirs),
    });
    const open = (...boxes: ReturnType<typeof boxFrom>[]) => first.openBoxes({ ceremony, transcript, boxes });
    const right = boxFrom(second, one);
    const changed = { ...right, box: right.box.map((byte, index) => (index === 60 ? byte ^ 1 : byte)) };
    const liar = await Vault.open(charter, two!);
    liar.deal(ceremony);
    for (const box of [boxFrom(second, two), changed, boxFrom(liar, one), { ...right, from: one! }])
      expect(open(box)).toEqual({ from: box.from.key });
    expect(() => open()).toThrow(expect.objectContaining({ code: 'contradiction' }));
    expect(open(right)).toBeUndefined();
    expect(first.proveShares(transcript)).toHaveLength(1);
    const secretKeys = 'an encryption key of small order';
    expect(() => sealFor(first, two, '00'.repeat(32)), secretKeys).toThrow(
      expect.objectContaining({ code: 'bad-ceremony-message' }),
    );
    first.wipeCeremony();
    expect(() => open(right)).toThrow(expect.objectContaining({ code: 'contradiction' }));
    for (const vault of [first, second, liar]) vault.end();
  });

  it('does not prove shares for a transcript that they are not of', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const vault = await loadedVault(world, 1);
    const other = await runCeremony({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const transcript: Transcript = other.live.epoch.certificate.transcript;
    expect(() => vault.proveShares(transcript)).toThrow(expect.objectContaining({ code: 'damaged-share' }));
    vault.end();
  });
});

describe('memory (T29)', () => {
  it('holds no window of a share or of what was computed with it, outside the arena while it works and nowhere after the end', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const member = world.live.epoch.charter.members[0]!;
    const opened = await openedShares(world.live, member);
    const share = opened.shares[0]!.take((bytes) => bytes.slice());
    const vault = await loadedVault(world, 1);
    const other = await loadedVault(world, 2);
    const memory = sodiumMemoryOf(vault);
    expect(windowsIn(memory(), share)).toBeGreaterThan(0);
    for (let round = 0; round < 5; round++) {
      const [one] = nonces(vault, `slot-${round}`);
      const [two] = nonces(other, `slot-${round}`);
      const attempt = session(world, vault, [
        [1, one!],
        [2, two!],
      ]);
      const [signed] = vault.sign(vault.take(`slot-${round}`), [attempt]);
      expect(decodeShare(encodeShare(signed!))).toBe(signed);
      // It is in one place only, its slot: four aligned windows of 8 bytes.
      expect(windowsIn(memory(), share)).toBe(4);
    }
    vault.end();
    other.end();
    expect(windowsIn(memory(), share)).toBe(0);
    expect(bytesToHex(share)).toHaveLength(64);
  });
});

/** How often 8-byte windows at multiples of 8 of `secret` are in `memory` at multiples of 8. */
function windowsIn(memory: Uint8Array, secret: Uint8Array): number {
  const words = new BigUint64Array(memory.buffer, memory.byteOffset, memory.length >> 3);
  const wanted = new Set(new BigUint64Array(secret.slice().buffer));
  return words.reduce((count, word) => count + (wanted.has(word) ? 1 : 0), 0);
}

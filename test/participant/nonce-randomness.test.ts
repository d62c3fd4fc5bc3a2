/** The randomness of nonces: two sources and the place, none of which must be good alone (T1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import type { RandomBytes } from '../../protocol/frost/group.ts';
import { systemSources, withNonceRandomness, type NoncePlace } from '../../participant/nonce-randomness.ts';
import { Vault } from '../../participant/vault.ts';
import { makeWorld, openedShares } from './members.ts';

const repeating: RandomBytes = (count) => new Uint8Array(count).fill(7);
const place: NoncePlace = { journalHead: 'ab'.repeat(32), slot: `${'cd'.repeat(16)}-1` };
const drawn = (sources: typeof systemSources, at: NoncePlace, count = 4): string[] =>
  withNonceRandomness(sources, at, (random) => Array.from({ length: count }, () => bytesToHex(random(32))));

describe('the random bytes of a nonce (RFC 9591, Section 4.1; T1)', () => {
  it.each([
    ['process', { process: repeating, kernel: systemSources.kernel }],
    ['kernel', { process: systemSources.process, kernel: repeating }],
  ])('never repeat when the source of the %s does', (_source, sources) => {
    const all = Array.from({ length: 50 }, () => drawn(sources, place)).flat();
    expect(new Set(all).size).toBe(200);
  });

  it('differ by journal head and slot when both sources repeat, as after a clone of the whole machine', () => {
    const both = { process: repeating, kernel: repeating };
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 2, maxLength: 20 }), (places) => {
        const distinct = new Set(places.map(([head, slot]) => `${head} ${slot}`));
        const all = places.flatMap(([head, slot]) =>
          drawn(both, { journalHead: String(head).repeat(64), slot: `${'cd'.repeat(16)}-${slot}` }),
        );
        expect(new Set(all).size).toBe(4 * distinct.size);
      }),
    );
  });

  it.each([
    ['zeros', (count: number) => new Uint8Array(count)],
    ['too few bytes', () => new Uint8Array([1, 2, 3])],
    ['nothing', () => new Uint8Array(0)],
  ])('are refused from a source that gives %s', (_what, broken) => {
    expect(() => drawn({ ...systemSources, kernel: broken }, place)).toThrow(
      expect.objectContaining({ code: 'no-randomness' }),
    );
    expect(() => drawn({ ...systemSources, process: broken }, place)).toThrow(
      expect.objectContaining({ code: 'no-randomness' }),
    );
  });

  it.each(['process', 'kernel'] as const)(
    'make other nonces in every vault whose source of the %s repeats itself',
    async (source) => {
      const { live } = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
      const member = live.epoch.charter.members[0]!;
      const seen: string[] = [];
      while (seen.length < 48) {
        const vault = await Vault.open(live.epoch.charter, member, { ...systemSources, [source]: repeating });
        vault.load(await openedShares(live, member), live.epoch.certificate.transcript);
        // The place is the very same in each, as with a clone that went on from one journal.
        const [made] = vault.makeNonces('production', [{ stage: 1, slot: place.slot, pairs: 8 }], place.journalHead);
        seen.push(...made!.commitments.flatMap(({ hiding, binding }) => [hiding, binding]));
        vault.end();
      }
      expect(new Set(seen).size).toBe(48);
    },
  );
});

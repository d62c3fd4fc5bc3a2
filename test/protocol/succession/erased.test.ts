/** What members say of old shares, and what it comes to. */
import { describe, expect, it } from 'vitest';
import { oldQuorumsLeft, openErased, type ErasedWord } from '../../../protocol/succession/erased.ts';
import { erasedMessage } from '../../../protocol/succession/messages.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { person } from '../../harness/people.ts';
import { seededRandom } from '../../harness/random.ts';
import { SuccessionNetwork, type Player } from '../../harness/succession-network.ts';
import { plans, sodiumStage } from '../../harness/succession-stage.ts';

const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const run = new SuccessionNetwork(await sodiumStage(plans.grows), seededRandom(1));
const { from } = run.ground;
const successor = { ground: run.ground, genesis: '11'.repeat(32) };
const said = (who: Pick<Player, 'person'>['person'], change: object = {}) =>
  sealMessage(
    erasedMessage,
    { groupKey: from.groupKey, epoch: from.hash, genesis: successor.genesis, backups: 0, ...change },
    who,
  );
const word = (name: string, backups = 0): ErasedWord =>
  openErased(said(run.player(name).person, { backups }), successor);

describe('the word that an old share is erased', () => {
  it('is of a member of the old epoch, and of this succession', () => {
    expect(word('bob')).toMatchObject({ member: { name: 'bob' }, backups: 0 });
    expect(() => openErased(said(person('mallory')), successor)).toThrow(code('not-a-member'));
    expect(() => openErased(said(run.player('frank').person), successor)).toThrow(code('not-a-member'));
    const { person: alice } = run.player('alice');
    expect(() => openErased(said(alice, { groupKey: alice.key }), successor)).toThrow(code('wrong-group'));
    expect(() => openErased(said(alice, { epoch: '22'.repeat(32) }), successor)).toThrow(code('wrong-epoch'));
    expect(() => openErased(said(alice, { genesis: '22'.repeat(32) }), successor)).toThrow(code('wrong-epoch'));
  });

  it('by itself kills no quorum: one of any 2 of 3 leaves two', () => {
    expect(oldQuorumsLeft(from, [word('bob')])).toMatchObject([
      { channel: 'production', isDead: false, left: [{ member: { name: 'alice' } }, { member: { name: 'carol' } }] },
    ]);
  });

  it('kills a quorum when too few are left, whatever the one who went says', () => {
    expect(oldQuorumsLeft(from, [word('alice'), word('carol')])).toMatchObject([
      { isDead: true, left: [{ member: { name: 'bob' }, why: 'no word' }] },
    ]);
  });

  it('does not count while there are backups, until their owner says that there are none', () => {
    const words = [word('alice'), word('carol', 2)];
    expect(oldQuorumsLeft(from, words)).toMatchObject([
      { isDead: false, left: [{ member: { name: 'bob' } }, { member: { name: 'carol' }, why: 'a backup' }] },
    ]);
    expect(oldQuorumsLeft(from, [...words, word('carol')])[0]?.isDead).toBe(true);
  });
});

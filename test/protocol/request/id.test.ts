/** How people name a round. */
import { describe, expect, it } from 'vitest';
import { isRoundId, matchId } from '../../../protocol/request/id.ts';

const [one, two, other] = ['ab'.repeat(32), `${'ab'.repeat(10)}${'c'.repeat(44)}`, 'f'.repeat(64)];

describe('an id of a round', () => {
  it('is its digest, or eight and more of its first digits', () => {
    expect(matchId([one, two, other], one)).toEqual({ kind: 'one', digest: one });
    expect(matchId([one, two, other], 'ffffffff')).toEqual({ kind: 'one', digest: other });
    expect(matchId([one, two, other], one.slice(0, 21))).toEqual({ kind: 'one', digest: one });
  });

  it('is told apart from the others, or more of it is asked for', () => {
    expect(matchId([one, two, other], one.slice(0, 20))).toEqual({ kind: 'many', count: 2 });
    expect(matchId([one, two], other)).toEqual({ kind: 'none' });
  });

  it.each(['', 'f', 'fffffff', 'FFFFFFFF', 'ffffffg0', `${other}0`, ' ffffffff', 'ffffffff\n'])('is not %j', (id) => {
    expect(isRoundId(id)).toBe(false);
    expect(matchId([other], id)).toEqual({ kind: 'malformed' });
  });
});

/** What a member's memory of its ceremonies excludes, whatever wrote it. */
import { describe, expect, it } from 'vitest';
import { emptyCeremonyMemory, mayGive, type CeremonyMemory } from '../../../protocol/ceremony/memory.ts';

const memory = (change: Partial<CeremonyMemory>): CeremonyMemory => ({ ...emptyCeremonyMemory, ...change });

describe('a share', () => {
  it('is given under the key that was stored last, or under one that lives, and under no other (T35)', () => {
    const [first, second] = ['11'.repeat(16), '22'.repeat(16)];
    expect(mayGive(memory({ current: first, stored: [first] }), first)).toBe(true);
    expect(mayGive(memory({ current: first, stored: [first, second] }), first)).toBe(false);
    expect(mayGive(memory({ current: first, stored: [first, second], live: new Set([first]) }), first)).toBe(true);
    expect(mayGive(memory({ current: second, stored: [first] }), first)).toBe(false);
    expect(mayGive(memory({ current: first }), first)).toBe(false);
  });
});

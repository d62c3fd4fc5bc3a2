/** The epochs of one key, by what is known of them alone: which lives, which may come next, and who is who. */
import { describe, expect, test } from 'vitest';
import { Lineage, type Decided, type KnownGroup } from '../../coordinator/lineage.ts';
import { maxCandidates } from '../../protocol/limits.ts';
import { person, writeCharter } from '../harness/people.ts';

const people = ['alice', 'bob', 'carol', 'dave'].map(person);
const [alice, bob, , dave] = people;
const charterOf = (...members: typeof people) =>
  writeCharter({ tiers: members.map(() => 'a'), production: '{ any: 2 }' }, members).charter;
const charter = charterOf(...people.slice(0, 3));
const larger = charterOf(people[0]!, ...people.slice(2), person('erin'), person('frank'));

/** Of an epoch only what a lineage looks at. */
function known(name: string, number: number, decided?: Decided, hasGenesis = true, of = charter): KnownGroup {
  const documents = { genesis: hasGenesis ? {} : undefined };
  return { epoch: { hash: name, number, charter: of }, decided, documents, stored: [] } as unknown as KnownGroup;
}

function decided(from: KnownGroup, number: number, to = larger): Decided {
  return { from, digest: '', plan: { charter: to, succession: { payload: { number } } } } as unknown as Decided;
}

function lineageOf(...groups: readonly KnownGroup[]): Lineage {
  const lineage = new Lineage('root');
  for (const group of groups) lineage.add(group);
  return lineage;
}

describe('epochs of one key', () => {
  const first = known('first', 0);
  const second = known('second', 2, decided(first, 2));

  test('follow on one another, whatever order they come in, and the last lives', () => {
    const third = known('third', 3, decided(second, 3));
    for (const order of [
      [first, second, third],
      [third, first, second],
    ]) {
      const lineage = lineageOf(...order);
      expect(lineage.chain).toEqual([first, second, third]);
      expect(lineage.live).toBe(third);
    }
  });

  test('that come after one epoch: the higher number wins, and of two with one number the first', () => {
    const [same, higher] = [known('same', 2, decided(first, 2)), known('higher', 3, decided(first, 3))];
    expect(lineageOf(first, second, same).chain).toEqual([first, second]);
    expect(lineageOf(first, second, same).others).toEqual([same]);
    expect(lineageOf(first, second, higher).chain).toEqual([first, higher]);
  });

  test('may be come after by candidates out of the one that lives, and by no others', () => {
    const candidate = known('candidate', 3, decided(second, 3), false);
    const late = known('late', 2, decided(first, 2), false);
    const lineage = lineageOf(first, second, candidate, late);
    expect(lineage.candidates).toEqual([candidate]);
    expect(() => lineage.assertMayCome(known('another', 2, decided(first, 2), false), false)).toThrow(/is over/);
    expect(() => lineage.assertMayCome(known('ceremony', 0), true)).toThrow(/lives is of epoch second/);
  });

  test('are bounded beside the chain, and the next one is always taken', () => {
    const branches = Array.from({ length: maxCandidates }, (_, index) => known(`${index}`, 2, decided(first, 2)));
    const full = lineageOf(first, second, ...branches);
    expect(() => full.assertMayCome(known('one more', 2, decided(first, 2)), true)).toThrow(/no more are/);
    full.assertMayCome(known('next', 3, decided(second, 3)), true);
  });

  test('tell members from heirs and from those who left, and how large frames may be', () => {
    const lineage = lineageOf(first);
    expect(lineage.standingOf(dave!.key, larger)).toBe('former');
    expect(lineage.sizeBeside(charter)).toBe(3);
    lineage.successions.set('next', decided(first, 1));
    expect(lineage.standingOf(dave!.key, larger)).toBe('heir');
    expect(lineage.sizeBeside(charter)).toBe(larger.members.length);
    lineage.add(known('next', 1, lineage.successions.get('next'), true, larger));
    expect([dave!, alice!].map(({ key }) => lineage.standingOf(key, larger))).toEqual(['current', 'current']);
    expect([bob!, alice!].map(({ key }) => lineage.standingOf(key, charter))).toEqual(['former', 'current']);
    expect(lineage.highestNumber).toBe(1);
  });
});

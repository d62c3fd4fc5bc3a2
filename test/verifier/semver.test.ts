import { describe, expect, it } from 'vitest';

import { compareSemVer, parseSemVer } from '../../verifier/semver.ts';

describe('a release', () => {
  it('has the precedence that Semantic Versioning 2.0.0 prints (Section 11)', () => {
    const ascending = [
      '0.0.0-0',
      '0.0.0',
      '0.9.10',
      '0.10.9',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '2.0.0',
      '2.1.0',
      '2.1.1',
      '2.1.9007199254740993',
      '2.1.9007199254740994',
    ];
    const parsed = ascending.map((text) => parseSemVer(text)!);
    for (const [i, a] of parsed.entries()) {
      for (const [j, b] of parsed.entries()) expect(Math.sign(compareSemVer(a, b))).toBe(Math.sign(i - j));
    }
  });

  it('has no precedence by build metadata (Section 10)', () => {
    expect(compareSemVer(parseSemVer('1.0.0+1')!, parseSemVer('1.0.0+zzz.2')!)).toBe(0);
    expect(compareSemVer(parseSemVer('1.0.0-a+1')!, parseSemVer('1.0.0-a')!)).toBe(0);
  });

  it('compares words in ASCII order and puts numbers below them (Section 11.4)', () => {
    const order = (a: string, b: string) =>
      Math.sign(compareSemVer(parseSemVer(`1.0.0-${a}`)!, parseSemVer(`1.0.0-${b}`)!));
    expect(order('A', 'a')).toBe(-1);
    expect(order('999', '-')).toBe(-1);
    expect(order('9', '10')).toBe(-1);
    expect(order('9a', '10')).toBe(1);
    expect(order('a.b', 'a')).toBe(1);
  });

  it.each([
    '1.2.3',
    '0.0.0',
    '1.2.3-0',
    '1.2.3-0a',
    '1.2.3--',
    '1.2.3-a.b-c.0',
    '1.2.3+001',
    '1.2.3-a+b',
    '99999999999999999999.0.0',
  ])('can be %s', (text) => {
    expect(parseSemVer(text)).toBeDefined();
  });

  it.each([
    '',
    '1',
    '1.2',
    '1.2.3.4',
    'v1.2.3',
    '01.2.3',
    '1.02.3',
    '1.2.03',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3-a..b',
    '1.2.3+',
    '1.2.3+a+b',
    '1.2.3-ä',
    ' 1.2.3',
    '1.2.3\n',
    '-1.2.3',
    '1.2.x',
    `1.2.${'3'.repeat(252)}`,
  ])('cannot be %j', (text) => {
    expect(parseSemVer(text)).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';

import { encodeBase64Url } from '../../verifier/base64.ts';
import { decodeBundle, encodeBundle } from '../../verifier/bundle.ts';
import { decodeDelegation, encodeDelegation, positionInWindow } from '../../verifier/delegation.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { decodeStatement, encodeStatement, type Statement } from '../../verifier/statement.ts';
import {
  codeOf,
  delegation,
  development,
  developmentBundle,
  from,
  golden,
  group,
  productionBundle,
  sha256,
  signedDelegation,
  signedStatement,
  statement,
  until,
} from './fixtures.ts';

/** The JSON value of a payload, free to be spoilt. */
type Json = Record<string, unknown>;

function jsonOf(payload: Uint8Array): Json {
  return JSON.parse(Buffer.from(payload).toString()) as Json;
}

describe('a statement', () => {
  it('is the in-toto Statement in test/vectors/release.statement', () => {
    expect(Buffer.from(encodeStatement(statement()))).toEqual(Buffer.from(golden('release.statement')));
    expect(decodeStatement(golden('release.statement'))).toEqual(statement());
  });

  it('may leave out product, release and source, and may list 1024 subjects with the longest names', () => {
    const subjects = Array.from({ length: 1024 }, (_, i) => ({
      name: `${i}${'"'.repeat(251)}`,
      sha256: sha256(Buffer.alloc(0)),
    }));
    const bare = statement({ product: null, release: null, source: null, subjects });
    expect(decodeStatement(encodeStatement(bare))).toEqual(bare);
  });

  it.each<[string, Partial<Statement>]>([
    ['no subject', { subjects: [] }],
    [
      '1025 subjects',
      { subjects: Array.from({ length: 1025 }, (_, i) => ({ name: String(i), sha256: sha256(Buffer.alloc(0)) })) },
    ],
    ['two subjects of one name (T22)', { subjects: [...statement().subjects, ...statement().subjects.slice(0, 1)] }],
    ['a path for a name (T22)', { subjects: [{ name: '../app', sha256: sha256(Buffer.alloc(0)) }] }],
    ['a newline in a name', { subjects: [{ name: 'a\nb', sha256: sha256(Buffer.alloc(0)) }] }],
    ['no digest (T22)', { subjects: [{ name: 'a', sha256: '' }] }],
    ['a digest in capitals', { subjects: [{ name: 'a', sha256: 'A'.repeat(64) }] }],
    ['a group key of 31 bytes', { groupKey: new Uint8Array(31) }],
    ['a channel in capitals', { channel: 'Production' }],
    ['a channel with a space', { channel: 'production ' }],
    ['an empty product', { product: '' }],
    ['a control character in a product', { product: 'a\u001b[2J' }],
    ['a release of 256 bytes', { release: 'a'.repeat(256) }],
    ['a short request digest', { requestDigest: 'ab' }],
    ['an empty ref', { source: { repo: 'r', ref: '', commit: 'a'.repeat(40) } }],
    ['a long repository', { source: { repo: 'r'.repeat(1025), ref: 'r', commit: 'a'.repeat(40) } }],
    ['a short commit', { source: { repo: 'r', ref: 'r', commit: 'abc' } }],
    ['a time with an offset', { createdAt: '2026-11-22T08:00:00+01:00' }],
    ['a time with fractions', { createdAt: '2026-11-22T08:00:00.0Z' }],
  ])('is not signed with %s', (_, changes) => {
    expect(codeOf(() => encodeStatement(statement(changes)))).toBe('bad-statement');
  });

  it.each<[string, (json: Json) => void]>([
    ['another _type', (json) => (json['_type'] = 'https://in-toto.io/Statement/v0.1')],
    ['another predicateType', (json) => (json['predicateType'] = 'urn:frostmark:release:v2')],
    ['an unknown field', (json) => (json['extra'] = 1)],
    ['an unknown field in the predicate', (json) => ((json['predicate'] as Json)['extra'] = 1)],
    ['an unknown field in a subject', (json) => ((json['subject'] as Json[])[0]!['uri'] = 'x')],
    ['a second digest', (json) => (((json['subject'] as Json[])[0]!['digest'] as Json)['sha512'] = 'a'.repeat(128))],
    ['an object for the subjects', (json) => (json['subject'] = { 0: json['subject'], length: 1 })],
    ['a missing product', (json) => delete (json['predicate'] as Json)['product']],
    ['a number for the release', (json) => ((json['predicate'] as Json)['release'] = 1)],
    ['a list for the source', (json) => ((json['predicate'] as Json)['source'] = [])],
    ['a missing commit', (json) => delete ((json['predicate'] as Json)['source'] as Json)['commit']],
    ['no predicate', (json) => (json['predicate'] = null)],
  ])('is refused with %s (T23)', (_, spoil) => {
    const json = jsonOf(encodeStatement(statement()));
    spoil(json);
    expect(codeOf(() => decodeStatement(encodeCanonicalJson(json)))).toBe('bad-statement');
  });

  it('is refused in any other spelling of JSON (T23)', () => {
    const text = Buffer.from(encodeStatement(statement())).toString();
    expect(codeOf(() => decodeStatement(Buffer.from(`${text}\n`)))).toBe('bad-json');
    expect(codeOf(() => decodeStatement(Buffer.from(text.replace(',', ', '))))).toBe('bad-json');
    const twice = text.replace('"channel":"production"', '"channel":"development","channel":"production"');
    expect(codeOf(() => decodeStatement(Buffer.from(twice)))).toBe('bad-json');
  });
});

describe('a delegation', () => {
  it('is the payload in test/vectors/development.delegation', () => {
    expect(Buffer.from(encodeDelegation(delegation()))).toEqual(Buffer.from(golden('development.delegation')));
    expect(decodeDelegation(golden('development.delegation'))).toEqual(delegation());
  });

  it.each([
    ['production for its channel (T21)', { channel: 'production' }],
    ['a malformed channel', { channel: '' }],
    ['the group key for the channel key (T38)', { channelKey: group.publicKey }],
    ['the identity for a key (T38)', { channelKey: Uint8Array.of(1, ...new Uint8Array(31)) }],
    ['a point off the curve for a key', { channelKey: new Uint8Array(32).fill(88) }],
    ['a key of 33 bytes', { channelKey: new Uint8Array(33) }],
    ['an end at its beginning', { until: from }],
    ['an end before its beginning', { from: until, until: from }],
    ['a date for a time', { from: '2026-11-01' }],
  ])('is not signed with %s', (_, changes) => {
    expect(codeOf(() => encodeDelegation(delegation(changes)))).toBe('bad-delegation');
  });

  it('is refused with a field too many, one too few, or 5000 bytes', () => {
    const json = jsonOf(encodeDelegation(delegation()));
    expect(codeOf(() => decodeDelegation(encodeCanonicalJson({ ...json, extra: null })))).toBe('bad-delegation');
    delete json['until'];
    expect(codeOf(() => decodeDelegation(encodeCanonicalJson(json)))).toBe('bad-delegation');
    expect(codeOf(() => decodeDelegation(new Uint8Array(5000)))).toBe('too-large');
  });

  it('holds from its first second until the second before its last (T21)', () => {
    const at = (text: string, offset: number) => positionInWindow(delegation(), Date.parse(text) / 1000 + offset);
    expect([at(from, -1), at(from, 0), at(until, -1), at(until, 0)]).toEqual(['before', 'within', 'within', 'after']);
  });
});

describe('a bundle', () => {
  it('is the file in test/vectors, for production and for development', () => {
    expect(Buffer.from(productionBundle())).toEqual(Buffer.from(golden('production.frostmark')));
    expect(Buffer.from(developmentBundle())).toEqual(Buffer.from(golden('development.frostmark')));
    expect(decodeBundle(golden('development.frostmark'))).toEqual({
      statement: signedStatement({ channel: 'development' }, development),
      delegation: signedDelegation(),
    });
  });

  const text = Buffer.from(developmentBundle()).toString();
  it.each<[string, string, string]>([
    ['no newline', text.slice(0, -1), 'bad-bundle'],
    ['two newlines', `${text}\n`, 'bad-bundle'],
    ['half of it missing', text.slice(0, text.length / 2), 'bad-bundle'],
    ['nothing in it', '', 'bad-bundle'],
    ['another media type', text.replace('bundle.v1', 'bundle.v2'), 'bad-bundle'],
    ['an unknown field', text.replace('{', '{"extra":1,'), 'bad-bundle'],
    ['a key id (T38)', text.replace('"keyid":""', '"keyid":"x"'), 'bad-bundle'],
    [
      'a key id in the delegation (T38)',
      `${text.slice(0, 1200)}${text.slice(1200).replace('"keyid":""', '"keyid":"x"')}`,
      'bad-bundle',
    ],
    ['no delegation field', text.replace(/,"delegation":.*\}\n/, '}\n'), 'bad-bundle'],
    ['a number for the statement', text.replace(/"statement":\{.*\}\]\},"d/, '"statement":1,"d'), 'bad-envelope'],
    ['a doubled field', text.replace('{', '{"mediaType":"a",'), 'bad-json'],
  ])('is refused with %s (T23)', (_, spoilt, code) => {
    expect(spoilt).not.toBe(text);
    expect(codeOf(() => decodeBundle(Buffer.from(spoilt)))).toBe(code);
  });

  it('is refused over its bound (T23)', () => {
    expect(codeOf(() => decodeBundle(new Uint8Array(3 * 1024 * 1024)))).toBe('too-large');
  });

  it('is not written with a key id', () => {
    const signed = signedStatement();
    const named = { ...signed, signatures: [{ keyid: 'x', sig: signed.signatures[0].sig }] as const };
    expect(
      codeOf(() => encodeBundle({ statement: { ...named, signatures: [...named.signatures] }, delegation: null })),
    ).toBe('bad-bundle');
  });

  it('carries keys as unpadded base64url', () => {
    expect(jsonOf(encodeDelegation(delegation()))['groupKey']).toBe(encodeBase64Url(group.publicKey));
  });
});

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { encodeBase64Url } from '../../verifier/base64.ts';
import { formatGroupKey, parseGroupKey } from '../../verifier/group-key.ts';
import { readKeyArgument } from '../../verifier/key-file.ts';
import { codeOf, codeOfAsync, golden, group } from './fixtures.ts';

const line = formatGroupKey({ name: 'acme', key: group.publicKey });
const encoded = encodeBase64Url(group.publicKey);
const identity = encodeBase64Url(Uint8Array.of(1, ...new Uint8Array(31)));

const refused = [
  ['another prefix', `frostmark-member:acme:${encoded}`],
  ['no name', `frostmark-group::${encoded}`],
  ['a name in capitals', `frostmark-group:Acme:${encoded}`],
  ['a long name', `frostmark-group:${'a'.repeat(65)}:${encoded}`],
  ['no key', 'frostmark-group:acme:'],
  ['a short key', `frostmark-group:acme:${encoded.slice(1)}`],
  ['a padded key', `frostmark-group:acme:${encoded}=`],
  ['a key in standard base64', `frostmark-group:acme:${'+'.repeat(42)}A`],
  ['a key with trailing bits', `frostmark-group:acme:${encoded.slice(0, -1)}${encoded.endsWith('B') ? 'C' : 'B'}`],
  ['the identity', `frostmark-group:acme:${identity}`],
  ['a point off the curve', `frostmark-group:acme:${encodeBase64Url(new Uint8Array(32).fill(88))}`],
  ['a second line', `${line}\n${line}`],
  ['a space in front', ` ${line}`],
] as const;

describe('a group key', () => {
  it('is the line in test/vectors/GROUP.pub', () => {
    expect(`${line}\n`).toBe(Buffer.from(golden('GROUP.pub')).toString());
    expect(parseGroupKey(line)).toEqual({ name: 'acme', key: group.publicKey });
  });

  it.each(refused)('has not %s (T38)', (_, text) => {
    expect(codeOf(() => parseGroupKey(text))).toBe('bad-key');
  });

  it('is not formatted with a malformed name or key', () => {
    expect(codeOf(() => formatGroupKey({ name: 'A', key: group.publicKey }))).toBe('bad-key');
    expect(codeOf(() => formatGroupKey({ name: 'a', key: new Uint8Array(32) }))).toBe('bad-key');
  });
});

describe('a key given on the command line', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'frostmark-key-'))));
  afterAll(() => rm(folder, { recursive: true }));

  const file = async (contents: string | Uint8Array): Promise<string> => {
    const path = join(folder, 'key');
    await writeFile(path, contents);
    return path;
  };

  it('is a value, a GROUP.pub file or a PEM file', async () => {
    const named = { name: 'acme', key: group.publicKey };
    expect(await readKeyArgument(line)).toEqual(named);
    expect(await readKeyArgument(await file(`${line}\n`))).toEqual(named);
    expect(await readKeyArgument(await file(line))).toEqual(named);
    for (const end of ['\r\n', ' ', '\t\n', '\n\n', ' \r\n\r\n'])
      for (const given of [line + end, await file(line + end)]) expect(await readKeyArgument(given)).toEqual(named);
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), group.publicKey]).toString('base64');
    const pem = `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`;
    expect(await readKeyArgument(await file(pem))).toEqual({ name: null, key: group.publicKey });
  });

  it('is refused as a file with the same malformed lines, and says which file it was', async () => {
    for (const [, text] of refused) expect(await codeOfAsync(readKeyArgument(await file(`${text}\n`)))).toBe('bad-key');
    await expect(readKeyArgument(await file('hello'))).rejects.toThrow(join(folder, 'key'));
  });

  it('is refused when it is a private key, a key of another kind, no key, or too long', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const { publicKey: x25519 } = generateKeyPairSync('x25519');
    const { publicKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const weak = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.alloc(32)]).toString('base64');
    const wrong = [
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
      x25519.export({ type: 'spki', format: 'pem' }),
      ec.export({ type: 'spki', format: 'pem' }),
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      `-----BEGIN PUBLIC KEY-----\n${weak}\n-----END PUBLIC KEY-----\n`,
      '',
      '\n',
      new Uint8Array(5000),
    ];
    for (const contents of wrong) expect(await codeOfAsync(readKeyArgument(await file(contents)))).toBe('bad-key');
  });

  it('is reported when its file is missing or no file', async () => {
    expect(await codeOfAsync(readKeyArgument(join(folder, 'none')))).toBe('missing-file');
    expect(await codeOfAsync(readKeyArgument(folder))).toBe('unreadable');
    expect(await codeOfAsync(readKeyArgument(''))).toBe('missing-file');
  });
});

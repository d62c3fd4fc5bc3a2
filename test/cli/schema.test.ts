/** The JSON Schemas that help editors say the same as the decoders that judge. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Compile } from 'typebox/compile';

import { documentKinds } from '../../protocol/documents/index.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { readRequestersFile } from '../../protocol/files/requesters.ts';
import { parseYaml } from '../../protocol/files/yaml.ts';
import { requestKinds } from '../../protocol/request/request.ts';
import { decodePolicy } from '../../participant/policy.ts';
import { person, writeCharter } from '../harness/people.ts';

function schemaCheck(name: string): (yaml: string) => boolean {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'schema', `${name}.schema.json`), 'utf8'),
  ) as object;
  const validator = Compile(schema);
  return (yaml) => validator.Check(parseYaml(new TextEncoder().encode(yaml), name, 'bad-document').value);
}

function decodes(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch {
    return false;
  }
}

const plan = { tiers: ['admin', 'admin', 'build'], production: '{ any: 2 }', development: '{ build: 1 }' } as const;
const { text: charterText, charter } = writeCharter(plan);

describe('the charter schema', () => {
  const fits = schemaCheck('charter');
  const decodesCharter = (yaml: string): boolean => decodes(() => decodeCharter(new TextEncoder().encode(yaml)));
  const change = (from: string | RegExp, to: string): string => {
    const changed = charterText.replace(from, to);
    expect(changed).not.toBe(charterText);
    return changed;
  };

  it.each([
    ['any of all', (): string => charterText],
    ['tiers', () => change('{ any: 2 }', '{ admin: 2, build: 1 }')],
    ['no expiry', () => change(', expiry: 72h', '')],
    ['no validity', () => change(', validity: 90d', '')],
    ['openpgp', () => `${charterText}openpgp: { userId: "Acme <a@example.org>", created: "2026-11-22T08:00:00Z" }\n`],
  ])('accepts what the decoder accepts: %s', (_, yaml) => {
    expect([decodesCharter(yaml()), fits(yaml())]).toEqual([true, true]);
  });

  it.each([
    ['another version', () => change('version: 1', 'version: 2')],
    ['no group', () => change('group: acme\n', '')],
    ['a name in capitals', () => change('group: acme', 'group: Acme')],
    ['a name of digits', () => change('group: acme', 'group: "7"')],
    ['a channel of digits', () => change('development:', '"2026":')],
    ['an unknown field', () => `${charterText}extra: 1\n`],
    ['an unknown field of a member', () => change('tier: build,', 'tier: build, extra: 1,')],
    ['no card', () => change(/, card: "[^"]*"/, '')],
    ['a requester’s card', () => change('frostmark-member:', 'frostmark-requester:')],
    ['a tier called any', () => change('tier: build', 'tier: any')],
    ['no production', () => change('production:', 'prod:')],
    ['any beside a tier', () => change('{ any: 2 }', '{ any: 2, build: 1 }')],
    ['an empty quorum', () => change('{ any: 2 }', '{}')],
    ['a threshold of nothing', () => change('{ any: 2 }', '{ any: 0 }')],
    ['half a signer', () => change('{ any: 2 }', '{ any: 1.5 }')],
    ['a validity for production', () => change('expiry: 72h', 'expiry: 72h, validity: 1d')],
    ['a duration without unit', () => change('expiry: 72h', 'expiry: 72')],
    ['openpgp without user', () => `${charterText}openpgp: { created: "2026-11-22T08:00:00Z" }\n`],
  ])('refuses what the decoder refuses: %s', (_, yaml) => {
    expect([decodesCharter(yaml()), fits(yaml())]).toEqual([false, false]);
  });
});

describe('the requesters schema', () => {
  const fits = schemaCheck('requesters');
  const card = person('dave').card('requester');
  const decodesRequesters = (yaml: string): boolean =>
    decodes(() => readRequestersFile(new TextEncoder().encode(yaml), 'requesters.yaml', charter));

  it.each([
    ['nobody', 'version: 1\nrequesters: []\n'],
    ['one', `version: 7\nrequesters:\n  - { card: "${card}", channels: [development, production] }\n`],
    [
      'one who is a member',
      `version: 7\nrequesters:\n  - { card: "${card}", channels: [production], member: admin-1 }\n`,
    ],
  ])('accepts what the decoder accepts: %s', (_, yaml) => {
    expect([decodesRequesters(yaml), fits(yaml)]).toEqual([true, true]);
  });

  it.each([
    ['no version', 'requesters: []\n'],
    ['version 0', 'version: 0\nrequesters: []\n'],
    ['a version that is a text', 'version: "1"\nrequesters: []\n'],
    ['no list', 'version: 1\n'],
    ['an unknown field', 'version: 1\nrequesters: []\nextra: 1\n'],
    ['no channels', `version: 1\nrequesters:\n  - { card: "${card}" }\n`],
    ['an empty list of channels', `version: 1\nrequesters:\n  - { card: "${card}", channels: [] }\n`],
    ['a channel twice', `version: 1\nrequesters:\n  - { card: "${card}", channels: [production, production] }\n`],
    [
      'a member’s card',
      `version: 1\nrequesters:\n  - { card: "${person('x').card('member')}", channels: [production] }\n`,
    ],
    [
      'an unknown field of an entry',
      `version: 1\nrequesters:\n  - { card: "${card}", channels: [production], extra: 1 }\n`,
    ],
  ])('refuses what the decoder refuses: %s', (_, yaml) => {
    expect([decodesRequesters(yaml), fits(yaml)]).toEqual([false, false]);
  });
});

describe('the policy schema', () => {
  const fits = schemaCheck('policy');
  const decodesPolicy = (yaml: string): boolean =>
    decodes(() => decodePolicy(new TextEncoder().encode(yaml), 'policy.yaml'));
  const rule = (body: string): string => `rules:\n  - { ${body} }\n`;

  it.each([
    ['no rules', 'rules: []\n'],
    ['everything approved', rule('action: approve')],
    ['refused with a reason', rule('action: refuse, reason: not today')],
    ['a match', rule('match: { channel: development, requester: [dave, erin], artifacts: "*.tgz" }, action: approve')],
    ['a kind', rule('match: { kind: [requesters, delegation] }, action: approve')],
    ['every kind of request', rule(`match: { kind: [${requestKinds.join(', ')}] }, action: ask`)],
    ['every kind of document', rule(`match: { document: [${documentKinds.join(', ')}] }, action: ask`)],
    [
      'exec as another user',
      rule('action: exec, exec: { run: [/bin/rebuild], user: builder, timeout: 20m, memory: 4GiB }'),
    ],
    ['exec in a sandbox', rule('action: exec, exec: { run: [/bin/rebuild, "-v"], sandbox: [bwrap, "--unshare-all"] }')],
    ['exec as the same user, said aloud', rule('action: exec, exec: { run: [/bin/true], same-user: accepted }')],
  ])('accepts what the decoder accepts: %s', (_, yaml) => {
    expect([decodesPolicy(yaml), fits(yaml)]).toEqual([true, true]);
  });

  it.each([
    ['no list', 'rules: {}\n'],
    ['an unknown field', 'rules: []\ndefault: ask\n'],
    ['no action', rule('reason: because')],
    ['an unknown action', rule('action: allow')],
    ['an unknown match', rule('match: { author: dave }, action: ask')],
    ['an empty pattern list', rule('match: { channel: [] }, action: ask')],
    ['an unknown kind', rule('match: { kind: raw }, action: ask')],
    ['an unknown kind of document', rule('match: { document: [text, raw] }, action: ask')],
    ['exec without a program', rule('action: exec')],
    ['a program for another action', rule('action: approve, exec: { run: [/bin/true], same-user: accepted }')],
    ['a shell line for a program', rule('action: exec, exec: { run: "rm -rf /", same-user: accepted }')],
    ['no choice of who it runs as', rule('action: exec, exec: { run: [/bin/true] }')],
    ['two choices', rule('action: exec, exec: { run: [/bin/true], user: builder, same-user: accepted }')],
    ['the same user without saying so', rule('action: exec, exec: { run: [/bin/true], same-user: true }')],
    ['memory in bytes', rule('action: exec, exec: { run: [/bin/true], user: builder, memory: 1000 }')],
  ])('refuses what the decoder refuses: %s', (_, yaml) => {
    expect([decodesPolicy(yaml), fits(yaml)]).toEqual([false, false]);
  });
});

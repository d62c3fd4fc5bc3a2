/**
 * Every decoder that a stranger's bytes reach costs time in proportion to them, and little of it for the largest (T41). Time is this process's own on the
 * processor, so that a busy machine does not matter; the least of several runs counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeAnswer } from '../../client/http.ts';
import { maxGroupBytes } from '../../client/limits.ts';
import { maxPolicyBytes } from '../../participant/limits.ts';
import { decodePolicy } from '../../participant/policy.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { encodeImportKey, readImportKeys } from '../../protocol/ceremony/import-key.ts';
import { openImport } from '../../protocol/ceremony/import.ts';
import { decodeDocument, documentKindOf, documentKinds, maxBytesOf } from '../../protocol/documents/index.ts';
import { readingsIn } from '../../protocol/documents/readings.ts';
import { judgeEvidence } from '../../protocol/evidence.ts';
import { decodeCard } from '../../protocol/files/card.ts';
import { decodeSuccession, successionMessage } from '../../protocol/succession/document.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { decodeRequesters, openCardsInTurns, readRequestersFile } from '../../protocol/files/requesters.ts';
import { createNobleGroup } from '../../protocol/frost/group-noble.ts';
import { createSodiumGroup } from '../../protocol/frost/group-sodium.ts';
import {
  cardsPerTurn,
  maxCertificateBytes,
  maxCharterBytes,
  maxFrameBytes,
  maxImportBytes,
  maxImportKeysBytes,
  maxMembers,
  maxRequestBytes,
  maxRequesters,
  maxRequestersBytes,
  maxSshCertificateBytes,
  maxSshSignatureBytes,
} from '../../protocol/limits.ts';
import { dearmor } from '../../protocol/openpgp/armor.ts';
import { canonicalCleartext, cleartextLines } from '../../protocol/openpgp/cleartext.ts';
import { decodePackets } from '../../protocol/openpgp/packet.ts';
import { openCheckpoint } from '../../protocol/record/checkpoint.ts';
import { decodeEntries } from '../../protocol/record/entries.ts';
import { decodeHead } from '../../protocol/record/head.ts';
import { decodeLeaf } from '../../protocol/record/leaf.ts';
import { maxHeadBytes, maxLeafBytes, maxNoteBytes, maxTilePathCharacters } from '../../protocol/record/limits.ts';
import { decodeTile, parseTilePath, tileWidth } from '../../protocol/record/tile.ts';
import { hashBytes } from '../../protocol/record/tree.ts';
import { openRequest, requestMessage } from '../../protocol/request/request.ts';
import { decodeSshCertificate } from '../../protocol/ssh/certificate.ts';
import { decodeSshSignature } from '../../protocol/ssh/signature.ts';
import { decodePayload } from '../../protocol/wire/envelope.ts';
import { decodeCoordinatorFrame, decodeMemberFrame } from '../../protocol/wire/frames.ts';
import { decodeBase64, decodeBase64Url } from '../../verifier/base64.ts';
import { decodeBundle } from '../../verifier/bundle.ts';
import { decodeDelegation } from '../../verifier/delegation.ts';
import { decodeEnvelope } from '../../verifier/dsse.ts';
import { parseGroupKey } from '../../verifier/group-key.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { decodeEndorsement } from '../../verifier/endorsement.ts';
import {
  maxBundleBytes,
  maxDelegationBytes,
  maxEndorsementBytes,
  maxKeyFileBytes,
  maxPayloadBytes,
  maxStatusBytes,
  maxStatusFileBytes,
} from '../../verifier/limits.ts';
import { printable } from '../../verifier/printable.ts';
import { decodeStatement } from '../../verifier/statement.ts';
import { decodeStatus, openStatusFile } from '../../verifier/status.ts';
import { person, writeCharter } from '../harness/people.ts';
import { goldenFile } from '../protocol/golden.ts';
import { utf8 } from '../protocol/support.ts';

const root = join(import.meta.dirname, '..', '..');
const charter = decodeCharter(goldenFile('charter.yaml'), 'charter.yaml');
const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(count) });
const hex = 'a1'.repeat(32);

/** What one byte more of it makes a careless reader look at again. Cut to a decoder's own bound. */
const patterns: Readonly<Record<string, string>> = {
  'line ends': '\n',
  blanks: ' ',
  'lines of blanks': ' \t\n',
  'carriage returns': '\r\n',
  letters: 'a',
  'short lines': 'a\n',
  digits: '9',
  'hex digits': `${hex}${hex}`,
  'lines of hex': `\n${hex}`,
  'almost checksums': `\n${hex}*`,
  checksums: `${hex}  tool\n`,
  listings: ` ${hex} 12 main/Packages\n`,
  'tagged checksums': `SHA256 (x) = ${hex}\n`,
  'brackets before a hash': `) = ${hex} `,
  'opening brackets': 'SHA256 (',
  'closing brackets': ')',
  'fields of apt': `SHA256:\n ${hex} x`,
  'fields without end': 'SHA256\n\n',
  'fields of dpkg': 'Files:\n',
  'dashes of clear text': '- ',
  'double quotes': '"',
  'single quotes': "'",
  'empty texts': '"" ',
  'texts on lines': '""\n',
  escapes: '\\',
  'wrong escapes': '\\q',
  'escapes of JSON': '\\u0001',
  lists: '[',
  'empty lists': '[],',
  maps: '{',
  'maps in keys': '{"a":',
  'lists in lists': '- ',
  'keys of YAML': '? ',
  'values of YAML': ': ',
  anchors: '&a ',
  aliases: '*a ',
  tags: '!a ',
  comments: '#\n',
  documents: '---\n',
  directives: '%a\n',
  'texts of lines': '|\n',
  commas: ',',
  'two bytes each': 'é',
  'four bytes each': '𝔣',
  'what is escaped': '\u{202e}',
  'line separators': '\u{2028}',
  zeros: '\0',
  armor: '-----BEGIN PGP SIGNATURE-----\n',
  trees: `tree ${'5c'.repeat(20)}\n`,
  parents: `parent ${'5c'.repeat(20)}\n`,
};

const numbered = (one: (index: number) => string, bytes: number): string => {
  const count = Math.floor(bytes / one(99_999).length);
  let all = '';
  for (let index = 0; index < count; index += 1) all += one(index);
  return all;
};

type Input = (bytes: number) => Uint8Array;
const cut = (text: string, bytes: number): Uint8Array => utf8(text).subarray(0, bytes);
const around = (before: string, pattern: string, after: string): Input => {
  return (bytes) => {
    const [head, one, end] = [utf8(before), utf8(pattern), utf8(after)];
    const count = Math.max(0, Math.floor((bytes - head.length - end.length) / one.length));
    const all = new Uint8Array(head.length + count * one.length + end.length);
    all.set(head);
    Buffer.from(all.buffer).fill(one, head.length, head.length + count * one.length);
    all.set(end, all.length - end.length);
    return all;
  };
};
const repeated = (pattern: string): Input => around('', pattern, '');

const anything = Object.entries(patterns).map(([what, pattern]): [string, Input] => [what, repeated(pattern)]);
const json: [string, Input][] = [
  ...['[', '{}', '[]', '0', 'null', '""', '{"a":0}', '"\\u0001"', '1e-7', '[[[[[[]]]]]]'].map(
    (value): [string, Input] => [`a list of ${value}`, around('[', `${value},`, `${value}]`)],
  ),
  ['one text', around('"', 'a', '"')],
  ['one text of escapes', around('"', '\\"', '"')],
  ['one text of controls', around('"', '\\u0001', '"')],
  ['one text beyond Latin', around('"', '语', '"')],
  ['one object of many keys', (bytes) => cut(`{${numbered((index) => `"k${index}":0,`, bytes - 20)}"z":0}`, bytes)],
  ['one object of many numbers', (bytes) => cut(`{${numbered((index) => `"${index}":0,`, bytes - 20)}"z":0}`, bytes)],
  ['many objects of other keys', (bytes) => cut(`[${numbered((index) => `{"k${index}":0},`, bytes - 20)}0]`, bytes)],
  [
    'keys as long as they may be',
    (bytes) => cut(`{${numbered((index) => `"${'k'.repeat(400)}${index}":0,`, bytes - 20)}"z":0}`, bytes),
  ],
];
const marks = [
  'double quotes',
  'single quotes',
  'empty texts',
  'texts on lines',
  'lists',
  'empty lists',
  'maps',
  'maps in keys',
  'lists in lists',
  'keys of YAML',
  'values of YAML',
  'anchors',
  'tags',
  'documents',
  'directives',
];
const crowd = writeCharter({ tiers: Array<string>(128).fill('a'), production: '{ any: 65 }' });
const importKeys = crowd.people
  .map((who) => `${encodeImportKey(crowd.charter, new Uint8Array(32).fill(9), who)}\n`)
  .join('');
const yaml: [string, Input][] = [
  ...anything.filter(([what]) => marks.includes(what)),
  [
    'many keys',
    (bytes) =>
      cut(
        numbered((index) => `k${index}: 1\n`, bytes),
        bytes,
      ),
  ],
  ['many keys on one line', (bytes) => cut(`{${numbered((index) => `k${index}: 1, `, bytes - 2)}}`, bytes)],
  ['one key again and again', repeated('a: 1\n')],
  ['a list', repeated('- 1\n')],
  ['a text over lines', around('"', 'a\n', '"')],
  ['a text of escapes', around('"', '\\x41', '"')],
  ['a text of wrong escapes', around('"', '\\q', '"')],
  ['a text of quotes', around("'", "''", "'")],
  ['a folded text', around('>\n', ' a\n', '')],
  ['comments between', repeated('a: \n#\n')],
  [
    'steps',
    (bytes) =>
      cut(
        Array.from({ length: Math.floor(Math.sqrt(2 * bytes)) }, (_, index) => `${' '.repeat(index)}a:\n`).join(''),
        bytes,
      ),
  ],
];

const release = 'Date: Sun, 22 Nov 2026 08:00:00 UTC\n';
const control = 'Source: x\nVersion: 1\n';
const who = 'A <a@b> 1 +0000';
const documentInputs: [string, Input][] = [
  [
    'a Release of many files',
    (bytes) => cut(`${release}SHA256:\n${numbered((index) => ` ${hex} 1 ${index}\n`, bytes - 100)}`, bytes),
  ],
  [
    'a Release of many fields',
    (bytes) => cut(`${release}SHA256:\n${numbered((index) => `X${index}: 1\n`, bytes - 100)}`, bytes),
  ],
  ['a Release of one long path', around(`${release}SHA256:\n ${hex} 1 `, 'a/', 'x\n')],
  ['a Release of many words', around(`${release}SHA256:\nSuite: a`, ' a', '\n')],
  ['a Release of one long text', around(`${release}SHA256:\nDescription: a\n`, ' a\n', '')],
  ['a Release of many keys', around(`${release}SHA256:\nSigned-By:\n`, ` ${'A1'.repeat(20)}\n`, '')],
  [
    'a .dsc of many files',
    (bytes) => cut(`${control}Checksums-Sha256:\n${numbered((index) => ` ${hex} 1 a${index}\n`, bytes - 100)}`, bytes),
  ],
  [
    'a manifest of many files',
    (bytes) =>
      cut(
        numbered((index) => `${hex}  ${index}\n`, bytes),
        bytes,
      ),
  ],
  ['a manifest of long names', around('', `${hex}  ${'x'.repeat(255)}\n`, '')],
  ['a tag with a long name', around(`object ${'5c'.repeat(20)}\ntype commit\ntag `, 'a/', `a\ntagger ${who}\n\n`)],
  [
    'a tag by somebody long',
    around(`object ${'5c'.repeat(20)}\ntype commit\ntag v1\ntagger `, 'a ', ` <a@b> 1 +0000\n\n`),
  ],
  [
    'a commit with many parents',
    around(`tree ${'5c'.repeat(20)}\n`, `parent ${'5c'.repeat(20)}\n`, `author ${who}\ncommitter ${who}\n\n`),
  ],
  ['a package of many tags', rpmOf],
];

/** As many tags as there may be, each with as much text as fits. */
function rpmOf(bytes: number): Uint8Array {
  const count = Math.min(65_535, Math.floor((bytes - 64) / 64));
  const each = Math.floor((bytes - 32 - 16 * (count + 1)) / count) - 1;
  const header = new Uint8Array(16 + 16 * (count + 1) + count * (each + 1) + 16);
  const view = new DataView(header.buffer);
  header.set([0x8e, 0xad, 0xe8, 1]);
  view.setUint32(8, count + 1);
  view.setUint32(12, count * (each + 1) + 16);
  const put = (place: number, fields: readonly number[]): void => {
    fields.forEach((field, index) => {
      view.setInt32(place + 4 * index, field);
    });
  };
  put(16, [63, 7, count * (each + 1), 16]);
  for (let tag = 0; tag < count; tag += 1) put(32 + 16 * tag, [1000 + tag, 6, tag * (each + 1), 1]);
  const store = 16 + 16 * (count + 1);
  for (let tag = 0; tag < count; tag += 1) header.fill(0x61, store + tag * (each + 1), store + tag * (each + 1) + each);
  put(header.length - 16, [63, 7, -16 * (count + 1), 16]);
  return header;
}

interface Decoder {
  /** Exported names that it calls: what it measures. */
  readonly covers: readonly string[];
  readonly maxBytes: number;
  readonly inputs: readonly (readonly [string, Input])[];
  readonly run: (bytes: Uint8Array) => unknown;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const decoders: Readonly<Record<string, Decoder>> = {
  ...Object.fromEntries(
    documentKinds.map((kind): [string, Decoder] => [
      `a document as ${kind}`,
      {
        covers: [
          'decodeDocument',
          'readingsIn',
          'hashRuns',
          'readableText',
          'decodeControl',
          'decodeManifest',
          'openGitObject',
        ],
        maxBytes: maxBytesOf(kind),
        inputs: [...anything, ...documentInputs],
        run: (bytes) => decodeDocument(kind, bytes),
      },
    ]),
  ),
  'what tools read in a document': {
    covers: ['readingsOf'],
    maxBytes: maxBytesOf('rpm-header'),
    inputs: anything,
    run: (bytes) => readingsIn(bytes).next(),
  },
  'the kind of a document': {
    covers: ['documentKindOf'],
    maxBytes: maxBytesOf('apt-release'),
    inputs: documentInputs,
    run: documentKindOf,
  },
  'the lines of a clear text': {
    covers: [],
    maxBytes: maxBytesOf('apt-release'),
    inputs: [...anything, ['lines of blanks and a letter', repeated(`${' '.repeat(19_980)}a\n`)]],
    run: (bytes) => canonicalCleartext(cleartextLines(text(bytes))),
  },
  'canonical JSON of the largest answer': {
    covers: ['decodeCanonicalJson', 'readFields', 'readString', 'decodeAnswer'],
    maxBytes: maxGroupBytes,
    inputs: json,
    run: (bytes) => decodeCanonicalJson(bytes, { maxBytes: maxGroupBytes, maxDepth: 12 }),
  },
  'an answer of a coordinator': {
    covers: ['decodeAnswer'],
    maxBytes: maxGroupBytes,
    inputs: json.filter(([what]) => what.includes('many') || what.startsWith('a list')),
    run: (bytes) => decodeAnswer(requestMessage.schema, bytes, maxGroupBytes),
  },
  'a succession': {
    covers: ['decodeSuccession'],
    maxBytes: successionMessage.maxBytes,
    inputs: [...anything, ...json],
    run: (bytes) => decodeSuccession(bytes),
  },
  'a request': {
    covers: ['decodePayload', 'openRequest', 'openMessage', 'decodeEnvelope'],
    maxBytes: maxRequestBytes,
    inputs: [...anything, ...json],
    run: (bytes) => decodePayload(requestMessage, bytes),
  },
  'the envelope of a request': {
    covers: ['openRequest', 'openMessage', 'decodeEnvelope', 'decodeKey'],
    maxBytes: maxRequestBytes,
    inputs: [['base64', repeated('A')]],
    run: (bytes) =>
      openRequest({
        payload: text(bytes),
        payloadType: requestMessage.payloadType,
        signatures: [{ keyid: 'A'.repeat(43), sig: `${'A'.repeat(86)}==` }],
      }),
  },
  'a requesters document': {
    covers: ['decodeRequesters'],
    maxBytes: maxRequestersBytes,
    inputs: [
      ...json,
      [
        'entries without a card',
        around(
          '{"version":1,"requesters":[',
          '{"card":"x","channels":["production"],"member":null},',
          '{"card":"x","channels":["production"],"member":null}]}',
        ),
      ],
      [
        'channels without end',
        around('{"version":1,"requesters":[{"card":"x","channels":["a"', ',"a"', '],"member":null}]}'),
      ],
    ],
    run: (bytes) => decodeRequesters(bytes, charter),
  },
  'a requesters file': {
    covers: ['readRequestersFile', 'parseYaml'],
    maxBytes: maxRequestersBytes,
    inputs: [...yaml],
    run: (bytes) => readRequestersFile(bytes, 'requesters.yaml', charter),
  },
  'a file of import keys': {
    covers: ['readImportKeys'],
    maxBytes: maxImportKeysBytes,
    inputs: [
      ['a key of every holder, and one of them again and again', (bytes) => cut(importKeys.repeat(4), bytes)],
      ['lines without end', repeated('\n')],
      ['a line without end', around('frostmark-import-key:', 'A', '')],
    ],
    run: (bytes) => readImportKeys(bytes, 'keys.txt', crowd.charter),
  },
  'a charter': {
    covers: ['decodeCharter', 'parseYaml', 'parseDuration'],
    maxBytes: maxCharterBytes,
    inputs: [
      ...yaml,
      ['members without end', around('version: 1\ngroup: a\nmembers:\n', '- { name: a, tier: a, card: a }\n', '')],
    ],
    run: (bytes) => decodeCharter(bytes),
  },
  'a policy': {
    covers: ['decodePolicy', 'parseYaml'],
    maxBytes: maxPolicyBytes,
    inputs: [...yaml, ['rules without end', around('rules:\n', '- action: ask\n', '')]],
    run: (bytes) => decodePolicy(bytes, 'policy.yaml'),
  },
  'a card': {
    covers: ['decodeCard', 'decodeBase64Url'],
    maxBytes: 64 * 1024,
    inputs: [['base64', around('frostmark-member:', 'A', '')], ...anything],
    run: (bytes) => decodeCard('member', text(bytes)),
  },
  'a certificate': {
    covers: ['decodeCertificate'],
    maxBytes: maxCertificateBytes,
    inputs: [...anything, ...json],
    run: decodeCertificate,
  },
  'an import': {
    covers: ['openImport'],
    maxBytes: maxImportBytes,
    inputs: [...anything, ...json],
    run: (bytes) => openImport(arithmetic, charter, bytes),
  },
  evidence: {
    covers: ['judgeEvidence', 'judgeTogether', 'judgeViews'],
    maxBytes: maxGroupBytes,
    inputs: json,
    run: (bytes) => judgeEvidence(arithmetic, bytes),
  },
  "a member's frame": {
    covers: ['decodeMemberFrame'],
    maxBytes: maxFrameBytes(128),
    inputs: [...anything, ...json, ['a type without end', around('{"type":"', 'a', '"}')]],
    run: (bytes) => decodeMemberFrame(bytes, maxFrameBytes(128)),
  },
  "a coordinator's frame": {
    covers: ['decodeCoordinatorFrame'],
    maxBytes: maxFrameBytes(128),
    inputs: [...anything, ...json],
    run: (bytes) => decodeCoordinatorFrame(bytes, maxFrameBytes(128)),
  },
  'a status': {
    covers: ['decodeStatus'],
    maxBytes: maxStatusBytes,
    inputs: [
      ...anything,
      ...json,
      [
        'revocations below long versions',
        around(
          `{"groupKey":"${'A'.repeat(43)}","number":1,"at":"2026-11-22T08:00:00Z","revoked":[`,
          `{"product":"a","below":"1.0.0-${'1'.repeat(240)}","at":"2026-11-22T08:00:00Z","reason":null},`,
          ']}',
        ),
      ],
    ],
    run: decodeStatus,
  },
  'a status file': {
    covers: ['openStatusFile', 'readStatus', 'decodeJsonLines'],
    maxBytes: maxStatusFileBytes,
    inputs: [...anything, ['empty lines', repeated('\n')], ['many lines', repeated('0\n')]],
    run: (bytes) => openStatusFile(bytes, new Uint8Array(32)),
  },
  'an endorsement': {
    covers: ['decodeEndorsement', 'openEndorsement', 'openConsent'],
    maxBytes: maxEndorsementBytes,
    inputs: [...anything, ...json],
    run: decodeEndorsement,
  },
  'a bundle': { covers: ['decodeBundle'], maxBytes: maxBundleBytes, inputs: [...anything, ...json], run: decodeBundle },
  'a statement': {
    covers: ['decodeStatement'],
    maxBytes: maxPayloadBytes,
    inputs: [...anything, ...json],
    run: decodeStatement,
  },
  'a delegation': {
    covers: ['decodeDelegation', 'parseTime'],
    maxBytes: maxDelegationBytes,
    inputs: [...anything, ...json],
    run: decodeDelegation,
  },
  'an envelope': {
    covers: ['decodeEnvelope', 'openEnvelope', 'decodeBase64'],
    maxBytes: maxBundleBytes,
    inputs: [['base64', repeated('A')], ...anything],
    run: (bytes) => decodeEnvelope({ payload: text(bytes), payloadType: 'x', signatures: [] }),
  },
  base64: {
    covers: ['decodeBase64'],
    maxBytes: maxBundleBytes,
    inputs: [...anything, ['base64', repeated('A')]],
    run: (bytes) => decodeBase64(text(bytes)),
  },
  base64url: {
    covers: ['decodeBase64Url'],
    maxBytes: maxBundleBytes,
    inputs: [...anything, ['base64', repeated('A')]],
    run: (bytes) => decodeBase64Url(text(bytes)),
  },
  'GROUP.pub': {
    covers: ['parseGroupKey'],
    maxBytes: maxKeyFileBytes,
    inputs: anything,
    run: (bytes) => parseGroupKey(text(bytes)),
  },
  armor: {
    covers: ['dearmor'],
    maxBytes: maxSshSignatureBytes * 16,
    inputs: [
      ...anything,
      [
        'base64 in lines',
        around('-----BEGIN PGP SIGNATURE-----\n\n', `${'A'.repeat(64)}\n`, '=AAAA\n-----END PGP SIGNATURE-----\n'),
      ],
    ],
    run: (bytes) => dearmor('PGP SIGNATURE', bytes),
  },
  'OpenPGP packets': {
    covers: ['decodePackets'],
    maxBytes: maxSshSignatureBytes * 16,
    inputs: [
      ['empty packets', (bytes) => new Uint8Array(bytes).map((_, at) => (at % 2 === 0 ? 0xc2 : 0))],
      ...anything,
    ],
    run: decodePackets,
  },
  'an SSH certificate': {
    covers: ['decodeSshCertificate'],
    maxBytes: maxSshCertificateBytes,
    inputs: anything,
    run: (bytes) => decodeSshCertificate(text(bytes)),
  },
  'an SSH signature': {
    covers: ['decodeSshSignature'],
    maxBytes: maxSshSignatureBytes,
    inputs: anything,
    run: decodeSshSignature,
  },
  'a record of a log': {
    covers: ['decodeLeaf'],
    maxBytes: maxLeafBytes,
    inputs: [...anything, ...json],
    run: decodeLeaf,
  },
  'the head of a log': {
    covers: ['decodeHead'],
    maxBytes: maxHeadBytes,
    inputs: [...anything, ...json],
    run: decodeHead,
  },
  'a bundle of entries': {
    covers: ['decodeEntries'],
    maxBytes: tileWidth * (maxLeafBytes + 2),
    inputs: [
      ['empty records', repeated('\0\0')],
      ['records of one length', repeated('aa')],
    ],
    run: (bytes) => decodeEntries(bytes, tileWidth),
  },
  'a tile': {
    covers: ['decodeTile'],
    maxBytes: tileWidth * hashBytes,
    inputs: anything,
    run: (bytes) => decodeTile({ level: 0, index: 0, width: tileWidth }, bytes),
  },
  'the path of a tile': {
    covers: ['parseTilePath'],
    maxBytes: maxTilePathCharacters,
    inputs: [...anything, ['groups', around('tile/0/', 'x000/', '000')]],
    run: (bytes) => parseTilePath(text(bytes)),
  },
  'a checkpoint': {
    covers: ['openCheckpoint', 'parseOrigin', 'openNote'],
    maxBytes: maxNoteBytes,
    inputs: [
      ...anything,
      ...['— ', '— a ', '— a AAAA\n', 'a\n\n', '—'].map((pattern): [string, Input] => [
        `a note of ${JSON.stringify(pattern)}`,
        around(`frostmark/${hex}/${'a1'.repeat(16)}\n1\n\n`, pattern, '\n'),
      ]),
    ],
    run: (bytes) => openCheckpoint(text(bytes), new Uint8Array(32)),
  },
  'what is shown': {
    covers: [],
    maxBytes: maxBytesOf('text'),
    inputs: anything,
    run: (bytes) => printable(text(bytes)),
  },
};

/** Exported names that look like decoders, and why no table row is about them. */
const elsewhere: Readonly<Record<string, string>> = {
  decodeBody: 'scans a body in slices, with bounds of its own, and hands it to decodeCanonicalJson',
  openedOrUndefined: 'opens a checkpoint by openCheckpoint, which is in the table',
  ...Object.fromEntries(
    [
      'decodeIdentifier',
      'decodeShare',
      'decodeScalar',
      'decodeCommitments',
      'parseTime',
      'parseTimestamp',
      'parseDuration',
      'parseSemVer',
      'decodeKey',
      'readKey',
      'parseEpochMark',
    ].map((name) => [name, 'takes one field, whose length its schema bounds']),
  ),
  ...Object.fromEntries(
    [
      'openCommitment',
      'openShare',
      'openAnswer',
      'openDecision',
      'openCeremonyMessage',
      'openHoldings',
      'openErased',
      'openSuccessionMessage',
      'openSignedBy',
      'openMessage',
      'openEnvelope',
    ].map((name) => [name, 'opens an envelope, as a request is opened: smaller, and by the same steps']),
  ),
  ...Object.fromEntries(
    [
      'openEpoch',
      'openGroupEpoch',
      'openChain',
      'openCandidate',
      'decodeLink',
      'openSuccessor',
      'openSuccession',
      'judgeMessages',
      'judgeSuccession',
      'openGroupDocuments',
      'openGroupDocument',
      'openAll',
      'openGroup',
      'openImportedShare',
      'openRound',
      'openResult',
      'openBackSignature',
      'openSignature',
      'openCardsInTurns',
    ].map((name) => [
      name,
      'verifies signatures and points of what a decoder above has read: as many as there are members',
    ]),
  ),
  ...Object.fromEntries(
    [
      'openpgpGroup',
      'openpgpGroupOf',
      'openpgpKeyOf',
      'openpgpKey',
      'openpgpCertificateOf',
      'readyMembers',
      'judgeBy',
      'judgeFaults',
      'openingMessageType',
    ].map((name) => [name, 'makes, and reads nothing']),
  ),
  ...Object.fromEntries(
    [
      'openFile',
      'readAhead',
      'readSmallFile',
      'readingFrom',
      'readKeyArgument',
      'readWholeDocument',
      'readSource',
      'readName',
      'openJournal',
      'openStore',
      'openStoreOn',
      'parseListen',
      'decodeCommand',
      'readIssued',
      'readDocuments',
      'readHoldings',
      'decodeGroupDocument',
      'decodeSeen',
      'parseCoordinatorUrl',
      'parseBaseUrl',
      'readEvents',
      'openAnchor',
      'openLevel',
      'openEdge',
      'openKept',
      'openBlob',
      'parseRoundQuery',
      'openOldChain',
      'openLevelDatabase',
      'decodeBackup',
      'readContents',
    ].map((name) => [name, 'reads what its own user wrote, or in pieces what a row above decodes']),
  ),
};

const folders = ['verifier', 'protocol', 'client', 'coordinator', 'participant', 'requester'];
const exportedDecoder =
  /^export (?:async )?function\*? ((?:decode|open|parse|read|judge)[A-Za-z0-9]*|dearmor|documentKindOf)\b/gm;

function exportedDecoders(): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        [...readFileSync(join(root, folder, file), 'utf8').matchAll(exportedDecoder)].map(([, name = '']) => name),
      ),
  );
}

/** A document of as many people as that, none of whom is in another. */
function requestersOfFresh(count: number): Uint8Array {
  const entry = (index: number) => ({
    card: person(`person-${index}`).card('requester'),
    channels: ['production'],
    member: null,
  });
  const requesters = Array.from({ length: count }, (_, index) => entry(index));
  return encodeCanonicalJson({ version: 1, groupKey: null, number: 0, requesters });
}

function charterOfFresh(): Uint8Array {
  const member = (index: number): string =>
    `  - { name: member-${index}, tier: admin, card: '${person(`member-${index}`).card('member')}' }\n`;
  const members = Array.from({ length: maxMembers }, (_, index) => member(index)).join('');
  return utf8(`version: 1\ngroup: acme\nmembers:\n${members}channels:\n  production: { quorum: { any: 64 } }\n`);
}

/** Milliseconds of this process on the processor, for one run; what is refused must be refused by a code. */
function costOf({ run }: Pick<Decoder, 'run'>, bytes: Uint8Array): number {
  const before = process.cpuUsage();
  try {
    run(bytes);
  } catch (error) {
    expect((error as { code?: unknown }).code, String(error).slice(0, 200)).toEqual(expect.any(String));
  }
  return millisecondsSince(before);
}

function millisecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const leastCost = (decoder: Pick<Decoder, 'run'>, bytes: Uint8Array, runs: number): number =>
  Math.min(...Array.from({ length: runs }, () => costOf(decoder, bytes)));

const built = new Map<Input, Uint8Array>();
afterAll(() => {
  built.clear();
});

/** Several decoders have the largest bound, and what is in JSON there takes longer to write than to read. */
function largestOf({ maxBytes }: Decoder, input: Input): Uint8Array {
  if (maxBytes !== maxGroupBytes) return input(maxBytes);
  const bytes = built.get(input) ?? input(maxBytes);
  built.set(input, bytes);
  return bytes;
}

/** Below that a measurement is noise. */
const noiseMs = 100;
/** Four times what the largest input may take on an idle machine of two cores. */
const capMs = 400;
/** Four times the bytes take four times the time; sixteen times would be quadratic. Half of it is far enough from that to be seen in one run. */
const maxGrowth = 10;

describe('a decoder', () => {
  it.each(Object.entries(decoders))(
    'of %s costs little for its largest input, and no more than in proportion (T41)',
    (_name, decoder) => {
      for (const [what, input] of decoder.inputs) {
        const largest = largestOf(decoder, input);
        expect(largest.length, what).toBeLessThanOrEqual(decoder.maxBytes);
        const first = costOf(decoder, largest);
        if (first < noiseMs) continue;
        const part = input(decoder.maxBytes >>> 2);
        if (first < capMs && first / costOf(decoder, part) < maxGrowth / 2) continue;
        // A busy moment, or a decoder that is too slow: the least of several runs tells.
        const cost = leastCost(decoder, largest, 3);
        expect(cost, `${what}: milliseconds for ${largest.length} bytes`).toBeLessThan(capMs);
        if (cost < noiseMs) continue;
        const quarter = Math.max(leastCost(decoder, part, 3), noiseMs / maxGrowth);
        expect(cost / quarter, `${what}: growth from a quarter to all of ${largest.length} bytes`).toBeLessThan(
          maxGrowth,
        );
      }
    },
  );

  it('of a requesters document with hundreds of cards that nobody saw before lets others have their turn (T41)', async () => {
    const count = maxRequesters / 2;
    const sodium = await createSodiumGroup({ randomBytes: (length) => new Uint8Array(length), arenaSlots: 8 });
    const bytes = requestersOfFresh(count);
    expect(bytes.length).toBeLessThanOrEqual(maxRequestersBytes);
    const turns: number[] = [];
    let before = process.cpuUsage();
    const turn = (): Promise<void> => {
      turns.push(millisecondsSince(before));
      before = process.cpuUsage();
      return Promise.resolve();
    };
    await openCardsInTurns(bytes, sodium, turn);
    await turn();
    expect(turns.length).toBeGreaterThan(count / cardsPerTurn);
    // A busy moment may stretch one or the other.
    expect(turns.sort((a, b) => a - b).at(-4)).toBeLessThan(noiseMs);
    expect(decodeRequesters(bytes, charter).entries).toHaveLength(count);
    expect(leastCost({ run: () => decodeRequesters(bytes, charter) }, bytes, 3)).toBeLessThan(noiseMs);
  });

  it('of the largest charter costs little, of cards that nobody saw before, too (T41)', () => {
    const costOfFresh = (): number => {
      const bytes = charterOfFresh();
      return costOf({ run: () => expect(decodeCharter(bytes).members).toHaveLength(maxMembers) }, bytes);
    };
    // 128 signatures and points: nearest of all to the bound, so the least of a few.
    let least = costOfFresh();
    for (let more = 0; more < 4 && least >= capMs; more += 1) least = Math.min(least, costOfFresh());
    expect(least).toBeLessThan(capMs);
  });

  it('that is exported is in this table, or it is said why not (T41)', () => {
    const known = new Set([...Object.values(decoders).flatMap(({ covers }) => covers), ...Object.keys(elsewhere)]);
    const exported = exportedDecoders();
    expect(exported.length).toBeGreaterThan(50);
    expect(exported.filter((name) => !known.has(name))).toEqual([]);
    // Nor is anything in it that is gone.
    const names = new Set([...exported, 'decodeAnswer', 'readingsIn', 'hashRuns', 'readableText', 'readingsOf']);
    expect([...known].filter((name) => !names.has(name))).toEqual([]);
  });
});

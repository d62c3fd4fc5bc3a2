/** Minisign files before minisign, and what signify makes of them. */
import { blake2b } from '@noble/hashes/blake2.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { manifestOf } from '../../protocol/documents/manifest.ts';
import { minisignPublicKey } from '../../protocol/formats/minisign.ts';
import { finishRequest, followRequest, prepareRequest } from '../../protocol/formats/index.ts';
import { quorumSignature } from '../harness/coordinator-group.ts';
import { liveGroup, type LiveGroup } from '../harness/round-network.ts';
import { documentRelease, groundSignature, signedFile, zeroLed } from '../harness/signed-release.ts';
import { goldenFormat } from '../protocol/documents/golden.ts';
import { codeOf, flipped, utf8 } from '../protocol/support.ts';
import { hasTool, Workshop, type Ran } from './tools.ts';

const document = { kind: 'manifest', bytes: manifestOf([{ name: 'tool-1.0.0.tgz', sha256: 'ab'.repeat(32) }]) };
const comment = 'timestamp:1795334400\tchannel:production\tgroup:acme\tkind:manifest\tproduct:tool\trelease:1.0.0';

let group: LiveGroup;
let other: LiveGroup;
let file: string;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const keyFile = (of: LiveGroup, channel = 'production'): string =>
  minisignPublicKey(of.epoch.channel(channel).point.bytes, `${of.epoch.charter.group} ${channel}`);

beforeAll(async () => {
  const plan = { tiers: ['admin', 'admin', 'build'], production: '{ any: 2 }', development: '{ build: 1 }' };
  [group, other] = await Promise.all([liveGroup(plan), liveGroup(plan)]);
  file = text(signedFile(group, 'production', 'minisign', document));
});

interface Question {
  readonly signature?: string;
  readonly bytes?: Uint8Array;
  readonly key?: string;
  readonly options?: readonly string[];
}

function minisign({
  signature = file,
  bytes = document.bytes,
  key = keyFile(group),
  options = ['-V', '-H', '-Q'],
}: Question): Ran {
  using shop = new Workshop();
  const data = shop.file('SHA256SUMS', bytes);
  shop.file('SHA256SUMS.minisig', signature);
  return shop.run('minisign', [...options, '-m', data, '-p', shop.file('minisign.pub', key)]);
}

/** The file with one of its four lines exchanged. */
function withLine(index: number, line: string): string {
  return file.split('\n').with(index, line).join('\n');
}

const relabelled = (signature: string): string => {
  const line = Buffer.from(signature.split('\n')[1]!, 'base64');
  line.write('Ed', 0, 'latin1');
  return signature.split('\n').with(1, line.toString('base64')).join('\n');
};

describe.skipIf(!hasTool('minisign'))('minisign -V', () => {
  it('accepts a prehashed signature and shows the trusted comment', () => {
    const { status, stdout } = minisign({});
    expect(stdout).toBe(`${comment}\n`);
    expect(status).toBe(0);
    expect(minisign({ options: ['-V'] }).stdout).toContain('Signature and comment signature verified');
  });

  it('accepts the golden files', () => {
    const question = {
      signature: text(goldenFormat('document.manifest.minisig')),
      bytes: goldenFormat('document.manifest'),
      key: text(goldenFormat('minisign.pub')),
    };
    expect(minisign(question).status).toBe(0);
    expect(minisign({ ...question, bytes: flipped(question.bytes, 3) }).status).not.toBe(0);
  });

  it('accepts the public key on the command line', () => {
    using shop = new Workshop();
    const data = shop.file('SHA256SUMS', document.bytes);
    shop.file('SHA256SUMS.minisig', file);
    const key = keyFile(group).split('\n')[1]!;
    expect(shop.run('minisign', ['-V', '-H', '-m', data, '-P', key]).status).toBe(0);
    expect(shop.run('minisign', ['-V', '-H', '-m', data, '-P', keyFile(other).split('\n')[1]!]).status).not.toBe(0);
  });

  it('accepts a development signature under the development key', () => {
    const signature = text(signedFile(group, 'development', 'minisign', document));
    const { status, stdout } = minisign({ signature, key: keyFile(group, 'development') });
    expect(stdout).toContain('\tchannel:development\t');
    expect(status).toBe(0);
  });

  it('accepts and shows a comment from hostile product and release names as one harmless line', () => {
    const change = { product: 'a\tchannel:production\n\u{1b}[2J\u{202e}', release: 'é\\u{9}😀' };
    const { status, stdout } = minisign({
      signature: text(signedFile(group, 'production', 'minisign', document, change)),
    });
    const escaped = 'product:a\\u{9}channel:production\\u{a}\\u{1b}[2J\\u{202e}\trelease:\\u{e9}\\u{5c}u{9}\\u{1f600}';
    expect(stdout).toBe(`${comment.slice(0, comment.indexOf('product:'))}${escaped}\n`);
    expect(status).toBe(0);
  });

  it.each<[string, () => Question]>([
    ['other bytes', () => ({ bytes: flipped(document.bytes, 7) })],
    ['another group', () => ({ key: keyFile(other) })],
    ['production under the development key', () => ({ key: keyFile(group, 'development') })],
    [
      'development under the production key (T21)',
      () => ({ signature: text(signedFile(group, 'development', 'minisign', document)) }),
    ],
    [
      'a changed trusted comment',
      () => ({ signature: withLine(2, `trusted comment: ${comment.replace('1.0.0', '1.0.1')}`) }),
    ],
    ['an empty trusted comment', () => ({ signature: withLine(2, 'trusted comment: ') })],
    ['a longer trusted comment', () => ({ signature: withLine(2, `trusted comment: ${comment} `) })],
    ['the trusted comment and its signature of another file', () => ({ signature: mixed([2, 3]) })],
    ["another file's signature", () => ({ signature: mixed([1]) })],
    ['a prehashed signature relabelled as a legacy one', () => ({ signature: relabelled(file) })],
  ])('refuses %s', (_what, question) => {
    expect(minisign(question()).status).not.toBe(0);
  });

  it("refuses the comment of one attempt beside the signature of another, although both are the quorum's own (T37)", () => {
    const again = text(signedFile(group, 'production', 'minisign', document));
    expect(again.split('\n')[2]).toBe(file.split('\n')[2]);
    expect(minisign({ signature: again }).status).toBe(0);
    expect(minisign({ signature: withLine(3, again.split('\n')[3]!) }).status).not.toBe(0);
  });

  it.each(zeroLed)(
    'accepts signatures whose %s begins with a zero byte, at both stages',
    (_what, isWanted) => {
      const request = documentRelease(group, 'production', ['minisign'], document);
      const prepared = prepareRequest({ epoch: group.epoch, request, documents: [document.bytes] });
      const first = groundSignature(group, 'production', prepared.messages[0]!, isWanted);
      const second = groundSignature(group, 'production', followRequest(prepared, [first])[0]!.message, isWanted);
      const signature = text(finishRequest(prepared, [first, second])[0]!.bytes);
      expect(minisign({ signature }).status).toBe(0);
    },
    300_000,
  );

  /** The file with lines of the signature of another document. */
  function mixed(lines: readonly number[]): string {
    const bytes = utf8('Another document of the same group, of more than sixty-four bytes.\n');
    const foreign = text(signedFile(group, 'production', 'minisign', { kind: 'text', bytes })).split('\n');
    return file
      .split('\n')
      .map((line, index) => (lines.includes(index) ? foreign[index]! : line))
      .join('\n');
  }
});

describe.skipIf(!hasTool('minisign'))('a legacy minisign signature', () => {
  const digest = (): Uint8Array => blake2b(document.bytes, { dkLen: 64 });

  it('can be made of a prehashed one for the 64 bytes of the hash, and of nothing else: -H refuses it (T10)', () => {
    const forged = { signature: relabelled(file), bytes: digest() };
    expect(minisign({ ...forged, options: ['-V'] }).status).toBe(0);
    expect(minisign(forged).status).not.toBe(0);
    expect(minisign({ signature: relabelled(file), options: ['-V'] }).status).not.toBe(0);
  });

  it('over the hash of another document cannot be had, for no document kind takes 64 bytes (T10)', () => {
    // Were these bytes signed as they are, the signature would pass as a prehashed one over the document.
    const signature = quorumSignature(group, 'production', digest());
    const line = Buffer.concat([Buffer.from(file.split('\n')[1]!, 'base64').subarray(0, 10), signature]);
    const global = quorumSignature(group, 'production', Buffer.concat([signature, Buffer.from('x')]));
    const forged = [
      'untrusted comment: x',
      line.toString('base64'),
      'trusted comment: x',
      Buffer.from(global).toString('base64'),
      '',
    ];
    expect(minisign({ signature: forged.join('\n') }).status).toBe(0);
    for (const kind of ['text', 'manifest', 'git-tag', 'git-commit'])
      expect(codeOf(() => signedFile(group, 'production', 'minisign', { kind, bytes: digest() }))).toBe('bad-document');
  });
});

describe.skipIf(!hasTool('signify-openbsd'))('signify', () => {
  function signify(signature: string, bytes: Uint8Array): Ran {
    using shop = new Workshop();
    const [data, key] = [shop.file('f', bytes), shop.file('key.pub', keyFile(group))];
    return shop.run('signify-openbsd', ['-V', '-p', key, '-m', data, '-x', shop.file('f.sig', signature)]);
  }

  it('reads the public key, and refuses prehashed signatures: nothing is signed for it', () => {
    const { status, stderr } = signify(file, document.bytes);
    expect(status).not.toBe(0);
    expect(stderr).not.toContain('key.pub');
  });

  it('accepts a relabelled one for the 64 bytes of the hash and for nothing else (T10)', () => {
    const twoLines = `${relabelled(file).split('\n').slice(0, 2).join('\n')}\n`;
    expect(signify(twoLines, document.bytes).status).not.toBe(0);
    expect(signify(twoLines, blake2b(document.bytes, { dkLen: 64 })).status).toBe(0);
  });
});

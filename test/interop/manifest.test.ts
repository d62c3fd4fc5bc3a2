/** Manifests before sha256sum, and texts that it would take for one. */
import { describe, expect, it } from 'vitest';
import { decodeManifest, manifestOf } from '../../protocol/documents/manifest.ts';
import { documentKindOf } from '../../protocol/documents/index.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { codeOf, utf8 } from '../protocol/support.ts';
import { hasTool, Workshop } from './tools.ts';

const names = ['tool-1.0.0.tgz', 'with space', ' leading', '*star', '#hash', 'ünïcode', '--version', 'a'.repeat(255)];
const contents = (name: string): Uint8Array => utf8(`contents of ${name}`);

describe.skipIf(!hasTool('sha256sum'))('sha256sum', () => {
  it('writes the manifest that we write, and accepts it', () => {
    using shop = new Workshop();
    for (const name of names) shop.file(name, contents(name));
    const manifest = manifestOf(names.map((name) => ({ name, sha256: sha256Hex(contents(name)) })));
    const { stdout } = shop.run('sha256sum', ['--', ...names]);
    expect(utf8(stdout)).toEqual(manifest);
    expect(shop.run('sha256sum', ['-c', '--strict'], manifest).status).toBe(0);
    shop.file('with space', 'changed');
    expect(shop.run('sha256sum', ['-c', '--strict'], manifest).status).toBe(1);
  });

  it('takes a list from among other lines, or in other forms: none of them is a text or a manifest (T10)', () => {
    const digest = sha256Hex(contents('tool'));
    const prose = 'Some words about this release, which are no checksum at all, and some more.\n';
    const lists = [
      `${prose}${digest}  tool\n`,
      `${prose}${digest} *tool\n`,
      `${prose}${digest.toUpperCase()}  tool\n`,
      `${prose}SHA256 (tool) = ${digest}\n`,
      `${prose}SHA256(tool)= ${digest}\n`,
      `${prose}  ${digest}  tool\n`,
      `${prose}${digest}\ttool\n`,
      `${prose}\\${digest}  tool\n`,
    ];
    const taken = lists.filter((list) => {
      using shop = new Workshop();
      shop.file('tool', contents('tool'));
      return shop.run('sha256sum', ['-c'], list).status === 0;
    });
    expect(taken.length).toBeGreaterThanOrEqual(6);
    for (const list of lists)
      expect(
        codeOf(() => documentKindOf(utf8(list))),
        list,
      ).toBe('bad-document');
  });

  it('would read standard input for a dash: no manifest names one', () => {
    using shop = new Workshop();
    const list = `${sha256Hex(utf8(''))}  -\n`;
    expect(shop.run('sha256sum', ['-c', shop.file('sums', list)]).stdout).toBe('-: OK\n');
    expect(codeOf(() => decodeManifest(utf8(list)))).toBe('bad-document');
  });
});

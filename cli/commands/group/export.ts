/** `frostmark group export` */
import { createPublicKey } from 'node:crypto';
import { encodeBase64, encodeBase64Url } from '../../../verifier/base64.ts';
import { formatGroupKey } from '../../../verifier/group-key.ts';
import type { PinnedKey } from '../../../verifier/key-file.ts';
import { readGroup } from '../../asking.ts';
import { defineCommand, list, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';

const formats = { native: nativeLine, pem: pemText, ssh: sshLine } as const;
type Format = keyof typeof formats;

export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: {
    group: text('GROUP.pub', 'the group: the file, or the line in it'),
    format: list('F', 'native (GROUP.pub), pem (openssl) or ssh (default: native)'),
  },
  about: `Prints the group public key in the form that a tool wants: our own line, a PEM
public key, or an OpenSSH public key. Needs no coordinator.`,
  example: 'frostmark group export --group GROUP.pub --format pem',
  next: 'frostmark verify FILE --key takes the native and the PEM form.',
  run: async ({ settings, output }) => {
    const [format = 'native', ...more] = settings.format ?? [];
    if (!isFormat(format) || more.length > 0)
      throw new CommandError('usage', `--format is one of ${Object.keys(formats).join(', ')}`);
    const pinned = await readGroup(settings.group);
    const key = formats[format](pinned);
    output.result(key.trimEnd(), { format, key });
  },
});

function isFormat(text: string): text is Format {
  return Object.hasOwn(formats, text);
}

function nativeLine({ name, key }: PinnedKey): string {
  if (name === null)
    throw new CommandError('usage', 'a PEM file does not tell the name of the group', 'Give GROUP.pub, which has it.');
  return `${formatGroupKey({ name, key })}\n`;
}

/** SubjectPublicKeyInfo (RFC 8410, Section 4). */
function pemText({ key }: PinnedKey): string {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: encodeBase64Url(key) };
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' }).toString();
}

/** `ssh-ed25519` and the key blob: two strings, each behind its length in 4 bytes (RFC 8709, Section 4; RFC 4251, Section 5). */
function sshLine({ name, key }: PinnedKey): string {
  const blob = Buffer.concat([sshString(Buffer.from('ssh-ed25519')), sshString(key)]);
  return `ssh-ed25519 ${encodeBase64(blob)} ${name ?? 'frostmark'}\n`;
}

function sshString(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

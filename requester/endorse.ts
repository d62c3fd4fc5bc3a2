/** The endorsement of the next key: asked for in two groups, one after the other, and written for whoever has the old key. */
import { join } from 'node:path';
import type { OpenedGroup } from '../client/group.ts';
import { writeFileAtomic } from '../home/files.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { nextMinisignKey, nextSshKey } from '../protocol/formats/endorsement.ts';
import { endorsedCertificate } from '../protocol/openpgp/certificate.ts';
import { draftConsent, endorsementOf, openConsent } from '../protocol/request/endorsement.ts';
import { utf8ToBytes } from '../protocol/wire/bytes.ts';
import type { Identity } from '../protocol/wire/envelope.ts';
import { decodeBase64Url } from '../verifier/base64.ts';
import { openEndorsement, type Endorsement } from '../verifier/endorsement.ts';
import { VerifyError } from '../verifier/errors.ts';
import { formatGroupKey, type GroupKey } from '../verifier/group-key.ts';
import { RequesterError } from './errors.ts';
import type { Issued } from './issued.ts';
import type { Output } from './outputs.ts';
import { askForDocument, type Submission } from './request.ts';

/** Readable by everybody: it is made to be published. */
const endorsementMode = 0o644;
const newline = 0x0a;

/** Asks the new group to agree that it comes after `group`. Throws what `draftConsent` and `askForRelease` do. */
export function askForConsent(
  next: OpenedGroup,
  { group, note }: { readonly group: GroupKey; readonly note: string | undefined },
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  const document = { kind: 'consent', bytes: draftConsent(next.epoch, group), note } as const;
  return askForDocument(next, document, identity, nowUnixSeconds);
}

/** Whether a file is a signed consent, of whomever. Throws nothing. */
export function isConsent(bytes: Uint8Array): boolean {
  try {
    return openConsent(bytes.subarray(0, -1)).bytes.length > 0;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/** What somebody wants endorsed. */
export interface EndorsementWish {
  /** As it was pinned: what the consent has to say, too. */
  readonly successor: GroupKey;
  /** The consent file: an envelope and a newline. */
  readonly consent: Uint8Array;
  readonly note: string | undefined;
}

/**
 * Asks the old group to endorse what the new one agreed to, with what stock tools take of it. Throws `RequesterError('bad-field')` for a consent
 * of another key than the one that is meant, and what `endorsementOf` and `askForRelease` do.
 */
export function askForEndorsement(
  group: OpenedGroup,
  { successor, consent, note }: EndorsementWish,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  const bytes = consent.at(-1) === newline ? consent.subarray(0, -1) : consent;
  const { endorsement } = openConsent(bytes);
  if (formatGroupKey(endorsement.successor) !== formatGroupKey(successor))
    throw new RequesterError(
      'bad-field',
      `the consent is by ${formatGroupKey(endorsement.successor)}, and not by the key that is to be endorsed`,
    );
  endorsementOf(group.epoch, bytes);
  const hasOpenpgp = group.epoch.charter.openpgp !== undefined && endorsement.openpgp !== null;
  const stock = ['ssh-endorsement', 'minisign-endorsement', ...(hasOpenpgp ? ['openpgp-endorsement'] : [])];
  const document = { kind: 'endorsement', formats: ['endorsement', ...stock], bytes, note } as const;
  return askForDocument(group, document, identity, nowUnixSeconds);
}

/** What the group has endorsed, if it has. */
function endorsedIn({ epoch }: OpenedGroup, issued: readonly Issued[]): Endorsement | undefined {
  const file = issued.find(({ kind }) => kind === 'endorsement');
  return file === undefined ? undefined : openEndorsement(file.bytes, decodeBase64Url(epoch.groupKey));
}

/** A group endorses one key for ever; whether it is this one already. Throws `RequesterError('bad-field')` for another. */
export function isEndorsed(group: OpenedGroup, issued: readonly Issued[], successor: GroupKey): boolean {
  const endorsed = endorsedIn(group, issued);
  if (endorsed === undefined) return false;
  if (formatGroupKey(endorsed.successor) === formatGroupKey(successor)) return true;
  throw new RequesterError(
    'bad-field',
    `the group has endorsed ${formatGroupKey(endorsed.successor)} already, which agreed on ${endorsed.at}: it endorses one key, for ever`,
  );
}

const names = {
  native: 'GROUP.endorsement',
  ssh: 'next-ssh.pub',
  minisign: 'next-minisign.pub',
  openpgp: 'next.pgp',
} as const;

type NamedFile = readonly [name: string, bytes: Uint8Array];

/** The files of an endorsement: of the kinds that were signed, and of OpenPGP where the new group's certificate is given. */
function filesOf(group: OpenedGroup, issued: readonly Issued[], certificate: Uint8Array | undefined): NamedFile[] {
  const endorsed = endorsedIn(group, issued);
  if (endorsed === undefined) return [];
  const [ssh, minisign] = [utf8ToBytes(nextSshKey(endorsed)), utf8ToBytes(nextMinisignKey(endorsed))];
  return issued.flatMap(({ kind, bytes }): NamedFile[] => {
    if (kind === 'endorsement') return [[names.native, bytes]];
    if (kind === 'ssh-endorsement')
      return [
        [names.ssh, ssh],
        [`${names.ssh}.sig`, bytes],
      ];
    if (kind === 'minisign-endorsement')
      return [
        [names.minisign, minisign],
        [`${names.minisign}.minisig`, bytes],
      ];
    if (kind !== 'openpgp-endorsement' || certificate === undefined) return [];
    return [[names.openpgp, endorsedCertificate(certificate, bytes)]];
  });
}

/** Where the files go in a folder, as `assertOutputs` plans it: nothing but an earlier endorsement of the same is replaced. */
export function endorsementOutputs({ epoch }: OpenedGroup, folder: string, hasCertificate: boolean): Output[] {
  const isOurs = (bytes: Uint8Array): boolean => {
    try {
      return openEndorsement(bytes, decodeBase64Url(epoch.groupKey)).at !== '';
    } catch (error) {
      if (error instanceof VerifyError) return false;
      throw error;
    }
  };
  const isText = (pattern: RegExp) => (bytes: Uint8Array) =>
    pattern.test(new TextDecoder().decode(bytes.subarray(0, 64)));
  const output = (name: string, of: Output['isOurs']): Output => ({
    path: join(folder, name),
    what: name,
    size: 4096,
    isOurs: of,
  });
  return [
    output(names.native, isOurs),
    output(names.ssh, isText(/^ssh-ed25519 /)),
    output(`${names.ssh}.sig`, isText(/^-----BEGIN SSH SIGNATURE-----/)),
    output(names.minisign, isText(/^untrusted comment: /)),
    output(`${names.minisign}.minisig`, isText(/^untrusted comment: /)),
    ...(hasCertificate ? [output(names.openpgp, () => false)] : []),
  ];
}

/** Writes all there is, each whole or not at all, and answers the paths. Throws `HomeError`, and what `endorsedCertificate` does. */
export async function writeEndorsement(
  group: OpenedGroup,
  issued: readonly Issued[],
  { folder, certificate }: { readonly folder: string; readonly certificate: Uint8Array | undefined },
): Promise<string[]> {
  const written: string[] = [];
  for (const [name, bytes] of filesOf(group, issued, certificate)) {
    await writeFileAtomic(join(folder, name), bytes, { mode: endorsementMode });
    written.push(join(folder, name));
  }
  return written;
}

/** The formats of an endorsement: the document of both keys, and what stock tools take instead, under one approval. */
import { concatBytes } from '@noble/hashes/utils.js';
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { endorsementPayloadType, type Endorsement } from '../../verifier/endorsement.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { ProtocolError } from '../errors.ts';
import { production } from '../files/charter.ts';
import { endorsedPart, prepareEndorsement } from '../openpgp/certificate.ts';
import { formatFingerprint, openpgpGroup, openpgpGroupOf, type OpenpgpGroup } from '../openpgp/group-key.ts';
import { finishSignature, type UnfinishedSignature } from '../openpgp/signature.ts';
import { consentOf, endorsementOf, type EndorsementDraft } from '../request/endorsement.ts';
import { sshPublicKey } from '../ssh/allowed-signers.ts';
import { encodeSshSignature, sshSignedData } from '../ssh/signature.ts';
import { publicKeyBlob } from '../ssh/wire.ts';
import { utf8ToBytes } from '../wire/bytes.ts';
import { defineFormat, dsseFormat, type FormatInput } from './format.ts';
import { minisignFormat, minisignPublicKey } from './minisign.ts';
import { signedAt } from './openpgp.ts';

function documentOf({ documents: [document] }: FormatInput): Uint8Array {
  if (document === undefined) throw new ProtocolError('bad-document', 'the document is missing');
  return document;
}

/** The format of the same name, in the new group: it agrees to come after the other. Finished: an envelope. */
export const consent = dsseFormat({
  name: 'consent',
  kind: 'consent',
  payloadType: endorsementPayloadType,
  payloadOf: (input) => consentOf(input.epoch, documentOf(input), input.request.payload.createdAt).bytes,
});

function draftOf(input: FormatInput): EndorsementDraft {
  return endorsementOf(input.epoch, documentOf(input));
}

type NativeState = { readonly payload: Uint8Array; readonly consent: Uint8Array };

/** The format of the same name. Finished: the endorsement file, this group's envelope and the new one's, a line each. */
export const endorsement = defineFormat<NativeState>({
  name: 'endorsement',
  kind: 'endorsement',
  prepare: (input) => {
    const payload = draftOf(input).bytes;
    return {
      message: preAuthEncoding(endorsementPayloadType, payload),
      state: { payload, consent: documentOf(input) },
    };
  },
  shows: ({ payload }) => new TextDecoder().decode(payload),
  finish: ({ payload, consent: agreed }, signature) => {
    const own = encodeCanonicalJson(
      encodeEnvelope({ payloadType: endorsementPayloadType, payload, keyid: '', signature }),
    );
    const newline = Uint8Array.of(0x0a);
    return concatBytes(own, newline, agreed, newline);
  },
});

type CertificationState = { readonly unfinished: UnfinishedSignature; readonly of: OpenpgpGroup };

/** The old primary key certifies the new one with its user id. Finished: those with the certification, a piece for `endorsedCertificate`. */
export const openpgpEndorsement = defineFormat<CertificationState>({
  name: 'openpgp-endorsement',
  kind: 'endorsement',
  prepare: (input) => {
    const own = openpgpGroup(input.epoch);
    const { successor, openpgp } = draftOf(input).endorsement;
    if (openpgp === null) throw new ProtocolError('bad-request', `${successor.name} has no OpenPGP key`);
    const of = openpgpGroupOf(successor.key, openpgp);
    const unfinished = prepareEndorsement(own, of, signedAt(input.request, own.createdUnixSeconds));
    return { message: unfinished.digest, state: { unfinished, of } };
  },
  shows: ({ of }) =>
    `OpenPGP: the key ${formatFingerprint(of.primary)} belongs to ${new TextDecoder().decode(of.userId)}`,
  finish: ({ unfinished, of }, signature) => endorsedPart(of, finishSignature(unfinished, signature)),
});

/** The new group's key as an SSH public key file. */
export function nextSshKey({ successor }: Endorsement): string {
  return sshPublicKey(successor.key, successor.name);
}

/** The new group's key as a minisign public key file. */
export function nextMinisignKey({ successor }: Endorsement): string {
  return minisignPublicKey(successor.key, `${successor.name} ${production}`);
}

type SshState = { readonly key: Uint8Array; readonly shown: string };

/** An SSH signature over the new group's SSH public key file. */
export const sshEndorsement = defineFormat<SshState>({
  name: 'ssh-endorsement',
  kind: 'endorsement',
  prepare: (input) => {
    const file = nextSshKey(draftOf(input).endorsement);
    const key = input.epoch.channel(production).point.bytes;
    return { message: sshSignedData('file', utf8ToBytes(file)), state: { key, shown: `SSH: ${file.trimEnd()}` } };
  },
  shows: ({ shown }) => shown,
  finish: ({ key }, signature) => encodeSshSignature({ keyBlob: publicKeyBlob(key), namespace: 'file', signature }),
});

/** A minisign signature over the new group's minisign public key file. */
export const minisignEndorsement = minisignFormat('minisign-endorsement', 'endorsement', (input) => ({
  kind: 'endorsement',
  bytes: utf8ToBytes(nextMinisignKey(draftOf(input).endorsement)),
}));

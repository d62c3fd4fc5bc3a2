/** Keys, envelopes and bundles for the verifier's tests. An ordinary Ed25519 key signs: nothing in a signature tells it from a quorum's. */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { decodeBase64Url } from '../../verifier/base64.ts';
import { encodeBundle } from '../../verifier/bundle.ts';
import { delegationPayloadType, encodeDelegation, type Delegation } from '../../verifier/delegation.ts';
import { encodeEnvelope, preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import { VerifyError, type VerifyErrorCode } from '../../verifier/errors.ts';
import { encodeStatement, statementPayloadType, type Statement } from '../../verifier/statement.ts';
import { encodeStatus, statusPayloadType, type Status } from '../../verifier/status.ts';
import { expect } from 'vitest';

/** A key pair with its 32 public bytes. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** The same pair for the same number, always. */
export function keyPair(seed: number): KeyPair {
  // PKCS#8 of an Ed25519 seed (RFC 8410, Section 7).
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return { privateKey, publicKey: decodeBase64Url(x ?? '') };
}

export const group = keyPair(1);
export const development = keyPair(2);
export const stranger = keyPair(3);

export const from = '2026-11-01T00:00:00Z';
export const until = '2027-01-30T00:00:00Z';
export const atUnixSeconds = Date.parse('2026-11-22T08:00:00Z') / 1000;

export const artifact = Buffer.from('the bytes of app.tar.gz\n');

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function statement(changes: Partial<Statement> = {}): Statement {
  return {
    subjects: [
      { name: 'app.tar.gz', sha256: sha256(artifact) },
      { name: 'app.tar.gz.sbom', sha256: sha256(Buffer.from('sbom')) },
    ],
    groupKey: group.publicKey,
    channel: 'production',
    product: 'app',
    release: '1.4.2',
    requestDigest: sha256(Buffer.from('request')),
    source: {
      repo: 'https://example.org/app.git',
      ref: 'refs/tags/v1.4.2',
      commit: '0123456789abcdef0123456789abcdef01234567',
    },
    createdAt: '2026-11-22T08:00:00Z',
    ...changes,
  };
}

export function delegation(changes: Partial<Delegation> = {}): Delegation {
  return {
    groupKey: group.publicKey,
    channel: 'development',
    channelKey: development.publicKey,
    from,
    until,
    ...changes,
  };
}

export function signedEnvelope(payloadType: string, payload: Uint8Array, { privateKey }: KeyPair): Envelope {
  const signature = sign(null, preAuthEncoding(payloadType, payload), privateKey);
  return encodeEnvelope({ payloadType, payload, keyid: '', signature });
}

export function signedStatement(changes: Partial<Statement> = {}, by: KeyPair = group): Envelope {
  return signedEnvelope(statementPayloadType, encodeStatement(statement(changes)), by);
}

export function signedDelegation(changes: Partial<Delegation> = {}, by: KeyPair = group): Envelope {
  return signedEnvelope(delegationPayloadType, encodeDelegation(delegation(changes)), by);
}

export function status(changes: Partial<Status> = {}): Status {
  return { groupKey: group.publicKey, number: 1, at: '2026-11-22T08:00:00Z', revoked: [], ...changes };
}

export function signedStatus(changes: Partial<Status> = {}, by: KeyPair = group): Envelope {
  return signedEnvelope(statusPayloadType, encodeStatus(status(changes)), by);
}

/** One line each, as GROUP.status holds them. */
export function statusFile(...envelopes: readonly Envelope[]): Uint8Array {
  return Buffer.from(envelopes.map((envelope) => `${JSON.stringify(envelope)}\n`).join(''));
}

export function productionBundle(changes: Partial<Statement> = {}): Uint8Array {
  return encodeBundle({ statement: signedStatement(changes), delegation: null });
}

export function developmentBundle(changes: Partial<Statement> = {}): Uint8Array {
  return encodeBundle({
    statement: signedStatement({ channel: 'development', ...changes }, development),
    delegation: signedDelegation(),
  });
}

/** Runs it and returns the code it refused with. */
export function codeOf(run: () => unknown): VerifyErrorCode {
  try {
    run();
  } catch (error) {
    if (error instanceof VerifyError) return error.code;
    throw error;
  }
  throw new Error('it was accepted');
}

/** Like `codeOf`, for a promise. */
export async function codeOfAsync(promise: Promise<unknown>): Promise<VerifyErrorCode> {
  const error = await promise.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(VerifyError);
  return (error as VerifyError).code;
}

const vectors = join(import.meta.dirname, '..', 'vectors');

export function golden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(vectors, name)));
}

/** One published signature and what a strict verifier says of it. */
export interface SignatureVector {
  readonly id: number;
  readonly key: Uint8Array;
  readonly msg: Uint8Array;
  readonly sig: Uint8Array;
  readonly accept: boolean;
}

/** The vectors of a data file whose first line names source, licence and count. */
export function signatureVectors(name: string): readonly SignatureVector[] {
  const [head = '', ...lines] = readFileSync(join(vectors, name), 'utf8').trimEnd().split('\n');
  const { vectors: count } = JSON.parse(head) as { vectors: number };
  expect(lines).toHaveLength(count);
  return lines.map((line) => {
    const { id, key, msg, sig, accept } = JSON.parse(line) as Record<'key' | 'msg' | 'sig', string> & {
      id: number;
      accept: boolean;
    };
    return { id, key: Buffer.from(key, 'hex'), msg: Buffer.from(msg, 'hex'), sig: Buffer.from(sig, 'hex'), accept };
  });
}

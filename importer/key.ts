/** An Ed25519 private key as it came out of a file. */

/** What an OpenPGP file says of a key besides the key. */
export interface OpenpgpOrigin {
  /** 40 hex digits, lowercase (RFC 4880, Section 12.2). */
  readonly fingerprint: string;
  /** When the key was made: a part of its fingerprint. */
  readonly createdUnixSeconds: number;
  /** Those that are not revoked, in the order of the file. */
  readonly userIds: readonly string[];
  /** Whether it is the key that certifies, or one of its subkeys. */
  readonly isPrimary: boolean;
  /** Whether the file says what the key may do. */
  readonly hasSelfSignature: boolean;
  /** When the certificate that installers pin lets it end; `undefined` for never. */
  readonly untilUnixSeconds: number | undefined;
}

/** A private key and what kind of file it came from. */
export interface PrivateKey {
  readonly source: 'openpgp' | 'openssh' | 'pkcs8';
  /** 32 bytes, as the file says it. */
  readonly publicKey: Uint8Array;
  /** 32 bytes (RFC 8032, Section 5.1.5); who takes it wipes it. */
  readonly seed: Uint8Array;
  readonly openpgp?: OpenpgpOrigin;
}

/** Asked only where a file is protected; who gets the bytes wipes them. */
export type AskPassphrase = () => Promise<Uint8Array>;

/** Asks for the passphrase and wipes it after use. */
export async function withPassphrase<T>(ask: AskPassphrase, use: (passphrase: Uint8Array) => T): Promise<T> {
  const passphrase = await ask();
  try {
    return use(passphrase);
  } finally {
    passphrase.fill(0);
  }
}

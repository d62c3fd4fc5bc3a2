/** The data types of SSH (RFC 4251, Section 5) and its Ed25519 blobs (RFC 8709, Sections 4 and 6). */
import { concatBytes } from '@noble/hashes/utils.js';
import { equalBytes, u32, utf8ToBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';

/** The name of Ed25519 keys and signatures (RFC 8709). */
export const sshKeyType = 'ssh-ed25519';

/** `string`: length in 4 bytes, then the bytes; texts as UTF-8. */
export function sshString(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? utf8ToBytes(value) : value;
  return concatBytes(u32(bytes.length), bytes);
}

/** `uint64` of a whole number below 2^53. */
export function u64(value: number): Uint8Array {
  return concatBytes(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32));
}

/** The public key format of 32 bytes. */
export function publicKeyBlob(key: Uint8Array): Uint8Array {
  return concatBytes(sshString(sshKeyType), sshString(key));
}

/** The signature format of 64 bytes. */
export function signatureBlob(signature: Uint8Array): Uint8Array {
  return concatBytes(sshString(sshKeyType), sshString(signature));
}

/** Reads such data from front to back. Throws `ProtocolError('bad-document')`. */
export class SshReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) this.refuse('is cut off');
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  expect(bytes: Uint8Array, what: string): void {
    if (!equalBytes(this.take(bytes.length), bytes)) this.refuse(`has another ${what}`);
  }

  u32(): number {
    return new DataView(this.take(4).buffer).getUint32(0);
  }

  /** A number below 2^53. */
  u64(): number {
    const value = new DataView(this.take(8).buffer).getBigUint64(0);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse('has a number that is too large');
    return Number(value);
  }

  string(): Uint8Array {
    return this.take(this.u32());
  }

  text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.string());
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      return this.refuse('has a text that is not UTF-8');
    }
  }

  /** 32 bytes of a public key in its blob, or 64 of a signature in its. */
  ed25519(length: 32 | 64): Uint8Array {
    const blob = new SshReader(this.string(), this.#what);
    blob.expect(sshString(sshKeyType), 'key type');
    const bytes = blob.string();
    if (bytes.length !== length) this.refuse(`has no ${length} bytes of Ed25519`);
    blob.end();
    return bytes;
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  end(): void {
    if (!this.isAtEnd()) this.refuse('has bytes after its end');
  }

  refuse(what: string): never {
    throw new ProtocolError('bad-document', `the ${this.#what} ${what}`);
  }
}

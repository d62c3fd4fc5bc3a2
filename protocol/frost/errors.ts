/** What can go wrong in `frost/`: one error class over a closed union of codes. */

/** Why a computation was refused. None of them carries a secret. */
export type FrostErrorCode =
  /** A secret was used after it was wiped or consumed, after `end()`, or in a group that does not hold it. */
  | 'secret-gone'
  /** The arena has no free slot for another secret, or cannot be as large as asked for. */
  | 'arena-full'
  /** A box would hold more than `maxBoxPlaintextBytes`. */
  | 'box-too-large'
  /** Not the 32 bytes of an Ed25519 seed. */
  | 'invalid-seed'
  /** The random source gave nothing but zeros. */
  | 'no-randomness'
  /** libsodium does not run as WebAssembly here. */
  | 'no-webassembly'
  /** libsodium's memory is not laid out as this code knows it, so its residue could not be wiped. */
  | 'unexpected-library'
  /** RFC 9591's own example does not come out right on this machine. */
  | 'known-answer'
  /** A `Point` was passed in that no decoder and no group made. */
  | 'foreign-point'
  /** Not an integer of 1 to 65,535, or not a member or signer where one is needed. */
  | 'invalid-identifier'
  /** A threshold or member list that no key can have. */
  | 'invalid-sharing'
  /** The signers are not, in ascending order and once each, exactly t of every sharing. */
  | 'not-qualified'
  /** A point of a co-signer's commitment does not decode; `culprits` names the co-signers. */
  | 'invalid-commitment'
  /** The signer's own entry differs from the commitment of the nonces it holds. */
  | 'own-commitment'
  /** A sum that must be a usable public value came out as the identity. */
  | 'identity'
  /** A signature share of a signer is missing, or one of somebody else is there. */
  | 'missing-share';

/** A refusal of the FROST layer. `culprits` are identifiers whose input is wrong beyond doubt. */
export class FrostError extends Error {
  override readonly name = 'FrostError';
  readonly code: FrostErrorCode;
  readonly culprits: readonly number[];

  constructor(code: FrostErrorCode, message: string, options: ErrorOptions & { culprits?: readonly number[] } = {}) {
    super(message, options);
    this.code = code;
    this.culprits = options.culprits ?? [];
  }
}

/** The part of `libsodium-sumo` 0.8 that `libsodium.ts` uses: raw C functions over addresses in one WebAssembly memory. */
declare module 'libsodium-sumo' {
  /** Addresses are byte offsets into `HEAPU8`; a 64-bit length is two numbers, low word first. */
  export interface RawLibsodium {
    /** The whole memory; another object after the memory grows. */
    readonly HEAPU8: Uint8Array<ArrayBuffer>;
    readonly _malloc: (bytes: number) => number;
    readonly _sodium_init: () => number;
    readonly _crypto_core_ed25519_is_valid_point: (p: number) => number;
    readonly _crypto_core_ed25519_add: (r: number, p: number, q: number) => number;
    readonly _crypto_core_ed25519_scalar_reduce: (r: number, wide: number) => void;
    readonly _crypto_core_ed25519_scalar_add: (r: number, x: number, y: number) => void;
    readonly _crypto_core_ed25519_scalar_sub: (r: number, x: number, y: number) => void;
    readonly _crypto_core_ed25519_scalar_mul: (r: number, x: number, y: number) => void;
    readonly _crypto_scalarmult_ed25519_noclamp: (q: number, n: number, p: number) => number;
    readonly _crypto_scalarmult_ed25519_base_noclamp: (q: number, n: number) => number;
    readonly _crypto_hash_sha512: (out: number, input: number, lengthLow: number, lengthHigh: number) => number;
    readonly _crypto_scalarmult_base: (q: number, n: number) => number;
    readonly _crypto_box_keypair: (publicKey: number, secretKey: number) => number;
    readonly _crypto_box_seal: (
      box: number,
      text: number,
      lengthLow: number,
      lengthHigh: number,
      receiver: number,
    ) => number;
    readonly _crypto_box_seal_open: (
      text: number,
      box: number,
      lengthLow: number,
      lengthHigh: number,
      publicKey: number,
      secretKey: number,
    ) => number;
  }

  /** Instantiates the module; `getRandomValue` is where all its randomness comes from, 32 unsigned bits a call. */
  function libsodium(options: { getRandomValue: () => number }): Promise<RawLibsodium>;
  export { libsodium as default };
}

/** What Node's types leave out: a table takes exported WebAssembly functions and nothing else (WebAssembly JavaScript Interface, Section 5.6). */
declare namespace WebAssembly {
  class Table {
    constructor(descriptor: { element: 'anyfunc'; initial: number });
    set(index: number, value: unknown): void;
  }
}

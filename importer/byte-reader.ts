/** Reads a binary file front to back; what is shorter than it says is refused. */
import { ImporterError } from './errors.ts';

/** A place in a file; every read moves it on. Reads are views. Throws `ImporterError` when there is less than was asked for. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next `count` bytes, a view. Throws `ImporterError('bad-key-file')`. */
  take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at)
      throw new ImporterError('bad-key-file', 'the key file is damaged or cut off: it is shorter than it says');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  /** A number without its leading zeros, after its length in bits (RFC 4880, Section 3.2). */
  mpi(): Uint8Array {
    return this.take(Math.ceil(this.u16() / 8));
  }

  /** Bytes after their length in 4 bytes (RFC 4251, Section 5). */
  sshString(): Uint8Array {
    return this.take(this.u32());
  }
}

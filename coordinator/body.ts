/** JSON bodies: bounded in levels, keys and values by a scan of their bytes before anything parses them, and scanned in slices (T41). */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeCanonicalJson } from '../verifier/json.ts';
import { CoordinatorError } from './errors.ts';
import { maxBodyDepth, maxBodyKeyBytes, maxBodyTokens, scannedAtOnceBytes } from './limits.ts';

/**
 * The value of a body as `encodeCanonicalJson` writes it. A long body is long only by its strings: what is parsed has a bounded number of
 * parts, so that parsing costs what reading does. Throws `CoordinatorError` (`bad-body`, `too-large`).
 */
export async function decodeBody(bytes: Uint8Array): Promise<unknown> {
  const scanner = new Scanner();
  for (let start = 0; start < bytes.length; start += scannedAtOnceBytes) {
    if (start > 0) await nextTurn();
    scanner.scan(bytes.subarray(start, start + scannedAtOnceBytes));
  }
  try {
    return decodeCanonicalJson(bytes, { maxBytes: bytes.length, maxDepth: maxBodyDepth });
  } catch (cause) {
    throw new CoordinatorError('bad-body', `the body is not JSON as we write it: ${(cause as Error).message}`, {
      cause,
    });
  }
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;

/** Counts what a parser would make of JSON, a slice at a time; of other bytes it counts no less. */
class Scanner {
  #depth = 0;
  #tokens = 0;
  #isInString = false;
  #isEscaped = false;
  /** Bytes of the string that was read last: a key, if a colon follows. */
  #stringBytes = 0;

  /** Throws `CoordinatorError('too-large')` past the bounds. */
  scan(slice: Uint8Array): void {
    for (let at = 0; at < slice.length; at += 1) {
      if (this.#isInString) at = this.#readString(slice, at);
      else this.#readOther(slice[at] ?? 0);
    }
  }

  /** Reads to the string's end, or to that of the slice; answers the last place that it read. */
  #readString(slice: Uint8Array, from: number): number {
    let at = from;
    for (; at < slice.length; at += 1) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (slice[at] === backslash) this.#isEscaped = true;
      else if (slice[at] === quote) {
        this.#isInString = false;
        break;
      }
    }
    this.#stringBytes += at - from;
    return at;
  }

  #readOther(byte: number): void {
    switch (byte) {
      case quote:
        this.#isInString = true;
        this.#stringBytes = 0;
        break;
      case colon:
        this.#count();
        if (this.#stringBytes > maxBodyKeyBytes) throw tooLarge(`a key longer than ${maxBodyKeyBytes} bytes`);
        break;
      case comma:
        this.#count();
        break;
      case 0x5b: // [
      case 0x7b: // {
        this.#count();
        this.#depth += 1;
        if (this.#depth > maxBodyDepth) throw tooLarge(`more than ${maxBodyDepth} levels`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        this.#depth -= 1;
        break;
    }
  }

  #count(): void {
    this.#tokens += 1;
    if (this.#tokens > maxBodyTokens) throw tooLarge(`more than ${maxBodyTokens} keys and values`);
  }
}

function tooLarge(found: string): CoordinatorError {
  return new CoordinatorError('too-large', `the body has ${found}`);
}

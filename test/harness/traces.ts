/** A search for secrets in what somebody else could see: raw, or written as hex, base64, base64url or numbers, inside one another. */

const windowBytes = 8;

/** A secret counts as seen where this many of its bytes lie side by side. Answers its name and the place, `[]` for no trace. */
export function tracesOf(
  secrets: ReadonlyMap<string, Uint8Array>,
  places: ReadonlyMap<string, Uint8Array>,
): { readonly secret: string; readonly place: string }[] {
  const search = new WindowSearch(secrets);
  return [...places].flatMap(([place, bytes]) => {
    const found = new Set([...layersOf(bytes)].flatMap((layer) => [...search.in(layer)]));
    return [...found].map((secret) => ({ secret, place }));
  });
}

export interface Trace {
  readonly name: string;
  /** Offset at which the whole secret would begin. */
  readonly start: number;
}

/** Looks for every window of every secret, in both byte orders, in one pass. */
export class WindowSearch {
  /** By the first two bytes of a window: whether any begins so. */
  readonly #begins = new Uint8Array(65_536);
  readonly #windows = new Map<bigint, { readonly name: string; readonly offset: number }>();

  constructor(secrets: ReadonlyMap<string, Uint8Array>) {
    for (const [name, bytes] of secrets) {
      for (const order of [Buffer.from(bytes), Buffer.from(bytes).reverse()]) {
        for (let offset = 0; offset + windowBytes <= order.length; offset++) {
          this.#begins[order.readUInt16LE(offset)] = 1;
          this.#windows.set(order.readBigUInt64LE(offset), { name, offset });
        }
      }
    }
  }

  /** Names of the secrets with a window in these bytes. */
  in(bytes: Uint8Array): Set<string> {
    return new Set(this.tracesIn(bytes).map(({ name }) => name));
  }

  /** Every window there. */
  tracesIn(bytes: Uint8Array): Trace[] {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const found: Trace[] = [];
    for (let at = 0; at + windowBytes <= view.length; at++) {
      if (this.#begins[view[at]! | (view[at + 1]! << 8)] === 0) continue;
      const window = this.#windows.get(view.readBigUInt64LE(at));
      if (window !== undefined) found.push({ name: window.name, start: at - window.offset });
    }
    return found;
  }
}

/** The bytes, and what every run of text in them is when it is read as hex, base64 or numbers, in every alignment; and so on inwards. */
function* layersOf(bytes: Uint8Array, depth = 6): Generator<Uint8Array> {
  yield bytes;
  if (depth === 0) return;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  for (const inner of readings(text)) yield* layersOf(inner, depth - 1);
}

function* readings(text: string): Generator<Uint8Array> {
  for (const [run] of text.matchAll(/[0-9a-fA-F]{16,}/g)) {
    for (const skipped of [0, 1]) yield Buffer.from(run.slice(skipped), 'hex');
  }
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{11,}/g)) {
    for (const skipped of [0, 1, 2, 3]) yield Buffer.from(run.slice(skipped), 'base64');
  }
  // What JSON makes of bytes: [1,2,…], or {"0":1,"1":2,…}.
  for (const [run] of text.matchAll(/(?:(?:"\d+":)?\d{1,3},){7,}(?:"\d+":)?\d{1,3}/g)) {
    yield Uint8Array.from(run.split(','), (number) => Number(number.split(':').at(-1)));
  }
  // A scalar that was printed as a number.
  for (const [run] of text.matchAll(/\d{60,80}/g)) {
    yield Buffer.from(BigInt(run).toString(16).padStart(64, '0'), 'hex');
  }
}

/** SHA-512 in a thread of its own, beside another hash of the same bytes: it takes twice as long as that, and need not take longer than alone. */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { maxChunksUnderWay } from './limits.ts';

/** Text, because a thread is started with a file or a text, and a file would have to be found beside whatever program we are built into. */
const program = `
  const { parentPort } = require('node:worker_threads');
  const hash = require('node:crypto').createHash('sha512');
  parentPort.on('message', (bytes) => {
    if (bytes !== null) hash.update(bytes);
    parentPort.postMessage(bytes === null ? hash.digest('hex') : null);
  });
`;

/** Something that hashes: chunks in order, then the digest, once. */
export interface Hasher extends AsyncDisposable {
  /** Resolves when more may come; `bytes` are the caller's again as soon as it was called. */
  update(bytes: Uint8Array): Promise<void>;
  /** Hex. */
  digest(): Promise<string>;
}

/** Such a hasher in a new thread. */
export class ThreadHash implements Hasher {
  readonly #worker = new Worker(program, { eval: true, execArgv: [], env: {} });
  /** One for each chunk, in order, and then the digest; rejects if the thread died. */
  readonly #answers = on(this.#worker, 'message') as AsyncIterator<[string | null], void>;
  #underWay = 0;

  async update(bytes: Uint8Array): Promise<void> {
    this.#worker.postMessage(bytes); // a copy
    this.#underWay += 1;
    while (this.#underWay > maxChunksUnderWay) await this.#answer();
  }

  async digest(): Promise<string> {
    this.#worker.postMessage(null);
    while (this.#underWay > 0) await this.#answer();
    const digest = (await this.#answers.next()).value?.[0];
    if (typeof digest !== 'string') throw new TypeError('the thread gave no hash');
    return digest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  async #answer(): Promise<void> {
    await this.#answers.next();
    this.#underWay -= 1;
  }
}

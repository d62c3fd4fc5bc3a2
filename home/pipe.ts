/** Bytes through a pipe between this process and the age child: frames of one byte, a length, and a body. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** A request (`kind` is the operation) or an answer (`kind` is 0 for a result, 1 for an error). */
export interface Frame {
  /** 0 to 255. */
  readonly kind: number;
  readonly body: Uint8Array;
}

/** What the age child is asked to do. */
export const operation = {
  /** Body: the payload. Result: the age file. */
  seal: 1,
  /** Body: a mask as long as the age file, then the age file. Result: payload XOR mask. */
  open: 2,
  /** Body: the new header, then the age file. Result: the age file with that header, under the same passphrase. */
  restamp: 3,
} as const;

/** How the age child answers; the body of an error is its code, a newline, and its message. */
export const answer = { result: 0, error: 1 } as const;

/** The next `length` bytes; `undefined` if the stream ends before. Bytes that are not asked for stay in the stream. */
export async function readExactly(stream: Readable, length: number): Promise<Uint8Array | undefined> {
  if (length === 0) return new Uint8Array(0);
  for (;;) {
    const bytes = stream.read(length) as Uint8Array | null;
    if (bytes !== null) return bytes.length === length ? bytes : undefined;
    if (stream.readableEnded || stream.destroyed) return undefined;
    await Promise.race([once(stream, 'readable'), once(stream, 'end'), once(stream, 'close')]);
  }
}

/** The next frame; `undefined` if the stream ends before it does, or the frame is longer than `maxBodyBytes`. */
export async function readFrame(stream: Readable, maxBodyBytes: number): Promise<Frame | undefined> {
  const head = await readExactly(stream, 5);
  if (head === undefined) return undefined;
  const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
  if (length > maxBodyBytes) return undefined;
  const body = await readExactly(stream, length);
  return body === undefined ? undefined : { kind: head[0] ?? 0, body };
}

/** The five bytes before a frame's body. */
export function frameHead(kind: number, bodyBytes: number): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = kind;
  new DataView(head.buffer).setUint32(1, bodyBytes);
  return head;
}

/** Resolves when the bytes are in the pipe and the buffer may be wiped. */
export function writeAll(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Bytes through a pipe between this process and the age child: frames of one byte, a length, and a body. */
import type { Readable, Writable } from 'node:stream';

/** A request (`kind` is the operation) or an answer (`kind` is 0 for a result, 1 for an error). */
export interface Frame {
  /** 0 to 255. */
  readonly kind: number;
  readonly body: Uint8Array;
}

/**
 * What the age child is asked to do. A key file is an age file under the passphrase that holds age identities, each as `age-keygen` writes one.
 * A part is its length, 4 bytes big-endian, and its bytes.
 */
export const operation = {
  /** The body is the payload, the result an age file under the passphrase. */
  seal: 1,
  /** The body is a mask as long as the age file, then an age file under the passphrase; the result is payload XOR mask. */
  open: 2,
  /** There is no body; the result is a new key file of as many identities as are to wait (`spareKeys`). */
  makeKeys: 3,
  /** The body is a key file, the result the recipients of its identities in their order, as text, one a line. */
  recipientsOf: 4,
  /** It needs no passphrase. The body is a recipient as a part, then the payload; the result is an age file for that recipient. */
  sealTo: 5,
  /** The body is a key file as a part, a mask as long as the age file, then an age file for one of its recipients; the result is payload XOR mask. */
  openWith: 6,
  /** The body is an age file under the passphrase; the result is a new key file as a part, and the same payload in an age file for its recipient. */
  convert: 7,
  /** The body is a key file, the result the same under the new passphrase. */
  rewrap: 8,
} as const;

/** How the age child answers; the body of an error is its code, a newline, and its message. */
export const answer = { result: 0, error: 1 } as const;

/** A stream that is read by length. One read at a time. */
export interface PipeReader {
  /** The next `length` bytes; `undefined` if the stream ends or breaks before. */
  read(length: number): Promise<Uint8Array | undefined>;
}

/** Takes the stream over: nothing else may read it. */
export function pipeReader(stream: Readable): PipeReader {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer[] = [];
  let count = 0;
  return {
    read: async (length) => {
      while (count < length) {
        // A broken pipe and a closed one say the same: the other side has gone.
        const next = await chunks.next().catch(() => undefined);
        if (next === undefined || next.done === true) return undefined;
        held.push(next.value);
        count += next.value.length;
      }
      // Joined once for each read, so that a long body costs no more than its bytes.
      const all = Buffer.concat(held);
      held = [all.subarray(length)];
      count -= length;
      return all.subarray(0, length);
    },
  };
}

/** The next frame; `undefined` if the stream ends before it does, or the frame is longer than `maxBodyBytes`. */
export async function readFrame(reader: PipeReader, maxBodyBytes: number): Promise<Frame | undefined> {
  const head = await reader.read(5);
  if (head === undefined) return undefined;
  const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
  if (length > maxBodyBytes) return undefined;
  const body = await reader.read(length);
  return body === undefined ? undefined : { kind: head[0] ?? 0, body };
}

/** The five bytes before a frame's body. */
export function frameHead(kind: number, bodyBytes: number): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = kind;
  new DataView(head.buffer).setUint32(1, bodyBytes);
  return head;
}

/** A part of a body: its length, then its bytes. */
export function encodePart(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([frameHead(0, bytes.length).subarray(1), bytes]);
}

/** The part at the beginning of a body, and what follows it. A body that is shorter than its part says gives fewer bytes. */
export function decodePart(body: Uint8Array): { readonly part: Uint8Array; readonly rest: Uint8Array } {
  const end = 4 + new DataView(body.buffer, body.byteOffset, body.length).getUint32(0);
  return { part: body.subarray(4, end), rest: body.subarray(end) };
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

/** Bytes through a pipe between this process and the age child: frames of one byte, a length, and a body. */
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
  let held = Buffer.alloc(0);
  return {
    read: async (length) => {
      while (held.length < length) {
        // A broken pipe and a closed one say the same: the other side has gone.
        const next = await chunks.next().catch(() => undefined);
        if (next === undefined || next.done === true) return undefined;
        held = Buffer.concat([held, next.value]);
      }
      const bytes = held.subarray(0, length);
      held = held.subarray(length);
      return bytes;
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

/** Resolves when the bytes are in the pipe and the buffer may be wiped. */
export function writeAll(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

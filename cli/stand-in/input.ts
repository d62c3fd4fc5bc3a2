/** The document that a tool writes to our standard input, read to its end whatever becomes of it. */
import { CommandError } from '../errors.ts';
import { maxDrainedBytes } from '../limits.ts';

/** All of it. Throws `CommandError('usage')` past `maxBytes`, after reading on to the bound of what is drained. */
export async function readInput(input: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const size = await drain(input, (chunk, before) => {
    if (before + chunk.length <= maxBytes) chunks.push(chunk);
  });
  if (size > maxBytes)
    throw new CommandError('usage', `standard input has over ${maxBytes} bytes, more than is signed whole`);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Reads on and keeps nothing: whoever writes would die of a broken pipe and never show why we refuse. Returns how many bytes came. */
export async function drain(
  input: AsyncIterable<Uint8Array>,
  take: (chunk: Uint8Array, before: number) => void = () => undefined,
): Promise<number> {
  let size = 0;
  for await (const chunk of input) {
    take(chunk, size);
    size += chunk.length;
    if (size > maxDrainedBytes) break;
  }
  return size;
}

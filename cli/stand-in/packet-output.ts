/** Where the packet goes that rpmsign wants: planned as every other output is, before anybody is asked for it (T51). */
import { assertFree } from '../free-output.ts';

/** Bytes that a signature packet takes, about. */
const packetBytes = 1024;

/** What a call says of it. `out` is where the packet goes, and `file` what is signed; `-` is standard input. */
export interface PacketCall {
  readonly for: string;
  readonly out?: string;
  readonly file?: string;
}

/**
 * Refuses a packet that would replace what is signed, or a file that is there, as gpg does without `--yes`; and a place where it cannot be written.
 * Of any other kind of call it says nothing. Throws what `assertOutputs` does.
 */
export async function assertPacketWritable(call: PacketCall, args: readonly string[]): Promise<void> {
  if (call.for !== 'rpm' || call.out === undefined) return;
  const { out, file = '-' } = call;
  await assertFree({
    output: { path: out, what: 'the signature packet', size: packetBytes },
    inputs: file === '-' ? [] : [file],
    force: args.includes('--yes'),
    remedy: 'Move it away, or say --yes to replace it.',
  });
}

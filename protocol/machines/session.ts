/** From signed commitments to what RFC 9591 calls the signing package of one message. */
import type { SignedCommitment } from '../attempt.ts';
import { hexToBytes } from '../bytes.ts';
import type { ChannelKey } from '../epoch.ts';
import type { AttemptInput } from '../frost/sign.ts';

/** The input of the FROST session over the message at `index`. */
export function sessionInput(
  channel: ChannelKey,
  message: Uint8Array,
  commitments: readonly SignedCommitment[],
  index: number,
): AttemptInput {
  return {
    key: channel.point,
    sharings: channel.sharings,
    publicShares: channel.publicShares,
    message,
    commitments: commitments.map(({ member, payload }) => ({
      identifier: member.identifier,
      hiding: hexToBytes(payload.commitments[index]?.hiding ?? ''),
      binding: hexToBytes(payload.commitments[index]?.binding ?? ''),
    })),
  };
}

/** Whether an old quorum is dead, as far as its members said so. It is their word and no proof: cryptography takes no share back. */
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Member } from '../files/charter.ts';
import { openMessage, type Envelope } from '../wire/envelope.ts';
import { at, present } from '../wire/present.ts';
import { erasedMessage } from './messages.ts';
import type { Successor } from './retire.ts';

/** What one member of an old epoch said. */
export interface ErasedWord {
  readonly member: Member;
  /** Backups of the share that there may still be: as long as there are any, it is not erased. */
  readonly backups: number;
  readonly envelope: Envelope;
}

/**
 * A member's word that its share of the epoch before this successor is overwritten. Throws `ProtocolError` (`not-a-member`, `wrong-group`,
 * `wrong-epoch`, and what `openMessage` throws).
 */
export function openErased(
  envelope: unknown,
  { ground: { from }, genesis }: Pick<Successor, 'ground' | 'genesis'>,
): ErasedWord {
  const opened = openMessage(erasedMessage, envelope, (key) => memberByKey(from.charter, key) !== undefined);
  const { groupKey, epoch, genesis: after, backups } = opened.payload;
  const member = present(memberByKey(from.charter, opened.from), 'the sender');
  if (groupKey !== from.groupKey)
    throw new ProtocolError('wrong-group', `the word of ${member.name} is of another group`);
  if (epoch !== from.hash || after !== genesis)
    throw new ProtocolError('wrong-epoch', `the word of ${member.name} is of another key epoch`);
  return { member, backups, envelope: opened.envelope };
}

/** What is left of one channel's old quorum. */
export interface OldQuorum {
  readonly channel: string;
  /** Too few shares are left in one sharing at least. */
  readonly isDead: boolean;
  /** Holders whose share is not known to be erased, in charter order. */
  readonly left: readonly { readonly member: Member; readonly why: 'no word' | 'a backup' }[];
}

/** For each channel of an old epoch what these words leave of its quorum: the newest word of each member, in the order in which they came. */
export function oldQuorumsLeft({ charter }: Pick<Epoch, 'charter'>, words: readonly ErasedWord[]): OldQuorum[] {
  const newest = new Map(words.map((word) => [word.member.identifier, word]));
  const isErased = (identifier: Member['identifier']): boolean => newest.get(identifier)?.backups === 0;
  return charter.channels.map(({ name, sharings }) => {
    const left = sharings
      .flatMap(({ members }) => members)
      .filter((identifier) => !isErased(identifier))
      .toSorted((a, b) => a - b);
    return {
      channel: name,
      isDead: sharings.some(({ members, threshold }) => members.filter((one) => !isErased(one)).length < threshold),
      left: left.map((identifier) => ({
        member: at(charter.members, identifier - 1),
        why: newest.has(identifier) ? ('a backup' as const) : ('no word' as const),
      })),
    };
  });
}

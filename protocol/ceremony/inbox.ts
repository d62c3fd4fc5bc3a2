/** What the members have said so far: the newest hello of each, and every other message once, by kind, ceremony and sender. */
import type { Charter, Member } from '../files/charter.ts';
import { maxMembers } from '../limits.ts';
import type { CeremonyKind, CeremonyMessage, CeremonyMessageOf } from './messages.ts';

/** The newest hello of each member by identifier; every other message by ceremony and identifier. */
export type Inbox = { readonly [K in CeremonyKind]: ReadonlyMap<string, CeremonyMessageOf<K>> };

/** Messages of one kind that are kept: enough for a few ceremonies of the largest charter; the oldest goes first. */
export const maxKept = 8 * maxMembers;

export function emptyInbox(): Inbox {
  return {
    hello: new Map(),
    commit: new Map(),
    reveal: new Map(),
    boxes: new Map(),
    transcript: new Map(),
    stored: new Map(),
    abort: new Map(),
  };
}

export function keyOf(message: CeremonyMessage): string {
  return placeOf(message.kind, message.kind === 'hello' ? '' : message.payload.ceremony, message.from);
}

/** Where the inbox keeps a member's message of one kind. */
export function placeOf(kind: CeremonyKind, ceremony: string, member: Member): string {
  return kind === 'hello' ? `${member.identifier}` : `${ceremony}/${member.identifier}`;
}

/** All members' messages of one kind for the running ceremony, in order of identifiers; `undefined` while one is missing. */
export function complete<K extends Exclude<CeremonyKind, 'hello'>>(
  context: { readonly charter: Charter },
  state: { readonly inbox: Inbox },
  kind: K,
  ceremony: string,
): CeremonyMessageOf<K>[] | undefined {
  const messages: CeremonyMessageOf<K>[] = [];
  for (const member of context.charter.members) {
    const message: CeremonyMessage | undefined = (state.inbox[kind] as ReadonlyMap<string, CeremonyMessage>).get(
      placeOf(kind, ceremony, member),
    );
    if (message === undefined) return undefined;
    messages.push(message as CeremonyMessageOf<K>);
  }
  return messages;
}

/** The hellos that are here, in order of identifiers. */
export function hellosOf(
  context: { readonly charter: Charter },
  state: { readonly inbox: Inbox },
): CeremonyMessageOf<'hello'>[] {
  return context.charter.members.flatMap((member) => state.inbox.hello.get(placeOf('hello', '', member)) ?? []);
}

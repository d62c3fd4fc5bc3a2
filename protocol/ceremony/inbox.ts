/** What the members have said so far: the newest hello of each, and of everything else at most two versions, by ceremony, kind and sender. */
import type { Charter, Member } from '../files/charter.ts';
import { maxKeptCeremonyPlaces, maxVersions } from '../limits.ts';
import type { CeremonyKind, CeremonyMessageOf } from './messages.ts';

/** Every kind that names its ceremony. */
export type BoundKind = Exclude<CeremonyKind, 'hello'>;
/** An opened message that names its ceremony. */
export type BoundMessage = CeremonyMessageOf<BoundKind>;

/** Immutable: whatever files a message answers another inbox. */
export interface Inbox {
  /** By identity key. */
  readonly hellos: ReadonlyMap<string, CeremonyMessageOf<'hello'>>;
  /** By place, the oldest place first; a second version is kept because it proves something. */
  readonly said: ReadonlyMap<string, readonly BoundMessage[]>;
}

/** Nobody has said anything. */
export const emptyInbox: Inbox = { hellos: new Map(), said: new Map() };

function placeOf(kind: BoundKind, ceremony: string, key: string): string {
  return `${ceremony}/${kind}/${key}`;
}

/** The inbox with one more message; the same inbox for a repeat, or for a third version. */
export function filed(inbox: Inbox, message: BoundMessage): Inbox {
  const place = placeOf(message.kind, message.payload.ceremony, message.from.key);
  const versions = inbox.said.get(place) ?? [];
  if (versions.length >= maxVersions || versions.some(({ hash }) => hash === message.hash)) return inbox;
  const said = new Map(inbox.said).set(place, [...versions, message]);
  const [oldest] = said.keys();
  if (said.size > maxKeptCeremonyPlaces && oldest !== undefined) said.delete(oldest);
  return { ...inbox, said };
}

/** What one member said of one kind, at most two versions. */
export function versionsOf<K extends BoundKind>(
  inbox: Inbox,
  kind: K,
  ceremony: string,
  member: Member,
): readonly CeremonyMessageOf<K>[] {
  // Filed by kind: what lies at the place of a kind is of that kind.
  return (inbox.said.get(placeOf(kind, ceremony, member.key)) ?? []) as readonly CeremonyMessageOf<K>[];
}

/** These speakers' messages of one kind that fit, in their order; `undefined` while one is missing. */
export function complete<K extends BoundKind>(
  { speakers, inbox }: { readonly speakers: readonly Member[]; readonly inbox: Inbox },
  kind: K,
  ceremony: string,
  fits: (message: CeremonyMessageOf<K>) => boolean = () => true,
): CeremonyMessageOf<K>[] | undefined {
  const messages = speakers.flatMap((member) => versionsOf(inbox, kind, ceremony, member).find(fits) ?? []);
  return messages.length === speakers.length ? messages : undefined;
}

/** The hellos that are here, in order of identifiers. */
export function hellosOf(charter: Charter, inbox: Inbox): CeremonyMessageOf<'hello'>[] {
  return charter.members.flatMap((member) => inbox.hellos.get(member.key) ?? []);
}

/** Everything that was said in one ceremony, but for the hellos, which name none. */
export function messagesOf(inbox: Inbox, ceremony: string): BoundMessage[] {
  return [...inbox.said].flatMap(([place, versions]) => (place.startsWith(`${ceremony}/`) ? versions : []));
}

/** The charter: the file that fixes members, tiers, channels and quorums. It travels byte for byte; its SHA-256 is pinned before any key exists. */
import { printableJson } from '../../verifier/printable.ts';
import { parseGroupKey } from '../../verifier/group-key.ts';
import { productionChannel } from '../../verifier/names.ts';
import { parseTime } from '../../verifier/time.ts';
import { decodeCard } from './card.ts';
import { sha256Hex } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { toIdentifier, type Identifier, type Sharing } from '../frost/sharing.ts';
import {
  maxChannels,
  maxCharterBytes,
  maxCharterTokens,
  maxDelegationSeconds,
  maxExpirySeconds,
  maxMembers,
  maxNameCharacters,
  maxOpenpgpSeconds,
} from '../limits.ts';
import { namePattern } from '../wire/schema.ts';
import { parseDuration } from '../wire/time.ts';
import { FieldReader } from './field-reader.ts';
import { parseYaml, type YamlPath } from './yaml.ts';

/** A share holder as the charter names it. */
export interface Member {
  /** 1-based place in the charter; the RFC 9591 identifier and the evaluation point in every sharing. */
  readonly identifier: Identifier;
  readonly name: string;
  readonly tier: string;
  /** Identity key, base64url. */
  readonly key: string;
}

/** A key of the group, and who may sign with it. */
export interface Channel {
  readonly name: string;
  /** One sharing over all members for `{ any: t }`, else one for each tier, in the charter's order. */
  readonly sharings: readonly Sharing[];
  /** Seconds a request of this channel lives. */
  readonly expirySeconds: number;
  /** Seconds a delegation of this channel lives; `undefined` for production, which needs none. */
  readonly validitySeconds: number | undefined;
}

/** The file that a group agrees on before it has a key, decoded; its hash names it. */
export interface Charter {
  /** SHA-256 of the file, hex. */
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly group: string;
  readonly members: readonly Member[];
  /** Production first, the others in the charter's order. */
  readonly channels: readonly Channel[];
  readonly openpgp: { readonly userId: string; readonly created: string } | undefined;
  /** The line of GROUP.pub whose key this charter goes on with: then no ceremony makes a key of it, only a succession. */
  readonly continues: string | undefined;
}

/** The one channel that signs under the group's key itself. */
export const production = productionChannel;

class CharterReader extends FieldReader {
  name(value: unknown, path: YamlPath): string {
    if (typeof value !== 'string' || !new RegExp(namePattern).test(value)) {
      this.fail(
        path,
        `${this.shown(path)} must be a name of at most ${maxNameCharacters} characters a-z 0-9 . _ -, and not of digits alone`,
      );
    }
    return value;
  }

  duration(value: unknown, path: YamlPath, maxSeconds: number): number {
    const seconds = typeof value === 'string' ? parseDuration(value) : undefined;
    if (seconds === undefined) this.fail(path, `${this.shown(path)} must be a duration such as 30m, 72h or 90d`);
    if (seconds > maxSeconds)
      this.fail(path, `${this.shown(path)} is longer than the ${maxSeconds / 86400} days allowed`);
    return seconds;
  }
}

/** Throws `ProtocolError('bad-charter')` with file and line; no key has been made by then. */
export function decodeCharter(bytes: Uint8Array, file = 'charter'): Charter {
  if (bytes.length > maxCharterBytes)
    throw new ProtocolError('too-large', `a charter has at most ${maxCharterBytes} bytes`, { file });
  const yaml = parseYaml(bytes, file, 'bad-charter', maxCharterTokens);
  const reader: CharterReader = new CharterReader(yaml, { file, code: 'bad-charter', what: 'the charter' });
  const fields = reader.record(yaml.value, [], ['version', 'group', 'continues', 'members', 'channels', 'openpgp']);
  if (fields['version'] !== 1) reader.fail(['version'], 'version must be 1');
  const group = reader.name(fields['group'], ['group']);
  const members = readMembers(reader, fields['members']);
  return {
    hash: sha256Hex(bytes),
    bytes,
    group,
    members,
    channels: readChannels(reader, fields['channels'], members),
    openpgp: fields['openpgp'] === undefined ? undefined : readOpenpgp(reader, fields['openpgp']),
    continues: fields['continues'] === undefined ? undefined : readContinues(reader, fields['continues'], group),
  };
}

function readContinues(reader: CharterReader, value: unknown, group: string): string {
  const what = `continues must be the line of the GROUP.pub of ${group}`;
  if (typeof value !== 'string') reader.fail(['continues'], what);
  let name: string;
  try {
    ({ name } = parseGroupKey(value));
  } catch (error) {
    reader.fail(['continues'], `${what}: ${(error as Error).message}`);
  }
  if (name !== group) reader.fail(['continues'], `${what}, and it is the line of ${name}`);
  return value;
}

function readMembers(reader: CharterReader, value: unknown): Member[] {
  if (!Array.isArray(value) || value.length < 2) reader.fail(['members'], 'members must list at least two members');
  if (value.length > maxMembers) reader.fail(['members'], `at most ${maxMembers} members`);
  const members = value.map((entry: unknown, index) => readMember(reader, entry, index));
  for (const [index, member] of members.entries()) {
    const earlier = members.slice(0, index);
    if (earlier.some((other) => other.name === member.name))
      reader.fail(['members', index, 'name'], `${member.name} is there twice`);
    const same = earlier.find((other) => other.key === member.key);
    if (same !== undefined) reader.fail(['members', index, 'card'], `${member.name} has the same key as ${same.name}`);
  }
  return members;
}

function readMember(reader: CharterReader, value: unknown, index: number): Member {
  const path = ['members', index];
  const fields = reader.record(value, path, ['name', 'tier', 'card']);
  const name = reader.name(fields['name'], [...path, 'name']);
  const tier = reader.name(fields['tier'], [...path, 'tier']);
  if (tier === 'any') reader.fail([...path, 'tier'], 'any is no tier name');
  if (typeof fields['card'] !== 'string')
    reader.fail([...path, 'card'], `${name} needs a card: frostmark participant card prints it`);
  return {
    identifier: toIdentifier(index + 1),
    name,
    tier,
    key: readCard(reader, fields['card'], name, [...path, 'card']),
  };
}

function readCard(reader: CharterReader, text: string, name: string, path: YamlPath): string {
  try {
    const card = decodeCard('member', text);
    if (card.name !== name) reader.fail(path, `the card is of ${card.name}, not of ${name}`);
    return card.key;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'bad-card') reader.fail(path, error.message);
    throw error;
  }
}

function readChannels(reader: CharterReader, value: unknown, members: readonly Member[]): Channel[] {
  const fields = reader.record(value, ['channels'], 'any');
  if (!(production in fields)) reader.fail(['channels'], 'there must be a production channel');
  const names = Object.keys(fields);
  if (names.length > maxChannels) reader.fail(['channels'], `at most ${maxChannels} channels`);
  const ordered = [production, ...names.filter((name) => name !== production)];
  return ordered.map((name) => readChannel(reader, reader.name(name, ['channels', name]), fields[name], members));
}

function readChannel(reader: CharterReader, name: string, value: unknown, members: readonly Member[]): Channel {
  const path = ['channels', name];
  const isProduction = name === production;
  const fields = reader.record(value, path, isProduction ? ['quorum', 'expiry'] : ['quorum', 'expiry', 'validity']);
  const sharings = readQuorum(reader, fields['quorum'], [...path, 'quorum'], members);
  const total = sharings.reduce((sum, sharing) => sum + sharing.threshold, 0);
  if (isProduction && total < 2) reader.fail([...path, 'quorum'], 'production needs at least two signers');
  return {
    name,
    sharings,
    expirySeconds:
      fields['expiry'] === undefined
        ? 72 * 3600
        : reader.duration(fields['expiry'], [...path, 'expiry'], maxExpirySeconds),
    validitySeconds: isProduction
      ? undefined
      : reader.duration(
          fields['validity'] === undefined ? '90d' : fields['validity'],
          [...path, 'validity'],
          maxDelegationSeconds,
        ),
  };
}

function readQuorum(reader: CharterReader, value: unknown, path: YamlPath, members: readonly Member[]): Sharing[] {
  const fields = reader.record(value, path, 'any');
  const entries = Object.entries(fields);
  if (entries.length === 0) reader.fail(path, 'a quorum names any or at least one tier');
  if ('any' in fields && entries.length > 1) reader.fail(path, 'a quorum is either { any: t } or tiers, not both');
  return entries.map(([tier, threshold]) => {
    const holders = members.filter((member) => tier === 'any' || member.tier === tier);
    if (holders.length === 0) reader.fail([...path, tier], `no member has the tier ${tier}`);
    if (!Number.isInteger(threshold) || (threshold as number) < 1)
      reader.fail([...path, tier], `${tier} must be a whole number of at least 1`);
    if ((threshold as number) > holders.length) {
      reader.fail([...path, tier], `${tier}: ${String(threshold)} can never be met, there are only ${holders.length}`);
    }
    const sharing = { threshold: threshold as number, members: holders.map((member) => member.identifier) };
    return tier === 'any' ? sharing : { ...sharing, tier };
  });
}

function readOpenpgp(reader: CharterReader, value: unknown): { userId: string; created: string } {
  const fields = reader.record(value, ['openpgp'], ['userId', 'created']);
  const { userId, created } = fields;
  if (typeof userId !== 'string' || userId.length < 1 || userId.length > 200)
    reader.fail(['openpgp', 'userId'], 'userId must be a text of 1 to 200 characters');
  // Every tool that shows the key prints it.
  if (/(?! )[\p{C}\p{Z}]/u.test(userId))
    reader.fail(['openpgp', 'userId'], 'userId must be one line of visible characters');
  const unixSeconds = typeof created === 'string' ? parseTime(created) : undefined;
  if (typeof created !== 'string' || unixSeconds === undefined || unixSeconds < 0 || unixSeconds > maxOpenpgpSeconds)
    reader.fail(['openpgp', 'created'], 'created must be a UTC time like 2026-11-22T08:00:00Z, from 1970 to 2106');
  return { userId, created };
}

/** The channel of that name; throws `ProtocolError('unknown-channel')` naming those there are. */
export function channelOf(charter: Charter, name: string): Channel {
  const channel = charter.channels.find((candidate) => candidate.name === name);
  if (channel !== undefined) return channel;
  const known = charter.channels.map((candidate) => candidate.name).join(', ');
  throw new ProtocolError(
    'unknown-channel',
    `the group ${charter.group} has no channel ${printableJson(name)}; it has ${known}`,
  );
}

/** The member with this identity key (base64url), or `undefined`. */
export function memberByKey(charter: Charter, key: string): Member | undefined {
  return charter.members.find((member) => member.key === key);
}

/** The member at this 1-based place, or `undefined`. */
export function memberByIdentifier(charter: Charter, identifier: number): Member | undefined {
  return charter.members[identifier - 1];
}

/** The quorum as people write it: `any 3`, `admin 2 + build 1`. */
export function describeQuorum(channel: Channel): string {
  return channel.sharings.map((sharing) => `${sharing.tier ?? 'any'} ${sharing.threshold}`).join(' + ');
}

/** What a reviewer of the charter should be told before the keys are made. */
export function charterWarnings(charter: Charter): string[] {
  return charter.channels.flatMap((channel) =>
    channel.sharings.flatMap((sharing) => {
      const of = sharing.tier ?? 'any';
      if (sharing.threshold === 1)
        return [
          `${channel.name}: ${of} 1 gives each of its ${sharing.members.length} holders that part of the key whole`,
        ];
      if (sharing.threshold === sharing.members.length)
        return [`${channel.name}: ${of} ${sharing.threshold} needs every holder; one lost member ends the channel`];
      return [];
    }),
  );
}

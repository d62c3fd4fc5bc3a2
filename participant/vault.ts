/**
 * The only place where shares and nonces live (RFC 9591, Sections 4.1 and 5; PedPop for the ceremony).
 *
 * Secrets are handles into libsodium's arena. What leaves: points, proofs, sealed boxes, signature shares, and the share itself
 * only into the pipe of the age child. `end` zeroes everything.
 */
import { decodeBase64Url, encodeBase64 } from '../verifier/base64.ts';
import { encodeCanonicalJson } from '../verifier/json.ts';
import { bytesToHex, equalBytes, hexToBytes, sha256Hex } from '../protocol/wire/bytes.ts';
import type { MadeNonces, WantedNonces } from '../protocol/signing/signer.ts';
import type { CeremonyPayload } from '../protocol/ceremony/messages.ts';
import { channelKeysOf, transcriptHash, type Transcript, type ChannelKey } from '../protocol/ceremony/transcript.ts';
import { production, type Charter, type Member } from '../protocol/files/charter.ts';
import {
  boxHeader,
  dealingContext,
  isSamePlace,
  shareContext,
  sharingsDealtBy,
  sharingsHeldBy,
  type HeldSharing,
} from '../protocol/ceremony/dealing.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { FrostError } from '../protocol/frost/errors.ts';
import type { BoxKey, Group, Point, SealingGroup, Secret } from '../protocol/frost/group.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import {
  deal,
  dealShare,
  finalShare,
  proveDealing,
  proveShare,
  verifyDealtShare,
  type Dealing,
} from '../protocol/frost/keygen.ts';
import { assertKnownAnswers } from '../protocol/frost/known-answer.ts';
import type { Scalar } from '../protocol/frost/scalar.ts';
import { publicSharesMatch, publicShareOf, samePoint } from '../protocol/frost/sharing.ts';
import { commit, signShare, type Attempt, type Nonces } from '../protocol/frost/sign.ts';
import { openImportedShare, type Import } from '../protocol/ceremony/import.ts';
import type { CeremonyEffect } from '../protocol/ceremony/events.ts';
import type { OpenedShares, ShareLabel } from '../home/keystore.ts';
import type { ShareToSeal } from '../home/spare-keys.ts';
import { ParticipantError } from './errors.ts';
import { arenaSlots, maxHeldSlots } from './limits.ts';
import { systemSources, withNonceRandomness, type NoncePlace, type RandomSources } from './nonce-randomness.ts';

interface CeremonySecrets {
  readonly ceremony: string;
  readonly dealings: readonly { readonly place: HeldSharing; readonly dealing: Dealing }[];
  readonly boxKey: BoxKey;
}

interface HeldNonces {
  readonly channel: string;
  /** One pair for each message. */
  readonly nonces: readonly Nonces[];
}

declare const takenNonces: unique symbol;
/** Nonces that were taken out: good for one `sign`, and found nowhere else any more. */
export interface TakenNonces {
  readonly [takenNonces]: true;
}

/** How a one-time import key is labelled in its file; no channel has this name. */
const importKeyLabel = ({ identifier }: Member): ShareLabel => ({
  channel: '(import key)',
  sharing: 0,
  identifier: Number(identifier),
});

interface VaultParts {
  readonly arithmetic: SealingGroup;
  readonly sources: RandomSources;
  readonly charter: Charter;
  readonly self: Member;
}

/** Who sent a box that does not open, or whose share does not fit. */
export interface RefusedBox {
  /** Identity key, base64url. */
  readonly from: string;
}

/** What `openBoxes` opens: the boxes to this member, and the transcript that follows from what was dealt. */
type BoxesToOpen = Pick<Extract<CeremonyEffect, { kind: 'open-and-store' }>, 'ceremony' | 'transcript' | 'boxes'>;

/** What one dealer dealt this member, and what it committed to. */
interface DealtShare {
  /** Identity key, base64url. */
  readonly from: string;
  readonly share: Secret;
  readonly commitments: readonly Point[];
}

/** This member's share of a channel's key. */
interface SummedShare {
  readonly channel: string;
  readonly share: Secret;
}

/** The machine is asked once in a process: it answers the next vault as it answered the first. */
let knownAnswers: Promise<void> | undefined;

/** One member's secrets. Methods that make or use them are synchronous, so that nothing runs in between. */
export class Vault {
  readonly #arithmetic: SealingGroup;
  readonly #sources: RandomSources;
  readonly #charter: Charter;
  readonly #self: Member;
  #ceremony: CeremonySecrets | undefined;
  /** This member's share of each channel's key: it has one tier, so one share a channel. */
  readonly #shares = new Map<string, Secret>();
  /** Production's key is imported: then this member deals nothing for it, and its share, if it holds one, is here. */
  #imported: { readonly share: Secret | undefined } | undefined;
  readonly #held = new Map<string, HeldNonces>();
  readonly #taken = new WeakMap<TakenNonces, HeldNonces>();

  /** Runs the known answers on both groups first. Throws `FrostError` (`known-answer`, `no-webassembly`, `unexpected-library`). */
  static async open(charter: Charter, self: Member, sources = systemSources): Promise<Vault> {
    await (knownAnswers ??= assertKnownAnswers());
    const arithmetic = await createSodiumGroup({ randomBytes: sources.process, arenaSlots });
    return new Vault({ arithmetic, sources, charter, self });
  }

  private constructor({ arithmetic, sources, charter, self }: VaultParts) {
    this.#arithmetic = arithmetic;
    this.#sources = sources;
    this.#charter = charter;
    this.#self = self;
  }

  /** Public arithmetic, for everybody else. */
  get arithmetic(): Group {
    return this.#arithmetic;
  }

  /** The group with its secrets, for tests that look for residue in its memory. */
  get testingOnlyArithmetic(): SealingGroup {
    return this.#arithmetic;
  }

  /**
   * Makes the one-time key to which this member's share of an imported key is to be sealed: its X25519 public key (32 bytes), and its
   * secret for `SpareKeys.store`.
   */
  makeImportKey(): { readonly publicKey: Uint8Array; readonly secret: ShareToSeal } {
    const key = this.#arithmetic.makeBoxKey();
    const label = importKeyLabel(this.#self);
    return {
      publicKey: key.publicKey,
      secret: { ...label, export: (write) => this.#arithmetic.exportSecret(key, write) },
    };
  }

  /** The X25519 public key (32 bytes) of a one-time key that was kept. Throws `ParticipantError('damaged-share')`. */
  importPublicKey(kept: OpenedShares): Uint8Array {
    const key = this.#loadImportKey(kept);
    this.#arithmetic.wipe(key);
    return key.publicKey;
  }

  /**
   * Takes this member's share of production out of an import file, with the one-time key that was kept for it, or without one if it holds no
   * share of production. Ceremonies from here on make the other channels' shares alone.
   * Throws `ProtocolError('bad-import')` if the box does not open or the share in it is wrong, `ParticipantError('damaged-share')`.
   */
  useImport(imported: Import, kept: OpenedShares | undefined): void {
    if (kept === undefined) {
      this.#imported = { share: undefined };
      return;
    }
    const boxKey = this.#loadImportKey(kept);
    const receiver = { arithmetic: this.#arithmetic, charter: this.#charter, self: this.#self, boxKey };
    try {
      this.#imported = { share: openImportedShare(imported, receiver) };
    } finally {
      this.#arithmetic.wipe(boxKey);
    }
  }

  #loadImportKey({ hash, shares }: OpenedShares): BoxKey {
    const [kept] = shares;
    const wanted = importKeyLabel(this.#self);
    if (kept === undefined || kept.channel !== wanted.channel || bytesToHex(hash) !== this.#charter.hash)
      throw new ParticipantError('damaged-share', 'the one-time import key of this home is for another charter');
    return kept.take((secret) => this.#arithmetic.loadBoxKey(secret));
  }

  /** Draws this ceremony's polynomials and one-time encryption key; what an earlier ceremony left is wiped. */
  deal(ceremony: string): { readonly reveal: CeremonyPayload<'reveal'>; readonly revealHash: string } {
    this.wipeCeremony();
    const origin = this.#imported === undefined ? 'generated' : 'imported';
    const dealings = sharingsDealtBy(this.#charter, this.#self, origin).map((place) => ({
      place,
      dealing: deal(this.#arithmetic, place.of.threshold),
    }));
    const boxKey = this.#arithmetic.makeBoxKey();
    this.#ceremony = { ceremony, dealings, boxKey };
    const reveal: CeremonyPayload<'reveal'> = {
      ceremony,
      encryptionKey: bytesToHex(boxKey.publicKey),
      dealings: dealings.map(({ place, dealing }) => ({
        channel: place.channel,
        sharing: place.sharing,
        commitments: dealing.commitments.map((point) => bytesToHex(point.bytes)),
        proof: bytesToHex(
          proveDealing(this.#arithmetic, dealing, this.#self.identifier, dealingContext(ceremony, place)),
        ),
      })),
    };
    return { reveal, revealHash: sha256Hex(encodeCanonicalJson(reveal)) };
  }

  /** One sealed box for each receiver. Throws `ProtocolError('bad-ceremony-message')` for a receiver whose encryption key nobody can use. */
  seal({ ceremony, receivers }: Extract<CeremonyEffect, { kind: 'seal' }>): CeremonyPayload<'boxes'>['boxes'] {
    const { dealings } = this.#secretsOf(ceremony);
    return receivers.map(({ to, key, places }) => {
      const shares = places.map((place) => {
        const own = dealings.find((candidate) => isSamePlace(candidate.place, place));
        if (own === undefined) throw new ParticipantError('contradiction', `nothing was dealt for ${place.channel}`);
        return dealShare(this.#arithmetic, own.dealing, to.identifier);
      });
      const box = this.#arithmetic.seal(key, boxHeader(ceremony, this.#self, to), shares);
      for (const share of shares) this.#arithmetic.wipe(share);
      if (box === undefined)
        throw new ProtocolError('bad-ceremony-message', `${to.name} revealed an encryption key that cannot be used`, {
          culprits: [to.name],
        });
      return { to: Number(to.identifier), box: encodeBase64(box) };
    });
  }

  /**
   * Opens every box and keeps the sums as this member's shares, if they are the transcript's. If not, each share is checked against its dealer's
   * commitments, and the first that does not fit is named.
   */
  openBoxes({ ceremony, transcript, boxes }: BoxesToOpen): RefusedBox | undefined {
    const { dealings, boxKey } = this.#secretsOf(ceremony);
    const received: Secret[] = [];
    const parts = dealings.map(({ place, dealing }) => {
      const own = dealShare(this.#arithmetic, dealing, this.#self.identifier);
      received.push(own);
      return { place, shares: [own] };
    });
    const dealt: DealtShare[] = [];
    try {
      for (const box of boxes) {
        const header = boxHeader(ceremony, box.from, this.#self);
        const opened = this.#arithmetic.open(boxKey, box.box, header, box.dealings.length) ?? [];
        received.push(...opened);
        for (const [index, { commitments, ...place }] of box.dealings.entries()) {
          const share = opened[index];
          const part = parts.find((own) => isSamePlace(own.place, place));
          if (share === undefined || part === undefined) return { from: box.from.key };
          part.shares.push(share);
          dealt.push({ from: box.from.key, share, commitments });
        }
      }
      const sums = parts.map((part) => {
        const sum = this.#sumOf(part);
        received.push(sum.share);
        return sum;
      });
      const liar = this.#areOf(transcript, sums) ? undefined : dealt.find((one) => !this.#isRight(one));
      if (liar !== undefined) return { from: liar.from };
      this.#keepShares(sums);
      return undefined;
    } finally {
      for (const share of received) this.#arithmetic.wipe(share);
    }
  }

  #sumOf({ place, shares }: { readonly place: HeldSharing; readonly shares: readonly Secret[] }): SummedShare {
    if (shares.length !== place.of.members.length)
      throw new ParticipantError(
        'contradiction',
        `${shares.length} of ${place.of.members.length} dealers dealt for ${place.channel}`,
      );
    return { channel: place.channel, share: finalShare(this.#arithmetic, shares) };
  }

  /** The transcript's commitments are the sums of what all dealers committed to: what fits them was dealt rightly, or wrongly by dealers who make up for each other. */
  #areOf(transcript: Transcript, sums: readonly SummedShare[]): boolean {
    const channels = channelKeysOf(this.#arithmetic, this.#charter, transcript);
    return sums.every(({ channel, share }) => {
      const own = channels.get(channel)?.publicShares.get(this.#self.identifier);
      return own !== undefined && samePoint(this.#arithmetic.publicPoint(share), own);
    });
  }

  #isRight({ share, commitments }: DealtShare): boolean {
    return verifyDealtShare(this.#arithmetic, share, this.#self.identifier, commitments);
  }

  #keepShares(sums: readonly SummedShare[]): void {
    this.#wipeShares();
    // A copy, as of the imported one below: the sums themselves are wiped with all that came in.
    for (const { channel, share } of sums) this.#shares.set(channel, this.#arithmetic.sum([share]));
    // A copy: a ceremony that comes to nothing forgets its shares, and the next one needs this one again.
    const imported = this.#imported?.share;
    if (imported !== undefined) this.#shares.set(production, this.#arithmetic.sum([imported]));
  }

  /** The shares on their way into the age child, in charter order. */
  sharesToSeal(): ShareToSeal[] {
    return sharingsHeldBy(this.#charter, this.#self).map(({ channel, sharing }) => ({
      channel,
      sharing,
      identifier: Number(this.#self.identifier),
      export: (write) => this.#arithmetic.exportSecret(this.#shareOf(channel), write),
    }));
  }

  /** Proves every share for this transcript, after checking that it is the transcript's own. Throws `ParticipantError('damaged-share')`. */
  proveShares(transcript: Transcript): CeremonyPayload<'transcript'>['proofs'] {
    this.assertShares(channelKeysOf(this.#arithmetic, this.#charter, transcript));
    const hash = transcriptHash(transcript);
    return sharingsHeldBy(this.#charter, this.#self).map((place) => ({
      channel: place.channel,
      sharing: place.sharing,
      proof: bytesToHex(
        proveShare(this.#arithmetic, this.#shareOf(place.channel), this.#self.identifier, shareContext(hash, place)),
      ),
    }));
  }

  /** Forgets polynomials and the one-time key. The shares stay, until `forgetShares`. */
  wipeCeremony(): void {
    for (const { dealing } of this.#ceremony?.dealings ?? [])
      for (const coefficient of dealing.coefficients) this.#arithmetic.wipe(coefficient);
    if (this.#ceremony !== undefined) this.#arithmetic.wipe(this.#ceremony.boxKey);
    this.#ceremony = undefined;
  }

  /** Forgets the shares of a ceremony that came to nothing; the file on disk stays. */
  forgetShares(): void {
    this.#wipeShares();
  }

  /**
   * Takes the shares out of an opened share file, and checks that they are exactly this member's shares of this transcript.
   * Throws `ParticipantError('damaged-share')`; nothing is kept then.
   */
  load(opened: OpenedShares, transcript: Transcript): void {
    if (!equalBytes(opened.hash, hexToBytes(transcriptHash(transcript))))
      throw damaged('the share file is of another ceremony than the transcript');
    const places = sharingsHeldBy(this.#charter, this.#self);
    const matches = places.map((place) => opened.shares.find((share) => isSamePlace(share, place)));
    if (
      opened.shares.length !== places.length ||
      matches.some((share) => share?.identifier !== Number(this.#self.identifier))
    )
      throw damaged('the share file holds other shares than the charter says');
    this.#wipeShares();
    try {
      for (const share of opened.shares) {
        const secret = share.take((bytes) => this.#arithmetic.loadSecret(bytes));
        if (secret === undefined) throw damaged(`the share for ${share.channel} is no scalar`);
        this.#shares.set(share.channel, secret);
      }
      this.assertShares(channelKeysOf(this.#arithmetic, this.#charter, transcript));
    } catch (error) {
      this.#wipeShares();
      throw error;
    }
  }

  /** share·B is the own public share, and all public shares lie on polynomials whose constants sum to the key (T19). */
  assertShares(channels: ReadonlyMap<string, ChannelKey>): void {
    for (const { name } of this.#charter.channels) {
      const channel = channels.get(name);
      if (channel === undefined) throw damaged(`there is no key for ${name}`);
      assertPublicShares(this.#arithmetic, channel);
      const share = this.#shares.get(name);
      const held = channel.sharings.some(({ members }) => members.includes(this.#self.identifier));
      if (held !== (share !== undefined)) throw damaged(`the share for ${name} is missing`);
      if (share === undefined) continue;
      const own = publicShareOf(channel.publicShares, this.#self.identifier);
      if (!samePoint(this.#arithmetic.publicPoint(share), own))
        throw damaged(`the share for ${name} does not belong to this group's public key`);
    }
  }

  /**
   * Fresh nonces under each wanted slot name, in memory only: for all of them, or for none. `journalHead` is the hash of the journal's last
   * record, hex. Throws `ParticipantError` (`no-room` when too many wait, `contradiction` for a slot that was used).
   */
  makeNonces(channel: string, wanted: readonly WantedNonces[], journalHead: string): MadeNonces[] {
    const used = wanted.find(({ slot }) => this.#held.has(slot));
    if (used !== undefined) throw new ParticipantError('contradiction', `the slot ${used.slot} was used before`);
    const share = this.#shareOf(channel);
    this.#assertRoom(wanted);
    try {
      return wanted.map(({ stage, slot, pairs }) => {
        const nonces = this.#draw({ journalHead, slot }, pairs, share);
        this.#held.set(slot, { channel, nonces });
        return { stage, slot, commitments: nonces.map(({ commitments }) => commitmentsOf(commitments)) };
      });
    } catch (error) {
      for (const { slot } of wanted) this.wipe(slot);
      throw error;
    }
  }

  #draw(place: NoncePlace, pairs: number, share: Secret): Nonces[] {
    return withNonceRandomness(this.#sources, place, (random) =>
      Array.from({ length: pairs }, () => commit(this.#arithmetic, share, random)),
    );
  }

  /** Room for everything that is wanted, before anything of it is made. */
  #assertRoom(wanted: readonly WantedNonces[]): void {
    if (this.#held.size + wanted.length > maxHeldSlots) throw noRoom('too many rounds wait for a signature');
    try {
      this.#arithmetic.assertRoom(2 * wanted.reduce((sum, { pairs }) => sum + pairs, 0));
    } catch (cause) {
      if (!(cause instanceof FrostError) || cause.code !== 'arena-full') throw cause;
      throw noRoom('the memory for secrets is full', cause);
    }
  }

  /** Removes the nonces of a slot from where anybody could find them again, synchronously; answers once. Throws `ParticipantError('nonces-gone')`. */
  take(slot: string): TakenNonces {
    const held = this.#held.get(slot);
    if (held === undefined) throw new ParticipantError('nonces-gone', `the nonces of ${slot} are gone`);
    this.#held.delete(slot);
    const taken = {} as TakenNonces;
    this.#taken.set(taken, held);
    return taken;
  }

  /** One signature share for each session. Consumes the nonces whatever happens. Throws `ParticipantError('nonces-gone')` or `FrostError`. */
  sign(taken: TakenNonces, sessions: readonly Attempt[]): Scalar[] {
    const held = this.#taken.get(taken);
    this.#taken.delete(taken);
    if (held === undefined) throw new ParticipantError('nonces-gone', 'these nonces were used before');
    try {
      const share = this.#shareOf(held.channel);
      if (sessions.length !== held.nonces.length)
        throw new ParticipantError(
          'contradiction',
          `${held.nonces.length} nonce pairs for ${sessions.length} messages`,
        );
      return held.nonces.map((nonces, index) => {
        const session = sessions[index];
        if (session === undefined) throw new ParticipantError('contradiction', 'a session is missing');
        return signShare(this.#arithmetic, session, this.#self.identifier, nonces, share);
      });
    } finally {
      this.#wipeNonces(held);
    }
  }

  /** Forgets taken nonces that will not be used; a repeat is a no-op. */
  discard(taken: TakenNonces): void {
    const held = this.#taken.get(taken);
    this.#taken.delete(taken);
    if (held !== undefined) this.#wipeNonces(held);
  }

  /** Forgets the nonces of a slot; a repeat is a no-op. */
  wipe(slot: string): void {
    const held = this.#held.get(slot);
    this.#held.delete(slot);
    if (held !== undefined) this.#wipeNonces(held);
  }

  /** Zeroes everything that was ever secret, for good. */
  end(): void {
    this.#held.clear();
    this.#shares.clear();
    this.#imported = undefined;
    this.#ceremony = undefined;
    this.#arithmetic.end();
  }

  #secretsOf(ceremony: string): CeremonySecrets {
    if (this.#ceremony?.ceremony !== ceremony)
      throw new ParticipantError('contradiction', 'the secrets of this ceremony are gone');
    return this.#ceremony;
  }

  #shareOf(channel: string): Secret {
    const share = this.#shares.get(channel);
    if (share === undefined) throw new ParticipantError('not-allowed', `this member holds no share of ${channel}`);
    return share;
  }

  #wipeShares(): void {
    for (const share of this.#shares.values()) this.#arithmetic.wipe(share);
    this.#shares.clear();
  }

  #wipeNonces({ nonces }: HeldNonces): void {
    for (const { hiding, binding } of nonces) {
      this.#arithmetic.wipe(hiding);
      this.#arithmetic.wipe(binding);
    }
  }
}

/** Throws `ParticipantError('damaged-share')` unless the public shares are those of the key and the key reads back as it was pinned. */
export function assertPublicShares(
  arithmetic: Group,
  { channel, key, point, sharings, publicShares }: ChannelKey,
): void {
  const pinned = equalBytes(decodeBase64Url(key), point.bytes);
  if (!pinned || !publicSharesMatch(arithmetic, sharings, publicShares, point))
    throw damaged(`the public shares of ${channel} do not belong to its key`);
}

function damaged(found: string): ParticipantError {
  return new ParticipantError(
    'damaged-share',
    `${found}; nothing is signed with it, put the home's own files back from a copy or restore this member from its backup`,
  );
}

function commitmentsOf({ hiding, binding }: Nonces['commitments']): MadeNonces['commitments'][number] {
  return { hiding: bytesToHex(hiding), binding: bytesToHex(binding) };
}

function noRoom(found: string, cause?: unknown): ParticipantError {
  return new ParticipantError('no-room', `${found}; it goes on when others are finished`, { cause });
}

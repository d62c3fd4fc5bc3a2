/**
 * A member's home: what it agreed to, its share, its certificate and its group's documents, each whole or absent.
 *
 *     identity.pem  name  coordinator            who this is, and which coordinator it talks to
 *     charter.yaml  requesters.json              what it agreed to; both pinned by hash in the journal
 *     share-<transcript>.age                     its shares of one ceremony; never deleted, bound to the transcript hash by their header
 *     key-<transcript>.age  next.age             what opens them, under the passphrase; and keys that wait for a share
 *     keys-new                                   a change of the passphrase that was interrupted
 *     import-<charter>.age  key-<charter>.age    a one-time key for a share of an imported key, until the group lives
 *     certificate-<transcript>.json              a certificate of it, and every member's word that it holds one: of each epoch
 *     stored-<transcript>.json                   one set, never deleted either
 *     evidence-<ceremony>.json                   what was said in a ceremony that failed, for whoever judges it with others' files
 *     documents.json                             genesis, newest requesters, delegations, under the group's signature
 *     document-<request digest>.json             a certificate, revocation or delegation of the group, as the round that made it
 *     manifest-CHANNEL                           the manifest that was signed last, to show what the next one changes
 *     journal  lock  control.sock  GROUP.pub
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import type { CeremonyView } from '../protocol/ceremony/judge.ts';
import { departure } from '../protocol/ceremony/memory.ts';
import { transcriptHash } from '../protocol/ceremony/transcript.ts';
import { decodeCertificate, type Certificate } from '../protocol/ceremony/certificate.ts';
import { decodeCharter, memberByKey, type Charter, type Member } from '../protocol/files/charter.ts';
import type { Import } from '../protocol/ceremony/import.ts';
import { keyId, type Envelope, type Identity } from '../protocol/wire/envelope.ts';
import { ceremonyEvidence, encodeEvidence } from '../protocol/evidence.ts';
import {
  maxCertificateBytes,
  maxCharterBytes,
  maxGroupDocumentBytes,
  maxJsonDepth,
  maxListedDelegations,
  maxListedEnvelopes,
  maxRequestersBytes,
  maxUrlCharacters,
  maxManifestBytes,
} from '../protocol/limits.ts';
import { decodeGroupDocument, encodeGroupDocument, type GroupDocument } from '../protocol/group-documents/document.ts';
import type { DocumentBody } from '../protocol/wire/frames.ts';
import { decodeRequesters, type Requesters } from '../protocol/files/requesters.ts';
import { assertSchema, EnvelopeSchema, Nullable, Strict, Type, type Static } from '../protocol/wire/schema.ts';
import { HomeError } from '../home/errors.ts';
import { eraseFile, readFileBounded, useOwnerOnlyUmask, writeFileAtomic } from '../home/files.ts';
import { openHome, type Home } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { acquireLock } from '../home/lock.ts';
import { finishPassphraseChange } from '../home/passphrase-change.ts';
import { importKeyFileName, keyPathOf, shareFileName } from '../home/share-key.ts';
import { ParticipantError } from './errors.ts';
import { readName } from './init.ts';
import { openJournal, type Journal } from './journal.ts';
import { maxDocumentsBytes, maxEvidenceFiles, maxStoredBytes } from './limits.ts';
import type { Log } from './log.ts';
import { Records } from './records.ts';
import { present } from '../protocol/wire/present.ts';

const storedSchema = Type.Array(EnvelopeSchema, { maxItems: maxListedEnvelopes });
const documentsSchema = Strict({
  genesis: Nullable(EnvelopeSchema),
  requesters: Nullable(EnvelopeSchema),
  delegations: Type.Array(EnvelopeSchema, { maxItems: maxListedDelegations }),
});
/** Documents as they are on disk and travel in a frame. */
export type HeldDocuments = Static<typeof documentsSchema>;

const issuedName = /^document-[0-9a-f]{64}\.json$/;

/** A numbered document as it lies in the home; `IssuedDocuments.load` verifies it. */
export interface IssuedFile {
  readonly path: string;
  readonly body: DocumentBody;
}

const evidenceName = /^evidence-[0-9a-f]{64}\.json$/;

/** What a home has agreed to. */
export interface Agreement {
  readonly charter: Charter;
  readonly requesters: Requesters;
  /** The production key is split already. The file is never kept in the home: beside its one-time key it would be a second share file. */
  readonly imported: Import | undefined;
  readonly self: Member;
}

interface HomeParts {
  readonly home: Home;
  readonly name: string;
  readonly identity: Identity;
  readonly lock: AsyncDisposable;
  readonly journal: Journal;
  readonly records: Records;
}

/** A member's home, opened and locked, with its journal read. */
export class MemberHome implements AsyncDisposable {
  readonly home: Home;
  readonly name: string;
  readonly identity: Identity;
  readonly records: Records;
  readonly #lock: AsyncDisposable;
  readonly #journal: Journal;

  /**
   * Opens and locks the home at `path`. Throws `HomeError` (`missing`, `locked`, …), `JournalError` (`damaged`, `missing`): a home whose
   * journal is not what was written signs nothing (T2).
   */
  static async open(path: string | undefined, log: Log): Promise<MemberHome> {
    useOwnerOnlyUmask();
    const home = await openHome('participant', path);
    const lock = await acquireLock(home);
    try {
      await finishPassphraseChange(home.path);
      const identity = await loadIdentity(home);
      const name = await readName(home);
      const journal = await openJournal(home.file('journal'), { mustExist: await holdsShare(home) });
      try {
        if (journal.cutBack !== undefined) log('warn', 'journal-cut-back', { bytes: journal.cutBack });
        return new MemberHome({
          home,
          name,
          identity,
          lock,
          journal,
          records: await Records.open(journal, unixSeconds()),
        });
      } catch (error) {
        await journal.close();
        throw error;
      }
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor({ home, name, identity, lock, journal, records }: HomeParts) {
    this.home = home;
    this.name = name;
    this.identity = identity;
    this.records = records;
    this.#lock = lock;
    this.#journal = journal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#journal.close();
    await this.#lock[Symbol.asyncDispose]();
  }

  /** The member of the charter that has this home's identity. Throws `ParticipantError('not-a-member')`. */
  memberOf(charter: Charter): Member {
    const self = memberByKey(charter, keyId(this.identity.publicKey));
    if (self !== undefined) return self;
    throw new ParticipantError(
      'not-a-member',
      `the charter of ${charter.group} does not have the card of ${this.name}; frostmark participant card prints it`,
    );
  }

  /** What this home agreed to, but for an import file, `undefined` before that. Throws `ParticipantError('damaged')` if the files are not those. */
  async agreement(): Promise<Agreement | undefined> {
    const { agreed } = this.records;
    if (agreed === undefined) return undefined;
    const charter = decodeCharter(
      await this.#pinned('charter.yaml', maxCharterBytes, agreed.charter),
      this.home.file('charter.yaml'),
    );
    const bytes = await this.#pinned('requesters.json', maxRequestersBytes, agreed.requesters);
    return {
      charter,
      requesters: decodeRequesters(bytes, charter),
      imported: undefined,
      self: this.memberOf(charter),
    };
  }

  async #pinned(name: string, maxBytes: number, sha256: string): Promise<Uint8Array> {
    const bytes = await readFileBounded(this.home.file(name), maxBytes);
    if (sha256Hex(bytes) !== sha256)
      throw damaged(this.home.file(name), 'it is not what this home agreed to; put the very same file back');
    return bytes;
  }

  /**
   * Pins charter, requesters and the hash of an import. A ceremony under another agreement is left first, for good.
   * Throws `ParticipantError('other-charter')` when its key is in use.
   */
  async agree(charter: Charter, requesters: Requesters, importHash: string | undefined): Promise<void> {
    const { agreed } = this.records;
    const next = {
      charter: charter.hash,
      requesters: sha256Hex(requesters.bytes),
      ...(importHash === undefined ? {} : { import: importHash }),
    };
    if (agreed?.charter === next.charter && agreed.requesters === next.requesters && agreed.import === importHash)
      return;
    await this.#leaveCeremony();
    await writeFileAtomic(this.home.file('charter.yaml'), charter.bytes);
    await writeFileAtomic(this.home.file('requesters.json'), requesters.bytes);
    // Pinned last: a crash before this line leaves files that nothing relies on.
    await this.records.append({ type: 'agreed', ...next });
  }

  /** Whoever gave no share can always join under another charter; whoever did is of that group for good (T35). */
  async #leaveCeremony(): Promise<void> {
    const { ceremonies } = this.records;
    const ceremony = ceremonies.current;
    if (ceremony === undefined) return;
    const reason = 'its owner joined under another charter, requesters or import file';
    const entry = departure(ceremonies, { ceremony, code: 'restarted', reason, suspect: null });
    if (entry === undefined || (await this.documents()).genesis !== null)
      throw new ParticipantError(
        'other-charter',
        `${this.home.path} holds a share of a key that is in use; one home is one member of one group, make another home`,
      );
    await this.records.append(entry);
  }

  /** The coordinator's URL with its fingerprint, as `join` was given it. */
  async coordinator(): Promise<string | undefined> {
    const bytes = await this.#readIfThere('coordinator', 4 * maxUrlCharacters);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim();
  }

  async writeCoordinator(url: string): Promise<void> {
    await writeFileAtomic(this.home.file('coordinator'), new TextEncoder().encode(`${url}\n`));
  }

  /** The age file of the one-time key to which this member's share of an imported key is sealed. */
  importKeyPath(charter: Charter): string {
    return this.home.file(`import-${charter.hash}.age`);
  }

  async hasImportKey(charter: Charter): Promise<boolean> {
    return (await readdir(this.home.path)).includes(basename(this.importKeyPath(charter)));
  }

  /** Erases the one-time import keys, whose share is in the home's own files now; what was copied of a disk, or by it, is not reached. */
  async eraseImportKeys(): Promise<void> {
    const names = (await readdir(this.home.path)).filter((name) => importKeyFileName.test(name));
    for (const path of names.map((name) => this.home.file(name))) {
      // The key first: without it the other file opens nothing.
      await eraseFile(keyPathOf(path));
      await eraseFile(path);
    }
  }

  sharePath(transcriptHash: string): string {
    return this.home.file(`share-${transcriptHash}.age`);
  }

  /** A certificate of the ceremony that this member is in and said `stored` for; `undefined` before that. Throws `ParticipantError('damaged')`. */
  async certificate(): Promise<Certificate | undefined> {
    const { current, stored } = this.records.ceremonies;
    return current === undefined || !stored.includes(current) ? undefined : this.#certificateOf(current);
  }

  /** Certificates of every ceremony of this charter that this member said `stored` for, by ceremony. */
  async certificates(charter: Charter): Promise<Map<string, Certificate>> {
    const { stored, signed } = this.records.ceremonies;
    const held = new Map<string, Certificate>();
    for (const ceremony of stored) {
      if (signed.get(ceremony)?.transcript.charter === charter.hash)
        held.set(ceremony, await this.#certificateOf(ceremony));
    }
    return held;
  }

  async #certificateOf(ceremony: string): Promise<Certificate> {
    const { transcript } = present(this.records.ceremonies.signed.get(ceremony), 'the transcript that was signed');
    const hash = transcriptHash(transcript);
    const path = this.home.file(`certificate-${hash}.json`);
    const certificate = decodeCertificate(await readFileBounded(path, maxCertificateBytes));
    if (certificate.transcriptHash !== hash)
      throw damaged(path, 'it is no certificate of the transcript that the journal names');
    return certificate;
  }

  async writeCertificate(certificate: Certificate): Promise<void> {
    await writeFileAtomic(this.home.file(`certificate-${certificate.transcriptHash}.json`), certificate.bytes);
  }

  /** Every member's signed word that it holds a certificate of this transcript; `undefined` before all have said so. `assertAllStored` checks it. */
  async stored(transcript: string): Promise<readonly Envelope[] | undefined> {
    const name = `stored-${transcript}.json`;
    const bytes = await this.#readIfThere(name, maxStoredBytes);
    return bytes === undefined ? undefined : this.#decode(name, storedSchema, bytes, maxStoredBytes);
  }

  async writeStored(transcript: string, stored: readonly Envelope[]): Promise<void> {
    await writeFileAtomic(this.home.file(`stored-${transcript}.json`), encodeCanonicalJson(stored));
  }

  /** Unverified; `HeldGroupDocuments.load` verifies. */
  async documents(): Promise<HeldDocuments> {
    const bytes = await this.#readIfThere('documents.json', maxDocumentsBytes);
    if (bytes === undefined) return { genesis: null, requesters: null, delegations: [] };
    return this.#decode('documents.json', documentsSchema, bytes, maxDocumentsBytes);
  }

  async writeDocuments(documents: HeldDocuments): Promise<void> {
    await writeFileAtomic(this.home.file('documents.json'), encodeCanonicalJson(documents));
  }

  /** Certificates, revocations and delegations: unverified. Throws `ParticipantError('damaged')`. */
  async issuedDocuments(): Promise<IssuedFile[]> {
    const names = (await readdir(this.home.path)).filter((name) => issuedName.test(name)).sort();
    const files: IssuedFile[] = [];
    for (const name of names) {
      const path = this.home.file(name);
      const bytes = await readFileBounded(path, maxGroupDocumentBytes);
      try {
        files.push({ path, body: decodeGroupDocument(bytes) });
      } catch (cause) {
        throw damaged(path, 'it is not what was written; move it away, and the other members bring it again', cause);
      }
    }
    return files;
  }

  async writeIssuedDocument(document: GroupDocument): Promise<void> {
    await writeFileAtomic(this.#issuedPath(document), encodeGroupDocument(document));
  }

  /** A repeat is a no-op. */
  async removeIssuedDocument(document: GroupDocument): Promise<void> {
    await rm(this.#issuedPath(document), { force: true });
  }

  #issuedPath({ request }: GroupDocument): string {
    return this.home.file(`document-${request.digest}.json`);
  }

  /** The manifest of a channel that this member saw signed last; `undefined` before there is one. */
  async lastManifest(channel: string): Promise<Uint8Array | undefined> {
    return this.#readIfThere(`manifest-${channel}`, maxManifestBytes);
  }

  async writeManifest(channel: string, manifest: Uint8Array): Promise<void> {
    await writeFileAtomic(this.home.file(`manifest-${channel}`), manifest);
  }

  /** What was said in a ceremony that was disturbed, for whoever judges it with other members' files; returns where it lies. The newest are kept. */
  async writeEvidence(ceremony: string, view: CeremonyView): Promise<string> {
    const path = this.home.file(`evidence-${ceremony}.json`);
    await writeFileAtomic(path, encodeEvidence(ceremonyEvidence(view)).bytes);
    const files = (await readdir(this.home.path)).filter((name) => evidenceName.test(name));
    const dated = await Promise.all(
      files.map(async (name) => ({ name, at: (await stat(this.home.file(name))).mtimeMs })),
    );
    for (const { name } of dated.sort((a, b) => b.at - a.at).slice(maxEvidenceFiles)) await rm(this.home.file(name));
    return path;
  }

  /** GROUP.pub, the one line that installers pin. */
  async writeGroupLine(groupLine: string): Promise<string> {
    const path = this.home.file('GROUP.pub');
    await writeFileAtomic(path, new TextEncoder().encode(`${groupLine}\n`), { mode: 0o644 });
    return path;
  }

  async #readIfThere(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    try {
      return await readFileBounded(this.home.file(name), maxBytes);
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') return undefined;
      throw error;
    }
  }

  #decode<T extends typeof storedSchema | typeof documentsSchema>(
    name: string,
    schema: T,
    bytes: Uint8Array,
    maxBytes: number,
  ): Static<T> {
    try {
      const value = decodeCanonicalJson(bytes, { maxBytes, maxDepth: maxJsonDepth });
      assertSchema(schema, value, 'bad-document', name);
      return value as Static<T>;
    } catch (cause) {
      throw damaged(this.home.file(name), 'it is not what was written; put a copy of it back', cause);
    }
  }
}

async function holdsShare(home: Home): Promise<boolean> {
  return (await readdir(home.path)).some((name) => shareFileName.test(name));
}

/** Absolute path of the control socket of the home at `path`. */
export function defaultSocketPath(home: Home): string {
  return resolve(home.file('control.sock'));
}

/** The clock of this machine, in Unix seconds. */
export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function damaged(path: string, found: string, cause?: unknown): ParticipantError {
  return new ParticipantError('damaged', `${path} is damaged: ${found}`, { cause });
}
